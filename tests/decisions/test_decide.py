"""What is done about one VM, and why: the rules of the house, one story each."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import event, given, settings

from spot_responder.decisions.decide import decide
from spot_responder.decisions.evidence import Evidence, Verdict
from spot_responder.decisions.outcomes import Outcome
from spot_responder.decisions.policy import Policy, RestartWhen
from spot_responder.decisions.pools import PLACE_KEPT, Pool, pool_of
from spot_responder.decisions.recoveries import Absence, Recovery
from spot_responder.decisions.situations import Close, Ignore, Operation, OperationState, Requeue, Start, Wait
from spot_responder.intake.azure_errors import FailureKind
from spot_responder.intake.signals import SignalKind, Source
from spot_responder.intake.vms import Annotation, PowerState, Vm
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

    from spot_responder.decisions.situations import Decision, Situation
    from spot_responder.intake.signals import Signal

POLICY = Policy()
FOLLOW_UP = signal(SignalKind.FOLLOW_UP, source=Source.FOLLOW_UP)
SWEEP = signal(SignalKind.SWEEP_FOUND, source=Source.SWEEP)
DOWN = PowerState.DEALLOCATED
RUNNING = PowerState.RUNNING
CLOSED_POOL = Pool(pool_of(spot_vm()), refusals=3, closed_until=at("10:30"), width=1)
NEW_POOL = Pool(pool_of(spot_vm()))
PROVEN_POOL = replace(NEW_POOL, proven_at=at("11:00"))


def decided(given: Situation, now: str = "10:00:05", policy: Policy = POLICY, jitter: float = 0.5) -> Decision:
    """Decide at a time of the stories' day."""
    return decide(given, policy, at(now), jitter)


def owner_stopped(clock: str) -> Signal:
    """Make the event of a deallocation that its owner sent."""
    return signal(SignalKind.STOPPED_BY_OWNER, at(clock), source=Source.ARM_OPERATION, has_caller=True)


def restarted(*times: str, now_open: bool = True) -> Recovery:
    """Make a recovery of a VM that came back through us at these times of the day."""
    case = replace(recovery(at("10:00")), restarts=tuple(at(time) for time in times))
    return case if now_open else replace(case, outcome=Outcome.RESTORED)


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
    assert decision.pool == replace(NEW_POOL, under_way={VM_ID.key: at("10:00:05") + PLACE_KEPT})


# 1 to 4: not ours to start


def test_a_vm_that_is_gone_closes_its_case() -> None:
    """It was deleted while we were waiting for capacity, and ARM has said so for ten minutes."""
    absent = replace(situation(FOLLOW_UP, None, recovery()), absence=Absence(at("9:50"), at("9:50")))
    decision = decided(absent)
    assert isinstance(decision, Close)
    assert decision.outcome is Outcome.GONE
    assert "no such VM" in decision.reason


def test_a_vm_that_never_was_ours_and_is_gone_is_ignored() -> None:
    """An eviction with policy Delete leaves nothing, and opens no case."""
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
def test_a_restored_vm_closes_its_case_with_how_long_it_was_down(now: str, spoken: str) -> None:
    """Evicted at 10:00 and running again after one start."""
    decision = decided(situation(FOLLOW_UP, spot_vm(RUNNING), accepted("10:00:05")), now)
    assert decision == Close(Outcome.RESTORED, f"it runs again, {spoken} after it went down, 1 start request")


def test_several_start_requests_are_told() -> None:
    """It took three."""
    case = replace(accepted("10:00:05"), attempts=3)
    decision = decided(situation(FOLLOW_UP, spot_vm(RUNNING), case), "10:20")
    assert decision.reason == "it runs again, 20 min 0 s after it went down, 3 start requests"


def test_a_vm_without_evidence_was_down_since_its_case_was_opened() -> None:
    """Nobody told when it went down."""
    case = replace(accepted("10:05"), opened_at=at("10:02"), evidence=Evidence())
    decision = decided(situation(FOLLOW_UP, spot_vm(RUNNING), case), "10:06")
    assert decision.reason.startswith("it runs again, 4 min 0 s after")


def test_a_restored_vm_widens_its_pool() -> None:
    """The probe came up: the pool lets two through, and its place is free."""
    probing = replace(CLOSED_POOL, under_way={VM_ID.key: at("10:35")})
    decision = decided(situation(FOLLOW_UP, spot_vm(RUNNING), accepted("10:30"), pool=probing), "10:31")
    assert isinstance(decision, Close)
    assert decision.pool == replace(probing, refusals=0, width=2, under_way={})


