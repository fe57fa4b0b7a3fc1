"""What a VM that is to be started waits for: a start under way, a pause, the brake, its pool."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given

from spot_responder.decisions.decide import decide
from spot_responder.decisions.outcomes import Outcome
from spot_responder.decisions.pools import PLACE_KEPT, PoolGate, pool_of
from spot_responder.decisions.situations import Close, Operation, OperationState, Start, Wait
from spot_responder.intake.azure_errors import FailureKind
from spot_responder.intake.signals import SignalKind
from spot_responder.intake.vms import PowerState
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
    situation,
    spot_vm,
)

if TYPE_CHECKING:
    from datetime import datetime

    from spot_responder.decisions.policy import Policy
    from spot_responder.decisions.recoveries import Recovery
    from spot_responder.decisions.situations import Situation


def restarted(*times: str, now_open: bool = True) -> Recovery:
    """Make a recovery of a VM that came back through us at these times of the day."""
    case = replace(recovery(at("10:00")), restarts=tuple(at(time) for time in times))
    return case if now_open else replace(case, outcome=Outcome.RESTORED)


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
    assert decision.gate is not None
    assert decision.until == decision.gate.closed_until == at("10:01:30")
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
    if not is_asked_for or case.failures.kind is FailureKind.THROTTLED:
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


def test_the_brake_remembers_closed_recoveries() -> None:
    """Each eviction is a recovery of its own; the restarts before it count."""
    case = restarted("9:10", "9:30", "9:50", now_open=False)
    assert isinstance(decided(situation(evicted(), spot_vm(), case)), Wait)


# 8: the pool


def test_in_a_closed_pool_everybody_is_queued() -> None:
    """No capacity until 10:30, and this VM's turn comes a little later."""
    decision = decided(situation(evicted(), spot_vm(), pool=CLOSED_POOL))
    assert isinstance(decision, Wait)
    assert at("10:30") < decision.until <= at("10:30") + 2 * POLICY.look_again
    assert decision.reason == "no capacity just now: standard_d2s_v5 in westeurope refused 3 times in a row"


def test_a_vm_that_is_queued_while_its_pool_opens_is_told_so() -> None:
    """One VM came up, two may be under way, and both places are taken."""
    pool_id = pool_of(spot_vm())
    opening = PoolGate(pool_id, width=2, under_way={"a": at("10:05"), "b": at("10:05")})
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
    assert decision.gate is not None
    assert decision.gate.under_way == {VM_ID.key: at("10:31") + PLACE_KEPT}
