"""The query of the alarm about work, over the log lines that real stories leave behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.docs.logged_stories import names, watched
from tests.harness.makers import at
from tests.responder.work.test_work_queues import NAME, add_worker, asleep, frames, queue_of, submit

if TYPE_CHECKING:
    from tests.harness.stories import NewAzure


def test_work_that_is_done_and_vms_that_stop_themselves_are_no_alarm(new_azure: NewAzure) -> None:
    """Fifty minutes of work for one VM: there are messages all the time, and somebody works on them."""
    azure = asleep(new_azure, "render-1", max_vms=1)
    with watched(azure) as logbook:
        submit(azure, 5, 600)
        azure.run_until(at("11:40"))
    assert queue_of(azure).left == []
    assert [logbook.ask("alarm-work", at(time)) for time in ("10:50", "11:20", "11:40")] == [[], [], []]


def test_work_that_waits_too_long_is_an_alarm_that_says_what_is_known(new_azure: NewAzure) -> None:
    """No VM has the tag: the queue's name is written, and the reason."""
    azure = new_azure(work_queues=[frames()])
    with watched(azure) as logbook:
        submit(azure, 2)
        azure.run_until(at("10:50"))
    rows = logbook.ask("alarm-work", at("10:50"))
    assert {(row["queue"], row["vm"], row["needs"]) for row in rows} == {(str(NAME), "", "waits")}
    assert "no VM has the tag StartForWork=farm/frames" in rows[-1]["reason"]
    assert logbook.ask("alarm-lasting", at("10:50")) == []


def test_a_vm_that_never_claims_is_an_alarm(new_azure: NewAzure) -> None:
    """It is up, and its worker does not begin: told after ten minutes, by the VM's name."""
    azure = new_azure(work_queues=[frames()])
    add_worker(azure, "render-1", boots=False)
    with watched(azure) as logbook:
        submit(azure, 1)
        azure.run_until(at("10:25"))
    rows = logbook.ask("alarm-work", at("10:25"))
    assert [(name, row["needs"]) for name, row in zip(names(rows), rows, strict=True)] == [("render-1", "silent")]


def test_a_vm_that_never_stops_is_an_alarm(new_azure: NewAzure) -> None:
    """It has nothing to do, and does not deallocate itself."""
    azure = new_azure(work_queues=[frames()])
    add_worker(azure, "render-1", stops_vm=False)
    with watched(azure) as logbook:
        azure.run_until(at("10:45"))
    rows = logbook.ask("alarm-work", at("10:45"))
    assert [(name, row["needs"]) for name, row in zip(names(rows), rows, strict=True)] == [("render-1", "stays-up")]
