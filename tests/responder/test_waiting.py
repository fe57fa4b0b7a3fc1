"""VMs that wait: for an operator, in their pool's queue, after a refusal; and what ends the wait."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from localazure.virtual.wire import RequestKind
from spot_responder.decisions.outcomes import Outcome
from spot_responder.intake.vms import VmId
from spot_responder.operators.act import hold, retry
from tests.harness.makers import at
from tests.harness.stories import DENIED, outcomes, refused, starts

if TYPE_CHECKING:
    from tests.harness.stories import NewAzure, StoryAzure


def test_a_vm_that_an_operator_holds_is_read_once_an_hour(new_azure: NewAzure) -> None:
    """Held, and evicted at 10:00: a handful of looks until it is known why, then one an hour."""
    azure = new_azure()
    machine = azure.add_vm()
    azure.do(hold(azure.ports().store, VmId.parse(machine.vm_id), azure.now, lambda: "hold-1"))
    azure.world.evict("render-1")
    azure.run_until(at("10:30"))
    looks = azure.app.handled
    azure.run_until(at("16:30"))
    assert azure.app.handled - looks <= 7
    assert starts(azure) == []


def test_a_follow_up_that_is_overdue_serves_no_longer(new_azure: NewAzure) -> None:
    """Refused for capacity; its follow-up is lost. An operator's word, after that was due, puts another one."""
    azure = new_azure(sweep_every=timedelta(days=1))
    machine = azure.add_vm()
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.world.evict("render-1")
    azure.run_until(at("10:10"))
    due_at = azure.recovery().wake_at
    assert due_at is not None
    azure.app.clear_messages()
    azure.do(hold(azure.ports().store, VmId.parse(machine.vm_id), azure.now, lambda: "hold-1"))
    azure.run_until(due_at + timedelta(minutes=1))
    azure.do(retry(azure.ports().queue, VmId.parse(machine.vm_id), azure.now, lambda: "retry-1"))
    azure.run_until(azure.now + timedelta(seconds=20))
    wake_at = azure.recovery().wake_at
    assert wake_at is not None
    assert wake_at > azure.now
    assert len(azure.messages) == 1


def queued_behind_another(new_azure: NewAzure) -> StoryAzure:
    """Evict two VMs without capacity: the first probes for both, the second is queued and was read at 10:01:39."""
    azure = new_azure()
    for name in ("first", "second"):
        azure.add_vm(name)
        azure.world.set_capacity(azure.pool_key(name), 0)
        azure.world.evict(name)
    azure.run_until(at("10:05"))
    assert azure.recovery("second").seen_queued_at is not None
    return azure


def test_a_queued_vm_is_read_each_quarter_of_an_hour_though_its_turn_does_not_come(new_azure: NewAzure) -> None:
    """Its owner takes the tag off at 10:05, which nobody tells; its first turn would be at 10:48."""
    azure = queued_behind_another(new_azure)
    azure.world.retag("second", {})
    azure.run_until(at("10:20"))
    assert outcomes(azure) == [Outcome.OPTED_OUT]


def test_a_stop_that_could_not_be_looked_into_ends_the_wait_in_the_queue(new_azure: NewAzure) -> None:
    """Stopped at 10:05, when ARM denies a read, so that the stop comes back at 10:35: the next follow-up closes it."""
    azure = queued_behind_another(new_azure)
    azure.script.next(RequestKind.VM_READ, refused(DENIED))
    azure.world.stop_by_owner("second")
    azure.run_until(at("10:09"))
    assert outcomes(azure) == [Outcome.STOPPED_BY_OWNER]


def test_a_start_by_its_owner_ends_the_wait_in_the_queue(new_azure: NewAzure) -> None:
    """Capacity is back at 10:05, and its owner starts it then: closed as soon as that is told, not at 10:17."""
    azure = queued_behind_another(new_azure)
    azure.world.set_capacity(azure.pool_key("second"), None)
    azure.world.start(azure.world.machine("second"), caller="owner@example.com")
    azure.run_until(at("10:06"))
    assert outcomes(azure) == [Outcome.RUNS_WITHOUT_US]


def test_the_pause_after_a_refusal_ends_with_its_recovery(new_azure: NewAzure) -> None:
    """Too dear until 11:06; its owner starts it at 10:10; evicted again at 10:20, which only the sweep finds out."""
    azure = new_azure()
    vm = azure.add_vm(max_price=0.05)
    azure.world.set_price(vm.size, vm.location, 0.09)
    azure.world.evict("render-1")
    azure.run_until(at("10:10"))
    azure.world.set_price(vm.size, vm.location, 0.04)
    azure.world.start(vm, caller="owner@example.com")
    azure.run_until(at("10:20"))
    azure.script.lost = lambda _: True
    azure.world.evict("render-1")
    azure.run_until(at("10:35"))
    assert starts(azure) == ["10:00:16", "10:10:00", "10:30:00"]
