"""Whether something is done about a VM, and why: the rules of the house, one story each."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import event, given, settings

from spot_responder.decisions.decide import decide
from spot_responder.decisions.evidence import Evidence, Verdict
from spot_responder.decisions.outcomes import Outcome
from spot_responder.decisions.policy import Policy, RestartWhen
from spot_responder.decisions.pools import PLACE_KEPT, PoolGate, pool_of
from spot_responder.decisions.recoveries import Absence
from spot_responder.decisions.situations import Close, Ignore, Requeue, Start, Wait
from spot_responder.intake.azure_errors import FailureKind
from spot_responder.intake.signals import SignalKind, Source
from spot_responder.intake.vms import Annotation, PowerState, Vm
from tests.decisions.decided import CLOSED_POOL, FOLLOW_UP, POLICY, RUNNING, SWEEP, decided, owner_stopped
from tests.harness.makers import (
    POLICIES,
    ROLLS,
    SITUATIONS,
    TIMES,
    VM_ID,
    accepted,
    asking,
    at,
    evicted,
    failure,
    recovery,
    signal,
    situation,
    spot_vm,
)

if TYPE_CHECKING:
    from datetime import datetime

    from spot_responder.decisions.situations import Situation

DOWN = PowerState.DEALLOCATED
NEW_POOL = PoolGate(pool_of(spot_vm()))
PROVEN_POOL = replace(NEW_POOL, proven_at=at("11:00"))


# The plain way


def test_an_evicted_spot_vm_with_the_tag_is_started() -> None:
    """It is deallocated, Azure says evicted, and its owner asked for a restart."""
    vm = spot_vm()
    reason = "a tagged Spot VM, deallocated, evicted"
    assert decided(situation(evicted(), vm, pool=PROVEN_POOL)) == Start(vm, reason, PROVEN_POOL)


def test_the_first_eviction_in_a_pool_waits_for_nobody() -> None:
    """Nobody knows the pool yet: the VM takes a place in it."""
    decision = decided(situation(evicted(), spot_vm()))
    assert isinstance(decision, Start)
    assert decision.gate == replace(NEW_POOL, under_way={VM_ID.key: at("10:00:05") + PLACE_KEPT})


# 1 to 4: not ours to start


def test_a_vm_that_is_gone_closes_its_recovery() -> None:
    """It was deleted while we were waiting for capacity, and ARM has said so for ten minutes."""
    absent = replace(situation(FOLLOW_UP, None, recovery()), absence=Absence(at("9:50"), at("9:50")))
    decision = decided(absent)
    assert isinstance(decision, Close)
    assert decision.outcome is Outcome.GONE
    assert "no such VM" in decision.reason


def test_a_vm_that_never_was_ours_and_is_gone_is_ignored() -> None:
    """An eviction with policy Delete leaves nothing, and opens no recovery."""
    decision = decided(replace(situation(evicted(), None), absence=Absence(at("9:50"), at("9:50"))))
    assert isinstance(decision, Ignore)
    assert not decision.remember


@pytest.mark.parametrize(
    ("vm", "outcome", "reason"),
    [
        (replace(spot_vm(), priority="Regular"), Outcome.NOT_SPOT, "not a Spot VM (priority Regular)"),
        (replace(spot_vm(), priority=""), Outcome.NOT_SPOT, "not a Spot VM (priority Regular)"),
        (
            replace(spot_vm(), tags={}),
            Outcome.OPTED_OUT,
            "its owner did not ask for it: no tag AttemptRestartAfterEviction=true",
        ),
        (
            replace(spot_vm(), tags={"AttemptRestartAfterEviction": "false"}),
            Outcome.OPTED_OUT,
            "its owner did not ask for it: no tag AttemptRestartAfterEviction=true",
        ),
        (
            replace(spot_vm(), scale_set_id="/scaleSets/s", restored_by_scale_set=True),
            Outcome.OWNED_BY_SCALE_SET,
            "its scale set restores it by itself (spotRestorePolicy of /scaleSets/s)",
        ),
    ],
)
def test_a_vm_we_do_not_cover_is_left_alone(vm: Vm, outcome: Outcome, reason: str) -> None:
    """A regular VM, one without the tag, one that its scale set restores: ignored, and an open recovery is closed."""
    assert decided(situation(evicted(), vm)) == Ignore(reason, remember=False)
    assert decided(situation(FOLLOW_UP, vm, recovery())) == Close(outcome, reason)


@pytest.mark.parametrize("priority", ["Spot", "spot", "Low", "SpotPlus"])
def test_all_names_of_spot_count(priority: str) -> None:
    """Azure has called it Low before, and calls a newer kind SpotPlus."""
    assert isinstance(decided(situation(evicted(), replace(spot_vm(), priority=priority))), Start)


def test_another_tag_may_be_agreed_on() -> None:
    """RESTART_TAG=KeepAlive: the usual tag says nothing any more."""
    policy = replace(POLICY, restart_tag="KeepAlive")
    assert isinstance(decided(situation(evicted(), spot_vm()), policy=policy), Ignore)
    tagged = replace(spot_vm(), tags={"keepalive": "True"})
    assert isinstance(decided(situation(evicted(), tagged), policy=policy), Start)


def test_a_flexible_scale_set_that_restores_nothing_does_not_matter() -> None:
    """Its instance is a VM like any other."""
    assert isinstance(decided(situation(evicted(), replace(spot_vm(), scale_set_id="/scaleSets/s"))), Start)


def test_a_scale_set_that_resource_graph_does_not_show_yet_is_waited_for() -> None:
    """ARM names the scale set, but not whether it restores its VMs: we do not compete with it on a guess."""
    unknown = replace(spot_vm(), scale_set_id="/scaleSets/s", restored_by_scale_set=None)
    decision = decided(situation(evicted(), unknown))
    assert isinstance(decision, Wait)
    assert decision.until == at("10:00:20")
    assert "does not show yet whether its scale set restores it" in decision.reason
    assert isinstance(decided(situation(evicted(), replace(unknown, scale_set_id=None))), Start)


# 5: up, or on its way up or down


def test_a_running_vm_is_none_of_our_business() -> None:
    """The sweep's find was started by somebody meanwhile."""
    assert decided(situation(SWEEP, spot_vm(RUNNING))) == Ignore("it runs")


