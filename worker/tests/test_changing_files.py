"""A file that somebody writes to while it is saved: what the record names is what was uploaded, or nothing is."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

import pytest

from spot_worker.deciding.conversation import Died, FileSaved, LoadAsked, Loaded, Returned, Said, Task
from spot_worker.deciding.names import places
from spot_worker.deciding.record.pointers import Cause, Kind, Poison
from spot_worker.edges.account import by_connection_string, make_all
from spot_worker.edges.storage import BlobStore
from spot_worker.running.ports import MissingError
from workbench.jumping import at_once
from workbench.virtual import Outside

if TYPE_CHECKING:
    from pathlib import Path

    from workbench.azurite import Storage
    from workbench.real_worker import Bench
    from workbench.virtual_child import VirtualChild

_LARGE = 9 * 1024 * 1024
"""More than goes in one request."""


@pytest.fixture
def store(account: Storage, tmp_path: Path) -> BlobStore:
    opened, where = by_connection_string(account.connection_string), places("changing")
    make_all(opened, where, "workers")
    return BlobStore(opened, where, 1, tmp_path / "cache")


@pytest.mark.parametrize("size", [0, 1000, _LARGE])
def test_what_is_written_to_the_end_of_a_file_meanwhile_is_not_in_its_checkpoint(
    store: BlobStore, tmp_path: Path, size: int
) -> None:
    file, content = tmp_path / "file", b"x" * size
    file.write_bytes(content + b"and more")
    digest = hashlib.sha256(content).hexdigest()
    asyncio.run(store.upload(f"appended-{size}", str(file), digest, size))
    assert asyncio.run(store.download(f"appended-{size}", str(tmp_path / "back"), digest)) == digest


@pytest.mark.parametrize("size", [1000, _LARGE])
@pytest.mark.parametrize("becomes", ["another", "shorter"])
def test_a_file_that_was_changed_meanwhile_is_refused_and_leaves_no_blob(
    store: BlobStore, tmp_path: Path, size: int, becomes: str
) -> None:
    file, name = tmp_path / "file", f"{becomes}-{size}"
    file.write_bytes(b"x" * (size - 1) + (b"y" if becomes == "another" else b""))
    with pytest.raises(MissingError, match="changed while it was saved"):
        asyncio.run(store.upload(name, str(file), hashlib.sha256(b"x" * size).hexdigest(), size))
    assert asyncio.run(store.read(name)) is None


def test_a_function_that_writes_to_its_file_while_it_saves_goes_on_from_there_or_is_told(bench: Bench) -> None:
    bench.submit("appending", 1)
    worker = bench.run("workbench.bad_jobs:appends_while_it_saves", "appending", "--until-empty")
    assert worker.ended() == 0
    (row,) = bench.results("appending")
    assert row["result"] == "gone on"
    assert not worker.events("checkpoint not usable")


def test_checkpoints_that_cannot_be_used_are_no_progress() -> None:
    async def dies(child: VirtualChild, task: Task) -> Said:
        assert await child.ask(LoadAsked("there")) == Loaded(None)
        await child.ask(FileSaved("file", f"digest-{task.attempt}", 4))
        outside.kept = {name: blob for name, blob in outside.kept.items() if name.endswith("pointer.json")}
        return Died("killed") if task.attempt < 50 else Returned("1")

    outside = Outside(dies)
    outside.submit()
    at_once(outside.works(once=False, until_empty=True))
    outcome = outside.record().outcome
    assert isinstance(outcome, Poison)
    assert outcome.cause is Cause.CHECKPOINTS


def test_one_checkpoint_that_was_damaged_costs_no_later_progress() -> None:
    async def dies(child: VirtualChild, task: Task) -> Said:
        loaded = await child.ask(LoadAsked("there"))
        assert loaded == Loaded(Kind.FILE if task.attempt not in {1, 3} else None)
        await child.ask(FileSaved("file", f"digest-{task.attempt}", 4))
        if task.attempt == 2:
            outside.kept = {name: blob for name, blob in outside.kept.items() if name.endswith("pointer.json")}
        return Died("killed") if task.attempt < 12 else Returned("1")

    outside = Outside(dies)
    outside.submit()
    at_once(outside.works(once=False, until_empty=True))
    assert not isinstance(outside.record().outcome, Poison)
    assert outside.record().attempt == 12


def test_what_is_saved_after_a_damaged_checkpoint_is_progress() -> None:
    """The second claim comes further. Of the five that follow, none does, and the fifth is not too many."""

    async def dies(child: VirtualChild, task: Task) -> Said:
        loaded = await child.ask(LoadAsked("there"))
        assert loaded == Loaded(Kind.FILE if task.attempt > 2 else None)
        if task.attempt <= 2:
            await child.ask(FileSaved("file", f"digest-{task.attempt}", 4))
        if task.attempt == 1:
            outside.kept = {name: blob for name, blob in outside.kept.items() if name.endswith("pointer.json")}
        return Died("killed") if task.attempt < 7 else Returned("1")

    outside = Outside(dies)
    outside.submit()
    at_once(outside.works(once=False, until_empty=True))
    assert outside.record().attempt == 7
    assert not isinstance(outside.record().outcome, Poison)


def test_a_checkpoint_is_progress_once_however_often_it_is_loaded() -> None:
    """A job that dies before it saves anything is given up in the end."""

    async def dies(child: VirtualChild, task: Task) -> Said:
        await child.ask(LoadAsked("there"))
        if task.attempt <= 2:
            await child.ask(FileSaved("file", f"digest-{task.attempt}", 4))
        if task.attempt == 1:
            outside.kept = {name: blob for name, blob in outside.kept.items() if name.endswith("pointer.json")}
        return Died("killed") if task.attempt < 50 else Returned("1")

    outside = Outside(dies)
    outside.submit()
    at_once(outside.works(once=False, until_empty=True))
    assert isinstance(outside.record().outcome, Poison)
    assert outside.record().attempt < 10
