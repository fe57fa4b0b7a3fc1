"""What tests are given."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from workbench.azurite import PROGRAM, Storage, storage
from workbench.real_worker import Bench

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def hang_up() -> Iterator[None]:
    """Give SIGHUP back: a worker that ends in this process has it ignored, and later tests' processes inherit that."""
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture(scope="session")
def account() -> Iterator[Storage]:
    """Give a storage account on this machine."""
    if not PROGRAM.exists():
        pytest.skip("Azurite is not installed: make setup")
    with storage() as found:
        yield found


@pytest.fixture
def bench(account: Storage, tmp_path: Path) -> Iterator[Bench]:
    """Give what starts real workers in an empty folder."""
    made = Bench(account, tmp_path)
    yield made
    made.end()