@pytest.mark.parametrize(
    ("now", "spoken"),
    [
        ("10:00:42", "42 s"),
        ("10:00:59", "59 s"),
        ("10:01:00", "1 min 0 s"),
        ("10:12:05", "12 min 5 s"),
        ("10:59:59", "59 min 59 s"),
        ("13:07:10", "3 h 7 min"),
    ],
)
def test_a_restored_vm_closes_its_recovery_with_how_long_it_was_down(now: str, spoken: str) -> None:
    """Evicted at 10:00 and running again after one start."""
    decision = decided(situation(FOLLOW_UP, spot_vm(RUNNING), accepted("10:00:05")), now)
    assert decision == Close(Outcome.RESTORED, f"it runs again, {spoken} after it went down, 1 start request")


def test_several_start_requests_are_told() -> None:
    """It took three."""
    case = replace(accepted("10:00:05"), attempts=3)
    decision = decided(situation(FOLLOW_UP, spot_vm(RUNNING), case), "10:20")
    assert decision.reason == "it runs again, 20 min 0 s after it went down, 3 start requests"


def test_a_vm_without_evidence_was_down_since_its_recovery_was_opened() -> None:
    """Nobody told when it went down."""
    case = replace(accepted("10:05"), opened_at=at("10:02"), evidence=Evidence())
    decision = decided(situation(FOLLOW_UP, spot_vm(RUNNING), case), "10:06")
    assert decision.reason.startswith("it runs again, 4 min 0 s after")