def test_a_vm_that_runs_without_a_start_of_ours_is_not_counted_as_restored() -> None:
    """Somebody else was quicker, and that says nothing about the pool."""
    decision = decided(situation(FOLLOW_UP, spot_vm(RUNNING), recovery(), pool=CLOSED_POOL), "10:20")
    assert isinstance(decision, Close)
    assert (decision.outcome, decision.pool) == (Outcome.RUNS_WITHOUT_US, None)


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
def test_a_vm_that_comes_up_is_watched_where_it_is_our_case(state: PowerState) -> None:
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


def test_an_owner_who_stops_the_evicted_vm_ends_the_case() -> None:
    """Evicted at 10:00, its owner stops it at 10:02: it stays down, and the log says when."""
    decision = decided(situation(owner_stopped("10:02"), spot_vm(), recovery()), "10:02:05")
    assert decision == Close(Outcome.STOPPED_BY_OWNER, "its owner stopped it at 2026-03-02 10:02:00Z")


def test_an_owners_stop_without_a_case_is_remembered() -> None:
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


# A start that is under way


def test_a_start_without_an_answer_is_waited_for_and_then_asked_again() -> None:
    """We died between asking and hearing: after two minutes it is asked once more, and not before."""
    case = asking("10:00:10")
    decision = decided(situation(FOLLOW_UP, spot_vm(), case), "10:01:30")
    assert isinstance(decision, Wait)
    assert decision.until == at("10:02:10")
    assert "asked for at 10:00:10Z" in decision.reason
    assert isinstance(decided(situation(FOLLOW_UP, spot_vm(), case), "10:02:10"), Start)


def test_a_look_just_before_the_answer_is_due_comes_no_sooner_than_usual() -> None:
    """At 10:02:09 the next look is at 10:02:24, not a second later."""
    decision = decided(situation(FOLLOW_UP, spot_vm(), asking("10:00:10")), "10:02:09")
    assert isinstance(decision, Wait)
    assert decision.until == at("10:02:24")


@pytest.mark.parametrize(
    ("operation", "word"),
    [
        (None, "in progress"),
        (Operation(OperationState.IN_PROGRESS), "in progress"),
        (Operation(OperationState.SUCCEEDED), "succeeded"),
        (Operation(OperationState.UNKNOWN), "in an unknown state"),
    ],
)
def test_an_accepted_start_is_given_ten_minutes(operation: Operation | None, word: str) -> None:
    """Accepted is not running: it is looked at, and only when nothing shows does it count as failed."""
    given = situation(FOLLOW_UP, spot_vm(), accepted("10:00:10"), operation=operation)
    decision = decided(given, "10:10:09")
    assert isinstance(decision, Wait)
    assert decision.reason == f"the start accepted at 10:00:10Z is {word}; it does not run yet"
    failed = decided(given, "10:10:10")
    assert isinstance(failed, Wait)
    assert failed.failure is not None
    assert failed.failure.code == "StartShowedNothing"
    assert failed.until == at("10:11:16")


@pytest.mark.parametrize(
    ("now", "next_look"),
    [("10:00:10", "10:00:25"), ("10:02:40", "10:02:55"), ("10:05:10", "10:05:40"), ("10:08:30", "10:09:20")],
)
def test_what_takes_long_is_looked_at_ever_more_seldom(now: str, next_look: str) -> None:
    """Every 15 s at first, and then each time a tenth of how long the start has taken."""
    decision = decided(situation(FOLLOW_UP, spot_vm(), accepted("10:00:10")), now)
    assert isinstance(decision, Wait)
    assert decision.until == at(next_look)


def test_what_never_ends_is_looked_at_by_the_hour() -> None:
    """Deallocating since yesterday: an hour between looks, and no more."""
    old = replace(recovery(), opened_at=at("10:00") - timedelta(days=1))
    decision = decided(situation(FOLLOW_UP, spot_vm(PowerState.DEALLOCATING), old), "10:00")
    assert isinstance(decision, Wait)
    assert decision.until == at("11:00")


def test_a_vm_that_came_up_and_was_evicted_at_once_is_started_again() -> None:
    """The start of 10:00:10 succeeded, and at 10:03 it was evicted again: no ten minutes to wait."""
    done = Operation(OperationState.SUCCEEDED)
    assert isinstance(
        decided(situation(evicted(at("10:03")), spot_vm(), accepted(), operation=done), "10:03:05"), Start
    )
    in_progress = Operation(OperationState.IN_PROGRESS)
    again = situation(evicted(at("10:03")), spot_vm(), accepted(), operation=in_progress)
    assert isinstance(decided(again, "10:03:05"), Wait)


