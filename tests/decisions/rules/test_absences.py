"""ARM answers for a while that a VM does not exist, though it does; or it is gone indeed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from localazure.virtual.wire import RequestKind
from localazure.world.azure_errors import not_found
from localazure.world.happenings import ActionSucceeded
from localazure.world.vm_lifecycle import DEALLOCATE
from spot_responder.decisions.evidence import Evidence
from spot_responder.decisions.outcomes import Outcome
from spot_responder.decisions.policy import Policy, RestartWhen
from spot_responder.decisions.rules.absences import decide_about_an_absent_vm
from spot_responder.decisions.situations import Ignore, Wait
from spot_responder.intake.own_messages import Requeues, requeued_as_unseen, requeues, unseen_since
from spot_responder.intake.signals import SignalKind
from spot_responder.intake.vms import VmId
from spot_responder.operators.gather import gather_explanation
from tests.harness.makers import TEN, at, signal, situation, spot_vm
from tests.harness.stories import annotated, notices, outcomes, refused, starts

if TYPE_CHECKING:
    from tests.harness.stories import NewAzure

NOT_THERE = refused(not_found("render-1", "rg"))
FOR_GOOD = 10**6


@pytest.mark.parametrize("restart_when", RestartWhen)
@pytest.mark.parametrize("times", [1, 2, 4])
def test_an_evicted_vm_that_arm_does_not_find_for_a_while_comes_back(
    times: int, restart_when: RestartWhen, new_azure: NewAzure
) -> None:
    """Evicted at 10:00; ARM answers "not found" for up to four minutes: running a look later, one start call."""
    azure = new_azure(Policy(restart_when=restart_when))
    vm = azure.add_vm()
    azure.script.next(RequestKind.VM_READ, NOT_THERE, times=times)
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    assert vm.power_state == "running"
    assert len(starts(azure)) == 1
    assert outcomes(azure) == [Outcome.RESTORED]


@pytest.mark.parametrize("graph_is_blind", [False, True])
def test_an_owners_stop_is_not_forgotten_because_arm_does_not_find_the_vm_once(
    new_azure: NewAzure, *, graph_is_blind: bool
) -> None:
    """Stopped by its owner at 10:00, as an event alone tells; one "not found" at 10:14: the VM stays down for good."""
    azure = new_azure()
    vm = azure.add_vm(power_state="deallocated")
    azure.tell(ActionSucceeded(vm.vm_id, TEN, DEALLOCATE, "owner@example.com"))
    azure.run_until(at("10:14"))
    azure.script.next(RequestKind.VM_READ, NOT_THERE)
    azure.script.graph_is_blind = graph_is_blind
    azure.handle(annotated("render-1", "VirtualMachinePreempted", TEN - timedelta(hours=1)))
    azure.script.graph_is_blind = False
    azure.run_until(at("13:00"))
    assert starts(azure) == []


def test_a_stop_that_is_told_while_arm_does_not_find_the_vm_is_remembered(new_azure: NewAzure) -> None:
    """Its owner stops it at 10:00:30, which is told while ARM and Resource Graph show no such VM: it stays down."""
    azure = new_azure()
    vm = azure.add_vm(power_state="deallocated")
    azure.script.graph_is_blind = True
    azure.script.next(RequestKind.VM_READ, NOT_THERE, times=2)
    azure.run_until(at("10:00:30"))
    azure.tell(ActionSucceeded(vm.vm_id, azure.now, DEALLOCATE, "owner@example.com"))
    azure.run_until(at("10:01:30"))
    azure.script.graph_is_blind = False
    azure.run_until(at("12:00"))
    assert starts(azure) == []


def test_a_stop_of_a_vm_that_resource_graph_shows_is_remembered_at_once(new_azure: NewAzure) -> None:
    """ARM alone does not find it: the stop is written down with the first look, and no message is kept for it."""
    azure = new_azure()
    vm = azure.add_vm(power_state="deallocated")
    azure.script.next(RequestKind.VM_READ, NOT_THERE)
    azure.tell(ActionSucceeded(vm.vm_id, azure.now, DEALLOCATE, "owner@example.com"))
    azure.run_until(at("10:00:05"))
    assert azure.recovery().evidence.owner_stopped_at == TEN
    assert azure.messages == []


def test_a_deleted_vm_is_gone_when_it_was_not_found_for_ten_minutes(new_azure: NewAzure) -> None:
    """Waiting for capacity since 10:00, deleted at 10:03: its recovery is open at 10:10 and closed by 10:20."""
    azure = new_azure()
    azure.add_vm()
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.world.evict("render-1")
    azure.run_until(at("10:03"))
    azure.world.delete("render-1")
    azure.run_until(at("10:10"))
    assert azure.recovery().is_open
    azure.run_until(at("10:20"))
    assert outcomes(azure) == [Outcome.GONE]


def test_a_vm_that_resource_graph_shows_is_not_gone_within_the_day(new_azure: NewAzure) -> None:
    """ARM does not find it from 10:00 on, Resource Graph does: asked ever more seldom, gone after a day."""
    azure = new_azure()
    azure.add_vm()
    azure.script.next(RequestKind.VM_READ, NOT_THERE, times=FOR_GOOD)
    azure.world.evict("render-1")
    azure.run_until(at("10:02") + timedelta(hours=23))
    assert azure.recovery().is_open
    assert "though Resource Graph shows it" in azure.recovery().reason
    assert azure.app.handled < 150
    azure.run_until(at("11:00") + timedelta(days=1))
    assert outcomes(azure) == [Outcome.GONE]
    assert starts(azure) == []


def test_a_vm_that_resource_graph_shows_no_more_is_gone_ten_minutes_later(new_azure: NewAzure) -> None:
    """ARM does not find it from 10:00 on, Resource Graph shows it until 10:20: closed by 10:50."""
    azure = new_azure()
    azure.add_vm()
    azure.script.next(RequestKind.VM_READ, NOT_THERE, times=FOR_GOOD)
    azure.world.evict("render-1")
    azure.run_until(at("10:20"))
    azure.script.graph_is_blind = True
    azure.run_until(at("10:50"))
    assert outcomes(azure) == [Outcome.GONE]


def test_a_vm_that_was_seen_in_between_is_counted_anew(new_azure: NewAzure) -> None:
    """Not found at 10:01, there at 10:02, not found from 10:08 on: not gone before 10:18."""
    azure = new_azure()
    azure.add_vm()
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.script.next(RequestKind.VM_READ, NOT_THERE)
    azure.world.evict("render-1")
    azure.run_until(at("10:01"))
    assert azure.recovery().absence is None
    azure.run_until(at("10:08"))
    azure.world.delete("render-1")
    azure.run_until(at("10:16"))
    assert azure.recovery().is_open


def test_an_eviction_that_left_nothing_opens_no_recovery(new_azure: NewAzure) -> None:
    """A node that is deleted by its eviction, and was never ours as far as anybody shows: asked again, then left."""
    azure = new_azure()
    azure.add_vm(tags={}, eviction_policy="Delete")
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    assert len(azure.messages) <= 1
    azure.run_until(at("10:20"))
    assert azure.storage.recoveries.rows == {}
    assert outcomes(azure) == []
    assert azure.messages == []


@pytest.mark.parametrize("noted", [7, "", "yesterday", None])
def test_what_somebody_else_wrote_into_a_message_notes_no_absence(noted: object) -> None:
    """Anything but a time counts as nothing."""
    assert unseen_since({"unseensince": noted}) is None


def test_a_message_keeps_since_when_its_vm_is_absent() -> None:
    """And forgets how often it could not be looked at before: it was, just now."""
    again = requeued_as_unseen({"id": "1", "requeued": 3, "requeuedsince": "2026-03-02T09:00:00Z"}, TEN)
    assert unseen_since(again) == TEN
    assert requeues(again) == Requeues()


def test_a_stop_that_is_told_while_nobody_shows_the_vm_is_there_before_a_start(new_azure: NewAzure) -> None:
    """Evicted at 10:00, stopped by its owner at 10:00:20, both told while ARM and Resource Graph show nothing."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.script.graph_is_blind = True
    azure.script.next(RequestKind.VM_READ, NOT_THERE, times=FOR_GOOD)
    azure.world.evict("render-1")
    azure.run_until(at("10:00:20"))
    azure.tell(ActionSucceeded(vm.vm_id, azure.now, DEALLOCATE, "owner@example.com"))
    azure.run_until(at("10:00:25"))
    azure.script.forget()
    azure.script.graph_is_blind = False
    azure.run_until(at("12:00"))
    assert starts(azure) == []