def test_a_restored_vm_widens_its_pool() -> None:
    """The probe came up: the pool lets two through, and its place is free."""
    probing = replace(CLOSED_POOL, under_way={VM_ID.key: at("10:35")})
    decision = decided(situation(FOLLOW_UP, spot_vm(RUNNING), accepted("10:30"), pool=probing), "10:31")
    assert isinstance(decision, Close)
    assert decision.gate == replace(probing, refusals=0, width=2, under_way={})


def test_a_vm_that_runs_without_a_start_of_ours_is_not_counted_as_restored() -> None:
    """Somebody else was quicker, and that says nothing about the pool."""
    decision = decided(situation(FOLLOW_UP, spot_vm(RUNNING), recovery(), pool=CLOSED_POOL), "10:20")
    assert isinstance(decision, Close)
    assert (decision.outcome, decision.gate) == (Outcome.RUNS_WITHOUT_US, None)


def test_an_eviction_that_is_told_while_the_vm_still_runs_is_waited_for() -> None:
    """The event comes at the beginning of an eviction, before the VM is down."""
    decision = decided(situation(evicted(), spot_vm(RUNNING)))
    assert isinstance(decision, Wait)
    assert decision.until == at("10:00:20")
    assert "may be about to go down" in decision.reason


def test_an_eviction_that_never_came_about_is_over_after_some_minutes() -> None:
    """It was told at 10:00 and at 10:05:01 the VM still runs."""
    assert isinstance(decided(situation(FOLLOW_UP, spot_vm(RUNNING), recovery()), "10:05"), Wait)
    decision = decided(situation(FOLLOW_UP, spot_vm(RUNNING), recovery()), "10:05:01")
    assert isinstance(decision, Close)
    assert decision.outcome is Outcome.RUNS_WITHOUT_US


def test_a_second_eviction_right_after_the_restart_is_not_taken_for_the_first() -> None:
    """Start asked for at 10:00:05, evicted again at 10:01: the VM that still runs is about to go down."""
    again = situation(evicted(at("10:01")), spot_vm(RUNNING), accepted("10:00:05"))
    assert isinstance(decided(again, "10:01:02"), Wait)


@pytest.mark.parametrize("state", [PowerState.STARTING, PowerState.CREATING])
def test_a_vm_that_comes_up_is_watched_where_its_recovery_is_open(state: PowerState) -> None:
    """Ours, or told to be evicted: wait for it. Nobody's: somebody is starting it, and that is that."""
    decision = decided(situation(FOLLOW_UP, spot_vm(state), accepted()))
    assert decision == Wait(at("10:00:20"), f"it is {state}", obstacle_since=at("10:00:05"))
    assert isinstance(decided(situation(evicted(), spot_vm(state))), Wait)
    assert decided(situation(SWEEP, spot_vm(state))) == Ignore(f"it is {state}: somebody is starting it")


@pytest.mark.parametrize("state", [PowerState.DEALLOCATING, PowerState.STOPPING])
def test_a_vm_that_is_still_going_down_is_looked_at_again(state: PowerState) -> None:
    """The event was quicker than the eviction: it is deallocating, and cannot be started yet."""
    decision = decided(situation(evicted(), spot_vm(state)))
    assert isinstance(decision, Wait)
    assert decision.until == at("10:00:20")
    assert f"still {state}" in decision.reason


@pytest.mark.parametrize("state", [PowerState.DEALLOCATING, PowerState.STOPPING])
def test_a_vm_that_its_owner_is_stopping_is_left_alone_at_once(state: PowerState) -> None:
    """Nothing to wait for."""
    assert isinstance(decided(situation(owner_stopped("10:00"), spot_vm(state))), Ignore)


def test_a_vm_without_a_power_state_is_looked_at_again() -> None:
    """Azure leaves it out now and then."""
    decision = decided(situation(evicted(), spot_vm(PowerState.UNKNOWN)))
    assert isinstance(decision, Wait)
    assert "does not tell its power state" in decision.reason


