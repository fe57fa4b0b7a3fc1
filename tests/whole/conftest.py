"""What the tests of the whole are given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.harness.operators_laptop import operators_laptop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.operators_laptop import OperatorsLaptop


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorsLaptop]:
    """Start the laptop Azure once for all tests of a file.

    Each test has VMs of its own, in a pool of its own; what is shared is the app, its tables and its queue.
    """
    with operators_laptop(tmp_path_factory.mktemp("operators")) as running:
        yield running
