"""Azure refused a start: how long to wait for each kind of failure, and what it says about the pool."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings

from spot_responder.decisions.failure_counts import FailureCounts
from spot_responder.decisions.policy import Policy
from spot_responder.decisions.pools import PoolGate, pool_of
from spot_responder.decisions.refused_starts import counts_as_attempt, decide_after_failure
from spot_responder.intake.azure_errors import FailureKind
from tests.harness.makers import (
    FAILURES,
    POLICIES,
    POOLS,
    RECOVERIES,
    ROLLS,
    TEN,
    TIMES,
    VM_ID,
    VMS,
    accepted,
    at,
    failure,
    spot_vm,
)

if TYPE_CHECKING:
    from datetime import datetime

    from spot_responder.decisions.recoveries import Recovery
    from spot_responder.decisions.situations import Wait
    from spot_responder.intake.azure_errors import Failure
    from spot_responder.intake.vms import Vm

POLICY = Policy()
POOL_ID = pool_of(spot_vm())
PROBING = PoolGate(POOL_ID, refusals=2, width=1, under_way={VM_ID.key: at("10:05")})
NOTHING = timedelta()
NOT_CAPACITY = [kind for kind in FailureKind if kind is not FailureKind.CAPACITY]


def after(
    refusal: Failure,
    failures_in_a_row: int = 0,
    pool: PoolGate | None = PROBING,
    policy: Policy = POLICY,
    jitter: float = 0,
) -> Wait:
    """Decide at ten o'clock after a refusal, with no chance in it unless told."""
    case = replace(accepted(), failures=FailureCounts(refusal.kind, failures_in_a_row))
    return decide_after_failure(refusal, spot_vm(), case, pool, policy, TEN, jitter)


def waited(refusal: Failure, failures_in_a_row: int = 0, policy: Policy = POLICY, jitter: float = 0) -> timedelta:
    """Give how long is waited after a refusal."""
    decision = after(refusal, failures_in_a_row, policy=policy, jitter=jitter)
    assert decision.failure == refusal
    return decision.until - TEN


def test_no_capacity_closes_the_pool_and_waits_for_it() -> None:
    """The third refusal in a row: four minutes, for every VM that competes for it."""
    decision = after(failure(FailureKind.CAPACITY, "AllocationFailed"), jitter=0.5)
    assert decision.gate == PoolGate(POOL_ID, refusals=3, closed_until=at("10:04"), width=1, refused_last=VM_ID.key)
    assert decision.until == at("10:04")
    assert decision.reason == ("no capacity for standard_d2s_v5 in westeurope (AllocationFailed)")


def test_no_capacity_in_a_pool_nobody_knows_yet() -> None:
    """The first refusal opens the pool's record: a minute."""
    decision = after(failure(FailureKind.CAPACITY), pool=None, jitter=0.5)
    assert decision.gate == PoolGate(POOL_ID, refusals=1, closed_until=at("10:01"), width=1, refused_last=VM_ID.key)


def test_a_late_refusal_waits_for_the_pool_that_is_closed_already() -> None:
    """Ten VMs were let in before it closed: all wait for the same time, and it closes no further."""
    closed = PoolGate(POOL_ID, refusals=1, closed_until=at("10:00:40"), width=1)
    decision = after(failure(FailureKind.CAPACITY), pool=closed)
    assert (decision.until, decision.gate) == (at("10:00:40"), closed)


def test_no_capacity_with_a_time_from_azure() -> None:
    """Azure asks for ten minutes: not asked sooner."""
    decision = after(failure(FailureKind.CAPACITY, retry_after=timedelta(minutes=10)), pool=None)
    assert decision.until == at("10:10")


@pytest.mark.parametrize(
    ("refusals", "refused_last", "is_behind"),
    [(5, VM_ID.key, True), (4, VM_ID.key, False), (5, "another", False)],
)
def test_a_vm_whose_own_fault_it_may_be_lets_the_others_come_first(
    refusals: int,
    refused_last: str,
    is_behind: bool,  # noqa: FBT001
) -> None:
    """Five refusals in a row, the last one this VM's: the pool's pause ends for the others, and later for this one."""
    pool = PoolGate(POOL_ID, refusals=refusals, closed_until=at("9:59"), width=1, refused_last=refused_last)
    decision = after(failure(FailureKind.CAPACITY), pool=pool, jitter=0.5)
    assert decision.gate is not None
    assert decision.gate.closed_until is not None
    assert (decision.until > decision.gate.closed_until) is is_behind


def test_a_price_above_the_limit_is_looked_at_by_the_hour() -> None:
    """Spot prices move slowly; how many times it was refused does not matter."""
    too_dear = failure(FailureKind.PRICE)
    assert waited(too_dear) == waited(too_dear, 9) == timedelta(hours=1)
    assert "is below the current Spot price (SomeCode" in after(too_dear).reason
    named = replace(too_dear, message="the current spot price '0.09 USD' for Azure Spot")
    assert "is below the current Spot price, 0.09 (" in after(named).reason


def test_each_reason_has_a_row_of_its_own() -> None:
    """After nine refusals for want of capacity, another operation at work counts as the first."""
    case = replace(accepted(), failures=FailureCounts(FailureKind.CAPACITY, 9))
    decision = decide_after_failure(failure(FailureKind.CONFLICT), spot_vm(), case, PROBING, POLICY, TEN, 0)
    assert decision.until == TEN + POLICY.look_again


