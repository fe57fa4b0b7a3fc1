"""Several messages of one job: while somebody works on it, the others wait, and nobody is taken for dead."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from spot_worker.deciding.conversation import Died, Returned, Said, Task
from spot_worker.deciding.messages import write_message
from spot_worker.deciding.names import places
from spot_worker.deciding.record.claims import is_alive
from spot_worker.deciding.record.endings import Spent, end, with_checkpoint
from spot_worker.deciding.record.pointers import Ending, Result
from spot_worker.running.settings import Settings
from spot_worker.running.stops.stopping import Stopping
from spot_worker.running.worker import work
from workbench.jumping import VirtualClock, at_once
from workbench.makers import QUEUE, claim, pointer, saved
from workbench.real_worker import until
from workbench.virtual import JOB, Outside
from workbench.virtual_child import VirtualChild, lasting

if TYPE_CHECKING:
    from workbench.real_worker import Bench

_LATER = replace(claim(2), at="2026-03-02T11:00:00.000Z")


async def work_with_ten_slots(outside: Outside) -> None:
    stopping = Stopping(VirtualClock())
    working = asyncio.ensure_future(
        work(outside.ports(), Settings(places(QUEUE), "vm-1", "boot-1", slots=10, until_empty=True), stopping)
    )
    await asyncio.wait({working}, timeout=20_000.0)
    stopping.signal()
    await working


def test_a_healthy_job_with_ten_messages_is_done_once_however_long_it_takes() -> None:
    outside = Outside(lasting(3_000.0))
    for _ in range(10):
        outside.submit()
    at_once(work_with_ten_slots(outside))
    record = outside.record()
    assert isinstance(record.outcome, Result)
    assert (record.attempt, record.counters.silent_claims) == (1, 0)
    assert not outside.messages


def test_a_job_whose_worker_was_killed_is_taken_up_by_another_message_when_its_lease_has_ended() -> None:
    async def story() -> float:
        first = asyncio.ensure_future(outside.works())
        await asyncio.sleep(100.0)
        first.cancel()  # as by SIGKILL: nothing more is written
        await asyncio.gather(first, return_exceptions=True)
        del outside.messages["message-1"]  # its sender let it live for so long only
        outside.submit()
        killed_at = asyncio.get_running_loop().time()
        await outside.works(once=False, until_empty=True)
        return asyncio.get_running_loop().time() - killed_at

    async def lasts_once(_child: VirtualChild, task: Task) -> Said:
        await asyncio.sleep(1e6 if task.attempt == 1 else 1.0)
        return Returned("1")

    outside = Outside(lasts_once)
    outside.submit()
    took_s = at_once(story())
    assert outside.record().attempt == 2
    assert took_s < 90.0


def test_two_messages_of_a_job_that_kills_its_process_are_poison_in_the_end() -> None:
    async def dies(_child: VirtualChild, _task: Task) -> Said:
        await asyncio.sleep(1.0)
        return Died("killed")

    outside = Outside(dies)
    outside.submit()
    outside.submit()
    at_once(work_with_ten_slots(outside))
    assert outside.record(JOB).counters.silent_claims == 5
    assert not outside.messages


@pytest.mark.parametrize(
    ("at", "renewed", "lives"),
    [
        ("2026-03-02T10:59:45.000Z", (), True),
        ("2026-03-02T11:00:15.000Z", (), True),  # clocks differ
        ("2026-03-02T10:59:29.000Z", (), False),
        ("2026-03-02T12:00:00.000Z", (), False),  # by so much they tell nothing
        ("2026-03-02T10:00:00.000Z", ("2026-03-02T10:00:30.000Z", "2026-03-02T10:59:50.000Z"), True),
        ("no time", ("nor this",), False),
    ],
)
def test_what_shows_that_an_attempt_is_alive(at: str, renewed: tuple[str, ...], lives: bool) -> None:  # noqa: FBT001
    found = replace(pointer(), claim=replace(claim(1), at=at))
    assert is_alive(found, _LATER, 30, renewed) is lives


def test_a_checkpoint_shows_it_too_but_not_to_the_very_message_nor_after_the_end() -> None:
    found = with_checkpoint(pointer(), replace(saved(1), at="2026-03-02T10:59:50.000Z"))
    assert is_alive(found, _LATER, 30, ())
    assert not is_alive(found, replace(_LATER, message_id=found.claim.message_id), 30, ())
    assert not is_alive(end(found, Ending.FAILED, Spent(1.0)), _LATER, 30, ())
    assert not is_alive(replace(found, attempt=2), _LATER, 30, ())


def test_a_late_double_deletes_what_is_left_of_the_inputs_but_no_new_one_at_their_addresses(bench: Bench) -> None:
    container = bench.storage.blobs.create_container("inputs-of-doubles")
    replaced, left = container.upload_blob("replaced", b"old"), container.upload_blob("left", b"old")
    left.create_snapshot()  # so that it cannot be deleted yet
    (bench.folder / "deleting.py").write_text(
        "def work(job):\n    for url in job.body:\n        job.delete_input(url)\n"
    )
    body = [replaced.url, left.url]
    (job_id,) = bench.submit("doubles", body)
    assert bench.run("deleting:work", "doubles", "--once").ended() == 0
    assert (replaced.exists(), left.exists()) == (False, True)
    left.delete_blob(delete_snapshots="only")
    record = bench.storage.blobs.get_blob_client("doubles-checkpoints", f"doubles/{job_id}/pointer.json")
    over_at = record.get_blob_properties().last_modified
    until(lambda: replaced.upload_blob(b"new", overwrite=True)["last_modified"] > over_at)
    bench.storage.queues.get_queue_client("doubles").send_message(write_message(job_id, body))
    worker = bench.run("deleting:work", "doubles", "--once")
    assert worker.ended() == 0
    assert not worker.events("claimed")
    assert (replaced.exists(), left.exists()) == (True, False)
    (kept,) = worker.events("not deleted")
    assert (kept["what"], "412 ConditionNotMet" in kept["error"]) == (replaced.url, True)
