"""Storage that hangs, loses answers or refuses: what the worker then does, in virtual time."""

from __future__ import annotations

import asyncio
import errno
import json

import pytest

from spot_worker.deciding.conversation import (
    Died,
    Done,
    Failed,
    FetchAsked,
    FileSaved,
    OutputGiven,
    Refused,
    Returned,
    Said,
    StateSaved,
    Task,
)
from spot_worker.deciding.names import places, pointer_name
from spot_worker.deciding.record.pointers import Ending
from spot_worker.edges.azure_errors import translated
from spot_worker.running.attempt import Uploads
from spot_worker.running.one_claim import Place
from spot_worker.running.ports import DiskError, StorageError
from spot_worker.running.settings import Settings
from spot_worker.running.slot import Slot
from spot_worker.running.stops.own_stop import Idleness
from spot_worker.running.stops.stopping import SIGNAL_GRACE_S, Stopping, Why
from workbench.jumping import VirtualClock, at_once
from workbench.virtual import JOB, QUEUE, Fate, Outside
from workbench.virtual_child import VirtualChild, lasting, returns


def now() -> float:
    return asyncio.get_running_loop().time()


async def stopped_after(outside: Outside, seconds: float, *, until_empty: bool = False) -> float:
    """Let a worker work, stop it after so long, and say how long it took from then on."""
    stopping = Stopping(VirtualClock())
    working = asyncio.ensure_future(outside.works(stopping, once=False, until_empty=until_empty))
    await asyncio.sleep(seconds)
    asked_at = now()
    stopping.signal()
    await working
    return now() - asked_at


def test_after_a_signal_nobody_waits_to_hear_whether_the_queue_is_empty() -> None:
    outside = Outside(returns, {"is empty": [Fate.HANGS]})
    assert at_once(stopped_after(outside, 5.0, until_empty=True)) < 3.0


def test_a_renewal_whose_answer_was_lost_uses_up_no_budget() -> None:
    outside = Outside(lasting(60.0), {"renew": [Fate.LOST_ANSWER, None]})
    outside.submit()
    at_once(outside.works())
    assert outside.record().claim.ended is Ending.STORAGE
    assert "not answered" in outside.log.events("lost")[0]["why"]


def test_a_message_that_somebody_else_has_ends_the_work_and_nothing_more_is_written() -> None:
    async def story() -> None:
        working = asyncio.ensure_future(outside.works())
        await asyncio.sleep(5.0)
        outside.messages["message-1"].receipt += 1
        await working

    outside = Outside(lasting(60.0))
    outside.submit()
    at_once(story())
    assert "somebody else" in outside.log.events("lost")[0]["why"]
    assert outside.record().claim.ended is None
    assert not outside.asked["replace"]


def test_one_renewal_that_hangs_leaves_time_for_another() -> None:
    outside = Outside(lasting(60.0), {"renew": [Fate.HANGS, None]})
    outside.submit()
    at_once(outside.works())
    assert outside.log.events("finished")


def test_a_claim_whose_answer_was_lost_before_a_stop_does_not_count_as_one_that_died() -> None:
    outside = Outside(returns, {"claim": [Fate.LOST_ANSWER]})
    outside.submit()
    assert at_once(stopped_after(outside, 0.2)) < 10.0
    assert outside.record().claim.ended is Ending.STOPPED
    assert outside.messages["message-1"].visible_at <= 10.0


def test_a_job_that_a_newer_version_has_worked_on_is_left_to_it() -> None:
    outside = Outside(returns)
    outside.submit()
    at_once(outside.works())
    name = pointer_name(QUEUE, JOB)
    written = {**json.loads(outside.kept[name].content), "format": 3}
    again = Outside(returns)
    again.submit()
    again.kept[name] = type(outside.kept[name])(json.dumps(written).encode(), "etag")
    at_once(again.works())
    assert (again.sent, list(again.kept)) == ([], [name])
    assert json.loads(again.kept[name].content)["format"] == 3
    assert again.messages["message-1"].visible_at > 0
    assert "newer" in again.log.events("left to a newer worker")[0]["why"]


def saving(said: Said) -> Outside:
    """Give an outside whose function saves when it is asked to stop."""

    async def save(child: VirtualChild, task: Task) -> Said:
        del task
        await child.is_asked_to_stop.wait()
        await asyncio.sleep(SIGNAL_GRACE_S - 0.1)
        await child.ask(said)
        await asyncio.sleep(1000.0)
        return Returned("1")

    outside = Outside(save)
    outside.submit()
    return outside


def test_a_state_is_written_however_little_time_is_left_and_a_file_that_does_not_fit_is_not() -> None:
    state = saving(StateSaved("1"))
    at_once(stopped_after(state, 5.0))
    assert len(state.record().checkpoints) == 1
    file = saving(FileSaved("/a", "f" * 64, 100_000_000))
    at_once(stopped_after(file, 5.0))
    assert (file.record().checkpoints, len(file.log.events("file left out"))) == ((), 1)


def test_a_crash_is_retried_later_each_time_and_its_signal_is_in_the_reason() -> None:
    async def crashes(_child: VirtualChild, _task: Task) -> Said:
        return Died("the function's process was ended by SIGSEGV")

    outside = Outside(crashes)
    outside.submit()
    at_once(outside.works(once=False, until_empty=True))
    assert [line["again_in_s"] for line in outside.log.events("gave back")] == [1, 2, 4, 8]
    assert "SIGSEGV" in outside.log.events("poison")[0]["reason"]


