"""A message that cannot be answered: what comes back and when, what is dropped, and what its recovery keeps."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from localazure.virtual.wire import Fate, RequestKind
from localazure.world.azure_errors import Refused, not_found
from localazure.world.durations import Durations
from localazure.world.happenings import ActionSucceeded, AvailabilityChanged
from localazure.world.vm_lifecycle import DEALLOCATE
from spot_responder.decisions.outcomes import Outcome
from spot_responder.intake.own_messages import Requeues, requeued
from spot_responder.intake.vms import VmId
from spot_responder.operators.act import retry
from tests.harness.makers import TEN, at
from tests.harness.stories import NO_ANSWER, annotated, notices, outcomes, preempted, refused, starts

if TYPE_CHECKING:
    from tests.harness.stories import NewAzure

DAY = timedelta(days=1)
FOR_EVER = 10**6
BUSY = refused(Refused(503, "ServerBusy", "The server is busy."))
NOT_FOUND = refused(not_found("render-1", "rg"))
BROKEN = refused(Refused(500, "InternalServerError", "Encountered internal server error."))


# While a table fails


def test_a_find_whose_row_cannot_be_written_is_left_to_the_next_sweep(new_azure: NewAzure) -> None:
    """All events lost, no row can be written for an hour: each sweep puts a find, and nothing is kept of it."""
    azure = new_azure()
    azure.add_vm(power_state="deallocated")
    azure.script.next(RequestKind.ROW_READ, BUSY, about="recoveries/rg", times=FOR_EVER)
    azure.run_until(at("11:14"))
    assert azure.messages == []


def test_messages_whose_row_cannot_be_written_do_not_multiply(new_azure: NewAzure) -> None:
    """ARM shows no such VM, no row can be written from 10:02 on: each message is tried again, and no other is added.

    Evicted at 10:00, and said to be started at 10:04 and 10:15, which cannot be noted. Each look puts a follow-up.
    """
    azure = new_azure(sweep_every=DAY)
    azure.add_vm()
    looks: list[str] = []
    azure.script.next(
        RequestKind.VM_READ, NOT_FOUND, times=FOR_EVER, meanwhile=lambda: looks.append(f"{azure.now:%H:%M}")
    )
    azure.world.evict("render-1")
    azure.run_until(at("10:02"))
    azure.script.next(RequestKind.ROW_WRITE, BUSY, about="recoveries/", times=FOR_EVER)
    for minute in ("10:04", "10:15"):
        azure.run_until(at(minute))
        azure.put(annotated("render-1", "VirtualMachineStartInitiatedByControlPlane", azure.now))
    azure.run_until(at("11:00"))
    assert len(azure.messages) <= 6
    assert len(looks) <= 40
    azure.run_until(at("14:00"))
    assert len(azure.messages) <= 6
    assert len(looks) <= 100


@pytest.mark.parametrize("request_kind", [RequestKind.ROW_READ, RequestKind.ROW_WRITE])
@pytest.mark.parametrize("when", ["10:00", "10:01"], ids=["the eviction", "the follow-up"])
def test_a_message_that_met_a_table_that_fails_once_comes_back(
    when: str, request_kind: RequestKind, new_azure: NewAzure
) -> None:
    """Told of its eviction by one event, refused at once, and asked again after a minute: running by 10:05."""
    azure = new_azure(sweep_every=DAY)
    vm = azure.add_vm(power_state="deallocated")
    azure.world.refuse_next_start("render-1", "SkuNotAvailable", "not available")
    azure.put(preempted("render-1"))
    azure.run_until(at(when) - timedelta(seconds=1))
    azure.script.next(request_kind, BUSY, about="recoveries/")
    azure.run_until(at("10:05"))
    assert vm.power_state == "running"


def test_a_stop_that_took_longer_to_note_than_it_was_to_wait_comes_back_at_once(new_azure: NewAzure) -> None:
    """Nobody shows the VM, so the stop is to come back in 15 s: the table has taken 25 s by then."""
    azure = new_azure()
    vm = azure.add_vm(power_state="deallocated")
    azure.script.graph_is_blind = True
    azure.script.next(RequestKind.VM_READ, NOT_FOUND)
    read: list[str] = []
    azure.script.next(RequestKind.VM_READ, meanwhile=lambda: read.append(f"{azure.now:%H:%M:%S}"))
    azure.script.next(RequestKind.ROW_WRITE, Fate(25.0), about="recoveries/")
    azure.tell(ActionSucceeded(vm.vm_id, azure.now, DEALLOCATE, "owner@example.com"))
    azure.run_until(at("10:00:30"))
    assert azure.failures == []
    assert read == ["10:00:25"]


# While Azure does not let the app read


def test_azure_is_not_asked_again_before_the_time_it_named(new_azure: NewAzure) -> None:
    """That a VM is down is told at 10:00, it runs, and ARM says "come back in three hours": read at 10:00 and 13:00."""
    azure = new_azure()
    vm = azure.add_vm()
    asked: list[str] = []
    three_hours = refused(Refused(503, "ServerBusy", "The server is busy.", {"Retry-After": "10800"}))
    azure.script.next(
        RequestKind.VM_READ, three_hours, times=FOR_EVER, meanwhile=lambda: asked.append(f"{azure.now:%H:%M}")
    )
    azure.tell(AvailabilityChanged(vm.vm_id, azure.now, "Available", "Unavailable"))
    azure.run_until(at("13:01"))
    assert asked == ["10:00", "13:00"]


def test_a_follow_up_that_others_overtook_while_it_read_is_dropped(new_azure: NewAzure) -> None:
    """Its read of 10:01:39 gets no answer for half a minute, in which an operator's retry starts the VM."""
    azure = new_azure(sweep_every=DAY)
    vm = azure.add_vm()
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.world.evict("render-1")
    azure.run_until(at("10:01:30"))
    azure.script.next(RequestKind.VM_READ, NO_ANSWER)
    azure.run_until(at("10:01:45"))
    azure.do(retry(azure.ports().queue, VmId.parse(vm.vm_id), azure.now, lambda: "retry-1"))
    azure.run_until(at("10:02:30"))
    assert len(starts(azure)) == 2
    assert not [message for message in azure.messages if "requeued" in str(message.body)]