def test_a_vm_that_was_shut_down_from_inside_is_left_alone() -> None:
    """Stopped but not deallocated, and nobody told of an eviction."""
    decision = decided(situation(SWEEP, spot_vm(PowerState.STOPPED)))
    assert isinstance(decision, Ignore)
    assert "shut down from inside" in decision.reason
    closed = decided(situation(FOLLOW_UP, spot_vm(PowerState.STOPPED), recovery()), "10:20")
    assert isinstance(closed, Close)
    assert closed.outcome is Outcome.SHUT_DOWN_INSIDE


def test_stopped_is_a_passing_state_on_the_way_down_and_up() -> None:
    """Just evicted, or being started: Azure shows stopped for a moment."""
    down = decided(situation(evicted(), spot_vm(PowerState.STOPPED)))
    up = decided(situation(FOLLOW_UP, spot_vm(PowerState.STOPPED), accepted("10:20")), "10:20:10")
    assert isinstance(down, Wait)
    assert isinstance(up, Wait)


# 6: the owner's word


def test_an_owner_who_stops_the_evicted_vm_ends_the_recovery() -> None:
    """Evicted at 10:00, its owner stops it at 10:02: it stays down, and the log says when."""
    decision = decided(situation(owner_stopped("10:02"), spot_vm(), recovery()), "10:02:05")
    assert decision == Close(Outcome.STOPPED_BY_OWNER, "its owner stopped it at 2026-03-02 10:02:00Z")


def test_an_owners_stop_without_a_recovery_is_remembered() -> None:
    """Stopped on purpose: the later word that it is unavailable starts nothing."""
    decision = decided(situation(owner_stopped("10:00"), spot_vm()))
    assert decision == Ignore("its owner stopped it at 2026-03-02 10:00:00Z", remember=True)


def test_an_eviction_after_the_owners_stop_is_an_eviction() -> None:
    """Stopped at 9:00 and evicted at 10:00: it was started in between."""
    stopped = replace(recovery(), outcome=Outcome.STOPPED_BY_OWNER, evidence=Evidence(stopped_firmly_at=at("9:00")))
    assert isinstance(decided(situation(evicted(), spot_vm(), stopped)), Start)


def test_the_annotation_of_a_deallocation_alone_is_the_owners_word() -> None:
    """No event came, but Resource Graph shows that it was deallocated on purpose."""
    vm = replace(spot_vm(), annotation=Annotation("VirtualMachineDeallocationInitiated", at("9:50")))
    assert isinstance(decided(situation(SWEEP, vm)), Ignore)


def test_unavailable_without_a_reason_is_given_a_minute() -> None:
    """An owner's stop makes a VM unavailable too, and may be told a little later."""
    decision = decided(situation(signal(SignalKind.UNAVAILABLE), spot_vm()))
    assert isinstance(decision, Wait)
    assert decision.until == at("10:01:05")
    waiting = replace(recovery(), evidence=Evidence())
    assert decided(situation(FOLLOW_UP, spot_vm(), waiting), "10:00:40") == replace(decision, until=at("10:01"))


def test_a_vm_that_is_down_for_no_told_reason_is_started_after_a_minute() -> None:
    """Every event was lost: unless its owner stopped it, it is wanted up."""
    waiting = replace(recovery(), evidence=Evidence())
    decision = decided(situation(FOLLOW_UP, spot_vm(), waiting), "10:01")
    assert isinstance(decision, Start)
    assert decision.reason.endswith("deallocated, unknown")


def test_restart_when_evicted_demands_evidence() -> None:
    """RESTART_WHEN=evicted: what nobody called an eviction stays down."""
    policy = replace(POLICY, restart_when=RestartWhen.EVICTED)
    unknown = signal(SignalKind.UNAVAILABLE)
    assert isinstance(decided(situation(unknown, spot_vm()), policy=policy), Ignore)
    bare = replace(recovery(), evidence=Evidence())
    decision = decided(situation(unknown, spot_vm(), bare), "10:20", policy)
    assert isinstance(decision, Close)
    assert decision.outcome is Outcome.NOT_EVICTED
    assert isinstance(decided(situation(evicted(), spot_vm()), policy=policy), Start)