def test_a_start_that_failed_inside_the_operation_closes_the_pool() -> None:
    """Accepted at 10:00:10, and failed for want of capacity: wait for the pool, which is closed for all."""
    no_capacity = failure(FailureKind.CAPACITY, "AllocationFailed")
    failed = Operation(OperationState.FAILED, no_capacity)
    decision = decided(situation(FOLLOW_UP, spot_vm(), accepted(), operation=failed), "10:00:30")
    assert isinstance(decision, Wait)
    assert decision.failure == no_capacity
    assert decision.pool is not None
    assert decision.until == decision.pool.closed_until == at("10:01:30")
    assert decision.reason.startswith("no capacity for standard_d2s_v5 in westeurope (AllocationFailed")


def refused(clock: str, until: str) -> Recovery:
    """Make a recovery whose start was refused, to be tried again at a time of the day."""
    case = asking(clock).refused(failure(FailureKind.PRICE), counts=True, not_before=at(until))
    return case.waiting(at(until), "the price is too high")


def test_no_news_makes_us_ask_sooner_than_a_refusal_said() -> None:
    """Refused for its price until 11:00; at 10:20 another event of the eviction comes: still 11:00, still the price."""
    case = refused("10:00:10", until="11:00")
    expected = Wait(at("11:00"), "the price is too high")
    assert decided(situation(evicted(), spot_vm(), case), "10:20") == expected
    assert decided(situation(evicted(), spot_vm(), case), "10:59:59") == expected
    assert isinstance(decided(situation(FOLLOW_UP, spot_vm(), case), "11:00"), Start)


def test_a_look_that_came_sooner_does_not_end_the_pause() -> None:
    """Refused for its price until 11:00; at 10:20 ARM told no power state, so a look was due at 10:21: still 11:00."""
    case = refused("10:00:10", until="11:00").waiting(at("10:21"), "Azure does not tell its power state")
    decision = decided(situation(FOLLOW_UP, spot_vm(), case), "10:21")
    assert decision == Wait(at("11:00"), "Azure refused (price), and is not to be asked again so soon")


@given(SITUATIONS, POLICIES, TIMES, ROLLS)
def test_nothing_starts_a_vm_before_its_pause_is_over(
    given_situation: Situation, policy: Policy, now: datetime, jitter: float
) -> None:
    """Whatever is told, and whatever the facts are; but for an operator's word where Azure did not ask to slow down."""
    case = given_situation.open_recovery
    is_asked_for = given_situation.kind is SignalKind.OPERATOR_ASKED
    if case is None or case.not_before is None or now >= case.not_before:
        return
    if not is_asked_for or case.failing_with is FailureKind.THROTTLED:
        assert not isinstance(decide(given_situation, policy, now, jitter), Start)


def test_a_vm_that_runs_or_is_stopped_on_purpose_waits_for_no_refusal() -> None:
    """Refused until 11:00, and at 10:20 somebody else has started it, or its owner stopped it: the recovery is over."""
    case = refused("10:00:10", until="11:00")
    assert isinstance(decided(situation(SWEEP, spot_vm(RUNNING), case), "10:20"), Close)
    assert isinstance(decided(situation(owner_stopped("10:20"), spot_vm(), case), "10:20"), Close)


def test_the_owners_stop_outranks_a_start_under_way() -> None:
    """The owner stops it while our start is at work: the recovery is closed."""
    decision = decided(situation(owner_stopped("10:01"), spot_vm(), accepted("10:00:10")), "10:01:05")
    assert isinstance(decision, Close)
    assert decision.outcome is Outcome.STOPPED_BY_OWNER


# 7: the brake


def test_so_many_restarts_a_day_and_no_more() -> None:
    """Two a day are allowed, and there were two: the third waits until the first is a day old."""
    policy = replace(POLICY, restarts_per_day=2)
    case = restarted("1:00", "5:00")
    decision = decided(situation(evicted(), spot_vm(), case), policy=policy)
    assert isinstance(decision, Wait)
    assert decision.until == at("1:00") + timedelta(days=1)
    assert decision.reason == "the brake: restarted 2 times within a day, the most that is allowed"
    assert isinstance(decided(situation(evicted(), spot_vm(), case), policy=replace(policy, restarts_per_day=3)), Start)