def test_one_obstacle_after_another_is_one_obstacle(new_azure: NewAzure) -> None:
    """Deallocating from 10:00 on, and from 10:20 on it cannot be read either: named by 10:36."""
    azure = new_azure(durations=Durations(deallocation=DAY))
    azure.add_vm()
    azure.world.evict("render-1")
    azure.run_until(at("10:20"))
    azure.script.next(RequestKind.VM_READ, BROKEN, times=FOR_EVER)
    azure.run_until(at("10:36"))
    assert "render-1 blocked" in notices(azure)
    assert azure.recovery().obstacle_since == azure.recovery().opened_at


def test_a_read_that_is_refused_does_not_take_back_that_a_vm_was_not_found(new_azure: NewAzure) -> None:
    """ARM does not find it from 10:00 on, Resource Graph shows it, one read of 10:40 fails: gone after a day."""
    azure = new_azure()
    azure.add_vm()
    azure.script.next(RequestKind.VM_READ, NOT_FOUND, times=FOR_EVER)
    azure.world.evict("render-1")
    azure.run_until(at("10:40"))
    azure.script.forget()
    azure.script.next(RequestKind.VM_READ, BROKEN)
    azure.script.next(RequestKind.VM_READ, NOT_FOUND, times=FOR_EVER)
    azure.run_until(at("10:20") + DAY)
    assert outcomes(azure) == [Outcome.GONE]


@pytest.mark.parametrize(("days", "is_believed"), [(5, True), (7, False)])
def test_since_when_a_message_is_requeued_is_believed_for_six_days(
    days: int,
    is_believed: bool,  # noqa: FBT001 - a parameter of the test
    new_azure: NewAzure,
) -> None:
    """The queue keeps none for longer, so that who wrote it was not the app: nothing has lasted yet."""
    azure = new_azure()
    azure.add_vm(power_state="deallocated")
    azure.script.next(RequestKind.VM_READ, BROKEN, times=FOR_EVER)
    azure.put(requeued(preempted("render-1"), Requeues(since=TEN - days * DAY)))
    azure.run_until(at("10:05"))
    assert ("render-1 blocked" in notices(azure)) is is_believed


def test_a_message_that_is_said_to_be_requeued_from_tomorrow_on_counts_from_now(new_azure: NewAzure) -> None:
    """Whoever wrote that: after half an hour of refused reads its recovery is named."""
    azure = new_azure(sweep_every=DAY)
    azure.add_vm(power_state="deallocated")
    azure.script.next(RequestKind.VM_READ, BROKEN, times=FOR_EVER)
    azure.put(requeued(preempted("render-1"), Requeues(since=TEN + DAY)))
    azure.run_until(at("10:35"))
    assert "render-1 blocked" in notices(azure)


def test_finds_that_wait_for_their_turn_come_back_before_the_next_sweep(new_azure: NewAzure) -> None:
    """Twenty found by the sweep of 10:15, and ARM answers the first read "in a minute": all run by 10:25."""
    azure = new_azure()
    minute = refused(Refused(429, "TooManyRequests", "Too many requests.", {"Retry-After": "60"}))
    azure.script.next(RequestKind.VM_READ, minute)
    machines = [azure.add_vm(f"render-{number}", power_state="deallocated") for number in range(20)]
    azure.run_until(at("10:25"))
    assert {machine.power_state for machine in machines} == {"running"}