# Whatever the situation


def is_allowed(vm: Vm | None, policy: Policy, evidence: Evidence) -> bool:
    """Say what must be true of a VM that we start."""
    return (
        vm is not None
        and vm.priority.lower() in {"spot", "low", "spotplus"}
        and vm.has_tag(policy.restart_tag)
        and not vm.restored_by_scale_set
        and (vm.scale_set_id is None or vm.restored_by_scale_set is False)
        and vm.power_state is DOWN
        and evidence.verdict is not Verdict.STOPPED_BY_OWNER
    )


@settings(deadline=None, max_examples=150)
@given(SITUATIONS, POLICIES, TIMES, ROLLS)
def test_nothing_is_started_that_must_not_be(given: Situation, policy: Policy, now: datetime, jitter: float) -> None:
    """A start is only for a tagged Spot VM that is down, that nobody else restores and its owner did not stop."""
    decision = decide(given, policy, now, jitter)
    event(type(decision).__name__)
    if isinstance(decision, Start):
        assert is_allowed(given.vm, policy, given.evidence)
        assert decision.vm is given.vm


@settings(deadline=None, max_examples=150)
@given(SITUATIONS, POLICIES, TIMES, ROLLS)
def test_every_wait_has_an_end_that_is_to_come(given: Situation, policy: Policy, now: datetime, jitter: float) -> None:
    """No wait ends at once: that would be a tight loop. After a refused size it may: another one is next, or none."""
    decision = decide(given, policy, now, jitter)
    is_about_sizes = given.attempt_under_way is not None and (given.attempt_under_way.resize_to or policy.resizes)
    if isinstance(decision, Wait) and decision.failure is not None and is_about_sizes:
        assert decision.until >= now
    elif isinstance(decision, Wait | Requeue):
        assert decision.until > now


@settings(deadline=None, max_examples=150)
@given(SITUATIONS, POLICIES, TIMES, ROLLS)
def test_every_decision_has_its_reason_in_one_line(
    given: Situation, policy: Policy, now: datetime, jitter: float
) -> None:
    """And the same situation gets the same decision."""
    decision = decide(given, policy, now, jitter)
    assert decision.reason.strip()
    assert len(decision.reason.splitlines()) == 1
    assert decide(given, policy, now, jitter) == decision


@settings(deadline=None, max_examples=150)
@given(SITUATIONS, POLICIES, TIMES, ROLLS)
def test_only_an_open_recovery_is_closed(given: Situation, policy: Policy, now: datetime, jitter: float) -> None:
    """Where no recovery is open, there is nothing to close; and an open one is never just ignored."""
    decision = decide(given, policy, now, jitter)
    assert not isinstance(decision, Close) or given.open_recovery is not None
    assert not isinstance(decision, Ignore | Requeue) or given.open_recovery is None


def test_a_vm_that_its_owner_powers_off_is_stopped_by_its_owner() -> None:
    """``az vm stop`` leaves it stopped, not deallocated, and an ARM event names who did it."""
    stop = signal(SignalKind.STOPPED_BY_OWNER, at("10:02"), source=Source.ARM_OPERATION, has_caller=True)
    decision = decided(situation(stop, spot_vm(PowerState.STOPPED), recovery()), now="10:03")
    assert isinstance(decision, Close)
    assert decision.outcome is Outcome.STOPPED_BY_OWNER


def test_a_vm_that_somebody_else_started_is_not_our_restart() -> None:
    """Our only request was refused for its price, and now it runs: no thanks to us."""
    refused_case = asking().refused(failure(FailureKind.PRICE), counts=True)
    decision = decided(situation(signal(SignalKind.FOLLOW_UP), spot_vm(PowerState.RUNNING), refused_case), now="11:00")
    assert isinstance(decision, Close)
    assert decision.outcome is Outcome.RUNS_WITHOUT_US