def test_restarts_of_yesterday_do_not_count() -> None:
    """More than a day ago is over."""
    case = replace(restarted("1:00"), restarts=(at("10:00") - timedelta(days=1), at("1:00")))
    policy = replace(POLICY, restarts_per_day=2)
    assert isinstance(decided(situation(evicted(), spot_vm(), case), policy=policy), Start)


def test_a_vm_that_is_evicted_again_and_again_gets_a_pause() -> None:
    """Three restarts within the hour: half an hour's pause after the last."""
    decision = decided(situation(evicted(), spot_vm(), restarted("9:10", "9:30", "9:50")))
    assert isinstance(decision, Wait)
    assert decision.until == at("10:20")
    assert "evicted again and again, 3 restarts" in decision.reason
    assert isinstance(decided(situation(evicted(), spot_vm(), restarted("9:30", "9:50"))), Start)


def test_the_pause_is_no_shorter_where_the_first_of_them_is_long_ago() -> None:
    """Restarted at 9:00, 9:29 and 9:58, evicted at 10:01: half an hour's pause after the last all the same."""
    case = restarted("9:00", "9:29", "9:58")
    decision = decided(situation(evicted(), spot_vm(), case), now="10:01")
    assert isinstance(decision, Wait)
    assert decision.until == at("10:28")


def test_the_pause_of_a_flapping_vm_ends() -> None:
    """Three restarts within the hour, the last of them 31 minutes ago: it may be started."""
    assert isinstance(decided(situation(evicted(), spot_vm(), restarted("9:10", "9:20", "9:29"))), Start)


def test_the_brake_remembers_closed_cases() -> None:
    """Each eviction is a recovery of its own; the restarts before it count."""
    case = restarted("9:10", "9:30", "9:50", now_open=False)
    assert isinstance(decided(situation(evicted(), spot_vm(), case)), Wait)


# 8: the pool


def test_a_closed_pool_holds_everybody() -> None:
    """No capacity until 10:30, and this VM's turn comes a little later."""
    decision = decided(situation(evicted(), spot_vm(), pool=CLOSED_POOL))
    assert isinstance(decision, Wait)
    assert at("10:30") < decision.until <= at("10:30") + 2 * POLICY.look_again
    assert decision.reason == "no capacity just now: standard_d2s_v5 in westeurope refused 3 times in a row"


def test_a_vm_held_while_its_pool_opens_is_told_so() -> None:
    """One VM came up, two may be under way, and both places are taken."""
    pool_id = pool_of(spot_vm())
    opening = Pool(pool_id, width=2, under_way={"a": at("10:05"), "b": at("10:05")})
    decision = decided(situation(evicted(), spot_vm(), recovery(), pool=opening))
    assert isinstance(decision, Wait)
    assert decision.reason == "its turn has not come: 2 at a time are tried for standard_d2s_v5 in westeurope"


def test_the_vms_that_wait_for_a_pool_do_not_come_back_together() -> None:
    """Chance spreads them."""
    turns = {decided(situation(evicted(), spot_vm(), pool=CLOSED_POOL), jitter=jitter) for jitter in (0.1, 0.5, 0.9)}
    assert len(turns) == 3


def test_one_probe_at_a_time_and_the_others_look_again_later() -> None:
    """Another VM is probing: this one waits, even where chance gives it the shortest turn."""
    probed = replace(CLOSED_POOL, under_way={"another": at("10:35")})
    decision = decided(situation(evicted(at("10:29")), spot_vm(), pool=probed), "10:31", jitter=0.0)
    assert isinstance(decision, Wait)
    assert decision.until - at("10:31") >= POLICY.look_again / 2


def test_the_first_to_come_after_the_pause_takes_the_place() -> None:
    """It probes for everybody, and its place is kept for some minutes."""
    decision = decided(situation(evicted(at("10:29")), spot_vm(), pool=CLOSED_POOL), "10:31")
    assert isinstance(decision, Start)
    assert decision.pool is not None
    assert decision.pool.under_way == {VM_ID.key: at("10:31") + PLACE_KEPT}


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
    """No wait ends at once: that would be a tight loop."""
    decision = decide(given, policy, now, jitter)
    assert not isinstance(decision, Wait | Requeue) or decision.until > now


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
def test_only_an_open_case_is_closed(given: Situation, policy: Policy, now: datetime, jitter: float) -> None:
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
