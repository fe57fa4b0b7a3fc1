"""How a VM goes on after Azure refused it another size, or a start with one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from spot_responder.decisions.attempts import Attempt, AttemptState, SizeNotes
from spot_responder.decisions.decide import decide
from spot_responder.decisions.fallback.refusals import (
    decide_after_refused_size,
    goes_on_with_another_size,
    size_is_unfit_until,
    unfit_after_start,
)
from spot_responder.decisions.fallback.sizes import order_of
from spot_responder.decisions.policy import RESIZE_TAKES, UNFIT_HOLDS
from spot_responder.decisions.pools import PoolGate, pool_of
from spot_responder.decisions.refused_starts import decide_after_failure
from spot_responder.decisions.situations import Operation, OperationState, Start, Wait
from spot_responder.intake.azure_errors import NO_TOKEN, SHOWED_NOTHING, FailureKind
from tests.decisions.fallback.test_sizes import OTHER, OWN, POLICY, THIRD, looked_at, vm
from tests.harness.makers import TEN, at, failure, recovery

CHANGING = Attempt(0, TEN, AttemptState.ACCEPTED, resize_to=OTHER)
AWAY = replace(recovery(), sizes=SizeNotes().asking_for(OTHER, OWN, TEN))
IN_PROGRESS = Operation(OperationState.IN_PROGRESS)


def test_a_change_under_way_is_waited_for() -> None:
    """It takes seconds; with the size there, the start follows."""
    wait = decide(looked_at(vm(), CHANGING), POLICY, at("10:00:05"), 0.5)
    assert isinstance(wait, Wait)
    assert wait.until == at("10:00:05") + RESIZE_TAKES
    assert isinstance(decide(looked_at(vm(OTHER), CHANGING), POLICY, at("10:00:05"), 0.5), Start)
    not_done = replace(looked_at(vm(OTHER), CHANGING), operation=IN_PROGRESS)
    assert isinstance(decide(not_done, POLICY, at("10:00:05"), 0.5), Wait)


def test_one_that_came_to_nothing_is_not_waited_for_for_ever() -> None:
    """The app may have died before it was sent."""
    assert isinstance(decide(looked_at(vm(), CHANGING), POLICY, at("10:02"), 0.5), Start)


def test_one_that_failed_later_says_why() -> None:
    """As one that was refused at once."""
    told = failure(FailureKind.UNKNOWN)
    failed = replace(looked_at(vm(), CHANGING), operation=Operation(OperationState.FAILED, told))
    wait = decide(failed, POLICY, at("10:00:05"), 0.5)
    assert isinstance(wait, Wait)
    assert (wait.failure, wait.until) == (told, at("10:00:05"))


@pytest.mark.parametrize("tag", ["", THIRD, f"{OTHER},{THIRD}"])
def test_one_that_failed_later_is_asked_about_its_own_pool(tag: str) -> None:
    """Also where its owner has taken that size off the tag meanwhile: no other pool has refused anything."""
    failed = Operation(OperationState.FAILED, failure(FailureKind.CAPACITY))
    given = replace(looked_at(vm(tag=tag), replace(CHANGING, size=OWN)), operation=failed)
    assert order_of(given, vm(tag=tag), POLICY) == (OTHER,)
    assert given.as_it_was_asked_for(vm(tag=tag)).size == OTHER


def test_no_capacity_closes_the_pool_of_the_new_size() -> None:
    """Azure may say so to the change already; the next size is looked at at once."""
    wait = decide_after_refused_size(OTHER, failure(FailureKind.CAPACITY), vm(), None, POLICY, TEN, 0.5)
    assert wait.until == TEN
    assert wait.gate is not None
    assert (wait.gate.pool_id, wait.gate.is_closed(TEN)) == (pool_of(vm(), OTHER), True)


@pytest.mark.parametrize(
    ("kind", "delay", "unfit_for"),
    [
        (FailureKind.THROTTLED, timedelta(minutes=1), None),
        (FailureKind.CONFLICT, timedelta(seconds=15), None),
        (FailureKind.GONE, timedelta(seconds=15), None),
        (FailureKind.CAPACITY, timedelta(), None),
        (FailureKind.PRICE, timedelta(), timedelta(hours=1)),
        (FailureKind.QUOTA, timedelta(), timedelta(hours=1)),
        (FailureKind.DENIED, timedelta(), timedelta(hours=1)),
        (FailureKind.UNKNOWN, timedelta(), UNFIT_HOLDS),
    ],
)
def test_each_refusal_of_a_size(kind: FailureKind, delay: timedelta, unfit_for: timedelta | None) -> None:
    """When the VM is looked at again, and how long that size is left out; its place is free again."""
    held = PoolGate(pool_of(vm(), OTHER), under_way={vm().vm_id.key: at("10:05")})
    wait = decide_after_refused_size(OTHER, failure(kind), vm(), held, POLICY, TEN, 0.5)
    assert wait.until == TEN + delay
    assert wait.gate is not None
    assert not wait.gate.under_way
    until = size_is_unfit_until(failure(kind), POLICY, TEN)
    assert until == (None if unfit_for is None else TEN + unfit_for)


def test_no_capacity_for_a_start_leads_to_the_next_size_at_once() -> None:
    """Only where there is one."""
    told = failure(FailureKind.CAPACITY)
    assert decide_after_failure(told, vm(), recovery(), None, POLICY, TEN, 0.5).until == TEN
    assert decide_after_failure(told, vm(tag=""), recovery(), None, POLICY, TEN, 0.5).until > TEN
    assert not goes_on_with_another_size(failure(FailureKind.PRICE), vm(), recovery(), POLICY, TEN)


def test_a_start_that_fails_because_of_the_new_size_marks_it() -> None:
    """And leads on; never the first size, and not where the refusal says nothing about the size."""
    told = failure(FailureKind.QUOTA)
    assert unfit_after_start(told, vm(OTHER), AWAY, POLICY, TEN) == at("11:00")
    assert unfit_after_start(told, vm(), AWAY, POLICY, TEN) is None
    assert unfit_after_start(told, vm(OTHER, tag=""), AWAY, POLICY, TEN) is None
    for code in (NO_TOKEN, SHOWED_NOTHING):
        assert unfit_after_start(failure(FailureKind.UNKNOWN, code), vm(OTHER), AWAY, POLICY, TEN) is None
    wait = decide_after_failure(told, vm(OTHER), AWAY, None, POLICY, TEN, 0.5)
    assert (wait.until, "its other sizes are next" in wait.reason) == (TEN, True)


def test_a_fault_in_azure_bars_a_size_for_longer_than_the_vm_waits() -> None:
    """So that its next look finds another one."""
    fault = failure(FailureKind.UNKNOWN, "InternalServerError")
    assert size_is_unfit_until(fault, POLICY, TEN) == at("10:02")
    assert decide_after_refused_size(OTHER, fault, vm(), None, POLICY, TEN, 0.5).until == at("10:01")


@pytest.mark.parametrize("code", ["InternalServerError", SHOWED_NOTHING])
def test_the_third_fault_in_a_row_is_held_against_the_size_that_it_was_given(code: str) -> None:
    """Twice it may pass; its first size has no other that could be told from it."""
    told, row = failure(FailureKind.UNKNOWN, code), AWAY
    for until in (None, None, at("11:00")):
        assert unfit_after_start(told, vm(OTHER), row, POLICY, TEN) == until
        assert goes_on_with_another_size(told, vm(OTHER), row, POLICY, TEN) is (until is not None)
        assert unfit_after_start(told, vm(), row, POLICY, TEN) is None
        row = replace(row, failures=row.failures.with_another(FailureKind.UNKNOWN, TEN))