def test_a_quota_that_is_used_up_is_told_and_waited_for() -> None:
    """Somebody has to raise it."""
    assert waited(failure(FailureKind.QUOTA)) == timedelta(hours=1)
    assert "raise it, or delete other Spot VMs" in after(failure(FailureKind.QUOTA)).reason


def test_a_denied_start_is_told_and_tried_again_slowly() -> None:
    """A role is missing, or a lock is on it: somebody has to mend that."""
    assert waited(failure(FailureKind.DENIED)) == timedelta(hours=1)
    assert "mend its access, lock or configuration" in after(failure(FailureKind.DENIED)).reason


def test_a_throttled_start_waits_as_long_as_azure_says() -> None:
    """Retry-After: 1200, Microsoft's own example."""
    twenty_minutes = timedelta(seconds=1200)
    assert waited(failure(FailureKind.THROTTLED, retry_after=twenty_minutes)) == twenty_minutes
    assert waited(failure(FailureKind.THROTTLED)) == timedelta(minutes=1)
    assert "slow down" in after(failure(FailureKind.THROTTLED)).reason


def test_another_operation_at_work_is_over_soon() -> None:
    """15 s, 30 s, 1 min, … and a quarter of an hour at most."""
    busy = failure(FailureKind.CONFLICT)
    assert [waited(busy, n).total_seconds() for n in (0, 1, 2, 5, 6, 7)] == [15, 30, 60, 480, 900, 900]
    assert "another operation is at work" in after(busy).reason


def test_an_unknown_failure_is_tried_again_soon_and_then_slowly() -> None:
    """1, 2, 4 minutes, … and an hour at most; the code stays on the record."""
    unknown = failure(FailureKind.UNKNOWN, "VMStartTimedOut")
    assert [waited(unknown, n).total_seconds() / 60 for n in (0, 1, 2, 5, 6)] == [1, 2, 4, 32, 60]
    assert after(unknown).reason == "Azure refused for a reason we do not know (VMStartTimedOut)"


def test_hundreds_of_failures_later_the_longest_delay_still_holds() -> None:
    """A day between looks, and a year of conflicts: nothing overflows."""
    slow = replace(POLICY, look_again=timedelta(days=6), capacity_retry=timedelta(days=6), slow_retry=timedelta(days=6))
    assert waited(failure(FailureKind.CONFLICT), 400, slow) == POLICY.capacity_retry_max
    assert waited(failure(FailureKind.UNKNOWN), 400, slow) == timedelta(days=6)


def test_a_vm_that_a_start_did_not_find_is_looked_for_before_its_recovery_is_closed() -> None:
    """15 s, 30 s, … and a quarter of an hour at most: it was deleted, or a part of Azure does not know of it yet."""
    gone = failure(FailureKind.GONE, "ResourceNotFound")
    assert [waited(gone, n).total_seconds() for n in (0, 1, 9)] == [15, 30, 900]
    assert after(gone).reason == "Azure says that the VM is gone: looking (ResourceNotFound)"


@pytest.mark.parametrize("kind", NOT_CAPACITY)
def test_a_refusal_that_says_nothing_about_capacity_frees_the_place(kind: FailureKind) -> None:
    """The pool is as closed or open as before, and the next VM may probe."""
    assert after(failure(kind)).gate == replace(PROBING, under_way={})


@pytest.mark.parametrize("kind", NOT_CAPACITY)
def test_delays_are_spread_by_chance_and_never_shortened(kind: FailureKind) -> None:
    """A fifth more at most, so that VMs that failed together do not come back together."""
    shortest, longest = waited(failure(kind), jitter=0), waited(failure(kind), jitter=1)
    assert shortest < waited(failure(kind), jitter=0.5) < longest
    assert longest == shortest * 1.2


@pytest.mark.parametrize("kind", NOT_CAPACITY)
def test_azure_is_never_asked_sooner_than_it_said(kind: FailureKind) -> None:
    """Whatever the kind: a request before that time is not even looked at."""
    assert waited(failure(kind, retry_after=timedelta(hours=5)), jitter=1) == timedelta(hours=5)


def test_only_a_throttled_request_was_no_attempt() -> None:
    """It was never tried; everything else was."""
    assert [kind for kind in FailureKind if not counts_as_attempt(failure(kind))] == [FailureKind.THROTTLED]


@settings(deadline=None, max_examples=150)
@given(FAILURES, VMS, RECOVERIES, POOLS, POLICIES, TIMES, ROLLS)
def test_every_refusal_is_followed_by_a_wait(  # noqa: PLR0913, PLR0917 - all that it rests on
    refusal: Failure, vm: Vm, case: Recovery, pool: PoolGate, policy: Policy, now: datetime, jitter: float
) -> None:
    """A wait that is to come and no shorter than Azure asked for, with a reason in one line."""
    decision = decide_after_failure(refusal, vm, case, pool, policy, now, jitter)
    assert len(decision.reason.splitlines()) == 1
    assert now + (refusal.retry_after or NOTHING) <= decision.until
    assert now < decision.until