@pytest.mark.parametrize(("length", "kept"), [(10, 2000), (300, 1048576 // 700)])
def test_more_outputs_than_a_record_can_list_are_refused_where_they_are_given(length: int, kept: int) -> None:
    async def gives(child: VirtualChild, _task: Task) -> Said:
        answers = [await child.ask(OutputGiven("/a", f"{'x' * length}{number}")) for number in range(4000)]
        refused = [one for one in answers if isinstance(one, Refused)]
        assert "pack many into one" in refused[0].why
        return Returned(str(sum(isinstance(one, Done) for one in answers)))

    outside = Outside(gives)
    outside.submit()
    at_once(outside.works())
    row = next(row for row in outside.rows if "result" in row)
    assert int(row["result"]) >= kept
    assert int(row["result"]) < 4000


def test_a_full_disk_is_the_jobs_failure_and_not_storages() -> None:
    async def fetches(child: VirtualChild, _task: Task) -> Said:
        answer = await child.ask(FetchAsked("https://account/input", "/work/input"))
        return Failed(answer.why) if isinstance(answer, Refused) else Returned("1")

    outside = Outside(fetches, {"fetch": [Fate.DISK_FULL]})
    outside.submit()
    at_once(outside.works(once=False, until_empty=True))
    assert "No space left" in outside.log.events("poison")[0]["reason"]


def test_what_the_disk_refuses_is_told_from_what_the_network_does() -> None:
    def write() -> None:
        with open("/dev/full", "wb") as stream:  # noqa: PTH123 - a disk that is always full
            stream.write(b"a")

    def break_off() -> None:
        raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")

    with pytest.raises(DiskError, match="No space left"):
        translated("to fetch", write)
    with pytest.raises(StorageError) as error:
        translated("to fetch", break_off)
    assert not error.value.is_lasting


def test_a_mistake_of_our_own_ends_neither_the_worker_nor_the_job() -> None:
    outside = Outside(returns, {"result row": [Fate.OUR_MISTAKE, None]})
    outside.submit()
    at_once(outside.works(once=False, until_empty=True))
    assert "ZeroDivisionError" in outside.log.events("our own mistake")[0]["error"]
    assert any("result" in row for row in outside.rows)


def test_new_code_after_the_one_job_that_was_asked_for_begins_no_other() -> None:
    async def story() -> Stopping:
        stopping = Stopping(VirtualClock())
        working = asyncio.ensure_future(outside.works(stopping))
        await asyncio.sleep(5.0)
        stopping.reload()
        return await working

    outside = Outside(lasting(10.0))
    outside.submit()
    assert at_once(story()).why is Why.DONE


def test_new_code_takes_over_where_more_is_to_be_done() -> None:
    async def story() -> Stopping:
        stopping = Stopping(VirtualClock())
        working = asyncio.ensure_future(outside.works(stopping, once=False))
        await asyncio.sleep(5.0)
        stopping.reload()
        return await working

    outside = Outside(lasting(10.0))
    outside.submit()
    assert at_once(story()).why is Why.RELOAD


@pytest.mark.parametrize("what", ["receive", "claim", "delete"])
def test_a_worker_that_is_refused_for_long_ends_with_the_reason(what: str) -> None:
    async def story() -> float:
        with pytest.raises(StorageError, match="for 10 minutes now: refused"):
            await outside.works(once=False)
        return now()

    outside = Outside(returns, {what: [Fate.REFUSED]})
    outside.submit()
    assert 600.0 <= at_once(story()) < 660.0


def test_a_worker_that_is_refused_now_and_then_goes_on() -> None:
    async def story() -> None:
        for number in range(100):
            outside.submit(f"job-{number}")
            outside.fates["claim"] = [Fate.REFUSED, None]
            await asyncio.sleep(60.0)

    outside = Outside(returns)
    working = outside.works(once=False)

    async def both() -> None:
        await asyncio.wait({asyncio.ensure_future(working), asyncio.ensure_future(story())}, timeout=5990.0)

    at_once(both())
    assert len(outside.log.events("finished")) > 90


def test_what_a_slot_told_before_never_comes_after_its_last_word() -> None:
    outside = Outside(returns, {"worker row": [Fate.SLOW, None]})
    at_once(stopped_after(outside, 0.1))
    assert [row["state"] for row in outside.rows] == ["idle", "stopping"]


def test_pauses_between_tries_do_not_make_uploads_look_slow() -> None:
    async def saves(child: VirtualChild, _task: Task) -> Said:
        await child.ask(FileSaved("/a", "f" * 64, 3_000_000))
        return Returned("1")

    def learned(*fates: Fate | None) -> float:
        uploads = Uploads()

        async def story() -> None:
            outside = Outside(saves, {"upload": [*fates, None]})
            outside.submit()
            stopping = Stopping(VirtualClock())
            settings, clock = Settings(places(QUEUE), "vm-1", "boot-1", is_once=True), VirtualClock()
            place = Place(settings, 0, stopping, uploads, Idleness(clock))
            ports = outside.ports()
            await Slot(ports, place, await ports.children.start(0)).work()

        at_once(story())
        return uploads.rate.bytes_per_s

    assert learned(Fate.UNANSWERED, Fate.UNANSWERED) == pytest.approx(learned())
