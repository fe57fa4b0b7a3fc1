"""Rules for VMs that carry ``StartForWork``."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from spot_responder.decisions.decide import decide
from spot_responder.decisions.evidence import Evidence
from spot_responder.decisions.outcomes import Outcome
from spot_responder.decisions.policy import Policy
from spot_responder.decisions.situations import Close, Ignore, Start, Wait, Work
from spot_responder.decisions.work import covers
from spot_responder.intake.signals import SignalKind
from spot_responder.intake.vms import PowerState
from spot_responder.intake.work_queue_names import WorkQueueName
from tests.harness.makers import TEN, asking, recovery, signal, situation, spot_vm

POLICY = Policy(work_queues=frozenset({WorkQueueName("farm", "frames")}))
VM = replace(spot_vm(), tags={"startforwork": "farm/frames", "AttemptRestartAfterEviction": "true"})
ASKED, NOT_ASKED = Work(asks_for_it=True, reason="3 messages"), Work(asks_for_it=False, reason="it has no messages")
WAITS = signal(SignalKind.WORK_WAITS)


def test_a_vm_that_its_queue_asks_for_is_started_spot_or_not() -> None:
    """The reason is the queue's."""
    regular = replace(situation(WAITS, replace(VM, priority="Regular")), work=ASKED)
    decision = decide(regular, POLICY, TEN, 0.5)
    assert isinstance(decision, Start)
    assert decision.reason == "3 messages"


def test_a_vm_that_its_queue_does_not_ask_for_stays_down_evicted_or_not() -> None:
    """With both tags as well; an open recovery ends."""
    evicted = signal(SignalKind.EVICTED)
    assert decide(replace(situation(evicted, VM), work=NOT_ASKED), POLICY, TEN, 0.5) == Ignore("it has no messages")
    going = replace(situation(evicted, replace(VM, power_state=PowerState.DEALLOCATING)), work=NOT_ASKED)
    assert decide(going, POLICY, TEN, 0.5) == Ignore("it has no messages")
    was_open = replace(situation(evicted, VM, recovery()), work=NOT_ASKED)
    assert decide(was_open, POLICY, TEN, 0.5) == Close(Outcome.NO_WORK, "it has no messages")


@pytest.mark.parametrize("work", [None, Work(asks_for_it=None, reason="not read")])
def test_what_cannot_be_read_decides_nothing(work: Work | None) -> None:
    """It waits."""
    assert isinstance(decide(replace(situation(WAITS, VM), work=work), POLICY, TEN, 0.5), Wait)


def test_a_vm_that_went_down_for_no_known_reason_waits_for_its_owners_word() -> None:
    """Its queue asks for it, and only an availability event tells that it is down."""
    unknown = replace(situation(signal(SignalKind.UNAVAILABLE), VM), work=ASKED)
    decision = decide(unknown, POLICY, TEN, 0.5)
    assert isinstance(decision, Wait)
    assert "its owner's stop may still be told" in decision.reason


def test_a_vm_that_has_just_stopped_itself_waits_for_nobodys_word() -> None:
    """Azure named the VM as who stopped it, and its queue has a job again. An hour later that explains nothing more."""
    unknown = replace(situation(signal(SignalKind.UNAVAILABLE), VM), work=ASKED)
    stopped = replace(unknown, evidence=unknown.evidence.with_own_stop(TEN - timedelta(minutes=1)))
    assert isinstance(decide(stopped, POLICY, TEN, 0.5), Start)
    assert isinstance(decide(stopped, POLICY, TEN + timedelta(hours=1), 0.5), Wait)
    restarted = replace(stopped, vm=spot_vm(), work=None)
    assert isinstance(decide(restarted, Policy(), TEN, 0.5), Wait)


@pytest.mark.parametrize("value", ["farm/other", "frames", ""])
def test_a_tag_that_names_no_work_queue_of_ours_starts_nothing(value: str) -> None:
    """The restart tag does not stand in for it."""
    vm = replace(VM, tags={**VM.tags, "startforwork": value})
    decision = decide(situation(WAITS, vm), POLICY, TEN, 0.5)
    assert isinstance(decision, Ignore)
    assert decision.reason.startswith("its tag StartForWork")
    assert not covers(vm, POLICY)
    assert covers(vm, Policy())


def test_a_scale_set_that_restores_it_keeps_it() -> None:
    """As of any VM."""
    vm = replace(VM, scale_set_id="/set", restored_by_scale_set=True)
    decision = decide(situation(WAITS, vm, recovery()), POLICY, TEN, 0.5)
    assert isinstance(decision, Close)
    assert decision.outcome is Outcome.OWNED_BY_SCALE_SET
    assert covers(VM, POLICY)


def test_a_start_for_work_is_no_restoring() -> None:
    """Unless the VM had been evicted: that counts for the brake."""
    opened = replace(asking().accepted(None), opened_by=SignalKind.WORK_WAITS, evidence=Evidence())
    up = situation(signal(SignalKind.FOLLOW_UP), replace(VM, power_state=PowerState.RUNNING), opened)
    decision = decide(up, POLICY, TEN, 0.5)
    assert isinstance(decision, Close)
    assert decision.outcome is Outcome.STARTED_FOR_WORK
