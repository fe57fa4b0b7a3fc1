"""The Azure in virtual time: what its clock, its host and its processes promise."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from localazure.functions.queue_listener import LEASE
from localazure.virtual.app import POISON_AT, TRY_AGAIN, Deployment, EarlierTriesDiedError
from localazure.virtual.azure import VirtualAzure
from localazure.virtual.wire import RequestKind
from localazure.world.happenings import Annotated
from spot_responder.decisions.policy import Policy
from spot_responder.intake.payloads import UnreadableEvent
from tests.harness.makers import TEN, at
from tests.harness.stories import DEATH_AFTER, DEATH_BEFORE, MOMENT, TAG, outcomes, preempted, starts

if TYPE_CHECKING:
    from datetime import datetime

    from tests.harness.stories import NewAzure


def test_a_story_that_ends_in_the_middle_leaves_no_task_behind() -> None:
    """Two seconds after an eviction the app looks at its VM; the story ends there."""
    with VirtualAzure(TEN, Deployment(Policy())) as azure:
        azure.world.add_vm("render-1", tags=TAG)
        azure.world.evict("render-1")
        while not azure.clock.tasks():
            azure.run_for(timedelta(milliseconds=100))
        tasks = azure.clock.tasks()
    assert all(task.done() for task in tasks)


def test_what_is_due_at_the_moment_at_which_a_run_ends_has_happened(new_azure: NewAzure) -> None:
    """A VM that is evicted at ten is deallocated at 10:00:15: then, not a microsecond later."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.world.evict("render-1")
    azure.run_until(at("10:00:15") - timedelta(microseconds=1))
    assert vm.power_state == "deallocating"
    azure.run_until(at("10:00:15"))
    assert vm.power_state == "deallocated"
    assert azure.now == azure.world.now == at("10:00:15")


def test_time_is_exact_after_months(new_azure: NewAzure) -> None:
    """The loop counts seconds in floating point: what is due on the microsecond is, and at its time."""
    azure = new_azure(sweep_every=timedelta(days=1000))
    azure.run_until(TEN + timedelta(days=200))
    heard: list[datetime] = []
    azure.world.listen(lambda _: heard.append(azure.now))
    due = azure.now + timedelta(hours=7, microseconds=123457)
    azure.world.schedule(due - azure.now, lambda: azure.world.tell(Annotated("vm", due, "VirtualMachinePreempted")))
    azure.run_until(due)
    assert heard == [due]


def test_a_message_whose_process_dies_is_seen_again_when_its_lease_ends(new_azure: NewAzure) -> None:
    """The process dies over an eviction at ten; the platform starts another within seconds, which must wait for it."""
    azure = new_azure(sweep_every=timedelta(days=1))
    azure.add_vm(power_state="deallocated")
    azure.script.next(RequestKind.VM_READ, DEATH_BEFORE)
    azure.put(preempted("render-1"))
    azure.run_until(TEN + LEASE / 2)
    (message,) = azure.messages
    assert message.dequeue_count == 1
    assert starts(azure) == []
    azure.run_until(TEN + LEASE + MOMENT)
    assert len(starts(azure)) == 1
    assert azure.failures == []


def test_what_a_process_did_before_it_died_is_done(new_azure: NewAzure) -> None:
    """It dies with the answer unread: Azure has taken the start; with the request unsent, it has not."""
    for death, asked in ((DEATH_BEFORE, 0), (DEATH_AFTER, 1)):
        azure = new_azure()
        azure.add_vm(power_state="deallocated")
        azure.script.next(RequestKind.VM_START, death)
        azure.put(preempted("render-1"))
        azure.run_until(at("10:01"))
        assert len(starts(azure)) == asked
        azure.run_until(at("10:30"))
        assert len(starts(azure)) == 1
        assert len(outcomes(azure)) == 1


def test_a_process_that_dies_takes_no_message_with_it_that_it_had_not_begun(new_azure: NewAzure) -> None:
    """It is killed at the moment at which it is handed messages: they are seen again when their leases end."""
    azure = new_azure(sweep_every=timedelta(days=1))
    azure.add_vm("render-1", power_state="deallocated")
    azure.add_vm("render-2", power_state="deallocated")
    azure.put(preempted("render-1"))
    azure.put(preempted("render-2"))
    azure.clock.call_after(timedelta(), azure.app.kill_one)
    azure.run_until(at("10:20"))
    assert [len(starts(azure, name)) for name in ("render-1", "render-2")] == [1, 1]


def test_a_message_that_fails_five_times_is_poison(new_azure: NewAzure) -> None:
    """It is tried every half minute, as host.json has it, and then put aside with its error."""
    azure = new_azure()
    azure.app.put("rubbish", timedelta())
    azure.run_until(TEN + (POISON_AT - 1) * TRY_AGAIN - MOMENT)
    assert (len(azure.failures), azure.storage.poison) == (POISON_AT - 1, [])
    azure.run_until(TEN + (POISON_AT - 1) * TRY_AGAIN)
    ((message, error),) = azure.storage.poison
    assert (message.body, message.dequeue_count, type(error)) == ("rubbish", POISON_AT, UnreadableEvent)
    azure.run_until(at("11:00"))
    assert len(azure.failures) == POISON_AT
    assert azure.messages == []


def test_a_message_over_which_five_processes_died_is_poison_and_kills_no_sixth(new_azure: NewAzure) -> None:
    """As the host has it: it counts how often a message was taken, not how that ended."""
    azure = new_azure(sweep_every=timedelta(days=1))
    azure.add_vm(power_state="deallocated")
    azure.script.next(RequestKind.VM_READ, DEATH_BEFORE, times=POISON_AT + 1)
    azure.put(preempted("render-1"))
    azure.run_until(TEN + (POISON_AT + 1) * LEASE)
    ((message, error),) = azure.storage.poison
    assert (message.dequeue_count, type(error)) == (POISON_AT + 1, EarlierTriesDiedError)
    assert azure.failures == []