@pytest.mark.parametrize("restart_when", RestartWhen)
def test_a_vm_of_ours_that_only_the_sweep_and_the_graph_know_is_named(
    restart_when: RestartWhen, new_azure: NewAzure
) -> None:
    """All events lost, ARM does not find it, Resource Graph shows it evicted: open from 10:15, named by 11:00."""
    azure = new_azure(Policy(restart_when=restart_when))
    azure.add_vm()
    azure.script.lost = lambda _: True
    azure.script.next(RequestKind.VM_READ, NOT_THERE, times=FOR_GOOD)
    azure.world.evict("render-1")
    azure.run_until(at("11:00"))
    assert "render-1 blocked" in notices(azure)


def test_of_a_vm_that_only_the_graph_shows_a_find_alone_opens_a_recovery() -> None:
    """Nothing says why it is down: the sweep would have it started, whoever else asks would not."""
    for kind, decided in ((SignalKind.SWEEP_FOUND, Wait), (SignalKind.UNAVAILABLE, Ignore)):
        found = replace(situation(signal(kind), None), shown=spot_vm(), evidence=Evidence())
        assert isinstance(decide_about_an_absent_vm(found, Policy(), TEN), decided)


@pytest.mark.parametrize("noted", ["9999-12-31T23:59:00Z", "2027-01-01T00:00:00Z"])
def test_a_time_to_come_in_a_message_makes_no_loop(noted: str, new_azure: NewAzure) -> None:
    """Whoever wrote that, no VM of that name is looked at for longer than ten minutes."""
    azure = new_azure()
    azure.put(annotated("ghost", "VirtualMachinePreempted", TEN) | {"unseensince": noted, "requeuedsince": noted})
    azure.run_until(at("10:12"))
    assert azure.messages == []
    assert azure.storage.poison == []


def test_after_hours_of_not_found_it_is_read_within_a_quarter_of_an_hour(new_azure: NewAzure) -> None:
    """ARM does not find it from 10:00 to 14:30, Resource Graph shows it: it runs at 14:46."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.script.next(RequestKind.VM_READ, NOT_THERE, times=FOR_GOOD)
    azure.world.evict("render-1")
    azure.run_until(at("14:30"))
    azure.script.forget()
    azure.run_until(at("14:46"))
    assert vm.power_state == "running"


def test_an_explanation_says_since_when_a_vm_is_not_found(new_azure: NewAzure) -> None:
    """Its recovery is open, ARM does not find it, Resource Graph shows it."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.script.next(RequestKind.VM_READ, NOT_THERE, times=FOR_GOOD)
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    explained = azure.do(gather_explanation(VmId.parse(vm.vm_id), azure.ports(), azure.settings, azure.now))
    assert "ARM answers since 10:00:" in explained.headline
    assert "though Resource Graph shows it" in explained.headline
