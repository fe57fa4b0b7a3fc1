"""A recovery makes lawful moves only, and remembers what a later one needs."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from spot_responder.evidence import Evidence
from spot_responder.failures import FailureKind
from spot_responder.recoveries import Attempt, AttemptState, Outcome, Recovery, UnlawfulMoveError
from spot_responder.signals import SignalKind
from tests.makers import TEN, at, failure, recovery

if TYPE_CHECKING:
    from collections.abc import Callable

NO_CAPACITY = failure(FailureKind.CAPACITY)


def asking(now: str = "10:00:10") -> Recovery:
    """Make a recovery that has asked for a start."""
    return recovery().asking(at(now), at("10:02:10"), "evicted")


def test_each_wait_makes_the_earlier_follow_up_stale() -> None:
    """One follow-up is valid at a time, by its number."""
    waiting = recovery().waiting(at("10:01"), "no capacity")
    assert (waiting.sequence, waiting.wake_at, waiting.reason) == (1, at("10:01"), "no capacity")
    assert waiting.waiting(at("10:02"), "still none").sequence == 2


def test_an_attempt_is_asked_then_accepted() -> None:
    """The operation's address is kept while Azure works on it, and never shown."""
    accepted = asking().accepted("https://arm/operations/1?secret")
    assert accepted.attempts == 1
    assert accepted.attempt_under_way is not None
    assert accepted.attempt_under_way.state is AttemptState.ACCEPTED
    assert accepted.attempt_under_way.operation_url == "https://arm/operations/1?secret"
    assert "secret" not in repr(accepted)


def test_a_refused_attempt_counts_and_keeps_its_reason() -> None:
    """After two refusals, two attempts and two failures in a row are on the record."""
    once = asking().refused(NO_CAPACITY, counts=True)
    twice = once.asking(at("10:05"), at("10:07"), "again").refused(NO_CAPACITY, counts=True)
    assert (twice.attempts, twice.failures_in_a_row) == (2, 2)
    assert twice.attempt is not None
    assert twice.attempt.failure == NO_CAPACITY
    assert twice.attempt_under_way is None


def test_a_request_that_was_not_sent_is_withdrawn() -> None:
    """It counts neither as an attempt nor in the budget; where none is under way there is none to withdraw."""
    withdrawn = asking().withdrawn(None)
    assert (withdrawn.attempts, withdrawn.attempt, withdrawn.starts) == (0, None, ())
    assert withdrawn.evidence.start_asked_at is None
    with pytest.raises(UnlawfulMoveError, match="no start under way that could be withdrawn"):
        withdrawn.withdrawn(None)


def test_a_request_that_is_withdrawn_leaves_the_one_before_on_the_record() -> None:
    """Refused once; the second was not sent: an operator still reads why the first one failed."""
    once = asking().refused(NO_CAPACITY, counts=True)
    withdrawn = once.asking(at("10:05"), at("10:07"), "again").withdrawn(once.attempt)
    assert (withdrawn.attempts, withdrawn.attempt) == (1, once.attempt)


def test_a_throttled_request_was_no_attempt() -> None:
    """Azure did not even look at it."""
    throttled = asking().refused(failure(FailureKind.THROTTLED), counts=False)
    assert (throttled.attempts, throttled.failures_of(FailureKind.THROTTLED)) == (0, 1)


def test_a_throttled_request_takes_back_its_own_count_only() -> None:
    """Refused twice for want of capacity, then throttled: two attempts are on the record, and the next is the third."""
    twice = asking().refused(NO_CAPACITY, counts=True).asking(at("10:05"), at("10:07"), "again")
    asked = twice.refused(NO_CAPACITY, counts=True).asking(at("10:10"), at("10:12"), "once more")
    throttled = asked.refused(failure(FailureKind.THROTTLED), counts=False)
    assert throttled.attempts == 2
    assert throttled.asking(at("10:15"), at("10:17"), "the third").attempt == Attempt(3, at("10:15"))


def test_a_restored_vm_leaves_a_restart_to_remember_and_no_old_evidence() -> None:
    """Evicted at 10:00, start asked for at 10:00:10, runs at 10:01: the eviction is over, by Azure's own time of it."""
    closed = asking().accepted(None).closed(Outcome.RESTORED, at("10:01"), "runs")
    assert not closed.is_open
    assert (closed.outcome, closed.closed_at, closed.wake_at) == (Outcome.RESTORED, at("10:01"), None)
    assert closed.restarts == (at("10:01"),)
    assert closed.evidence == Evidence(settled_at=TEN)
    assert closed.down_since == TEN


def test_a_vm_that_runs_without_us_is_no_restart_of_ours() -> None:
    """Somebody else started it: what was told is over, and the brake does not count it."""
    closed = recovery().closed(Outcome.RUNS_WITHOUT_US, at("10:01"), "runs")
    assert closed.restarts == ()
    assert closed.evidence == Evidence(settled_at=TEN)


def test_a_case_without_evidence_has_nothing_to_settle() -> None:
    """Opened on a mere hint, closed because it runs."""
    bare = replace(recovery(), evidence=Evidence())
    assert bare.closed(Outcome.RUNS_WITHOUT_US, at("10:01"), "runs").evidence == Evidence()


def test_an_owners_wish_is_remembered() -> None:
    """Closed as stopped by its owner: the evidence stays."""
    stopped = replace(recovery(), evidence=Evidence(stopped_firmly_at=at("10:01")))
    closed = stopped.closed(Outcome.STOPPED_BY_OWNER, at("10:02"), "stopped")
    assert closed.evidence.owner_stopped_at == at("10:01")
    assert closed.is_worth_remembering(at("10:02") + timedelta(days=400))


def test_a_closed_case_is_forgotten_after_a_day() -> None:
    """Nothing of it matters any more."""
    closed = asking().accepted(None).closed(Outcome.RESTORED, at("10:01"), "runs")
    assert closed.is_worth_remembering(at("10:01") + timedelta(hours=23))
    assert not closed.is_worth_remembering(at("10:01") + timedelta(days=1))


def test_a_reopened_case_is_new_but_knows_what_was() -> None:
    """Evicted again: a new id and count, the same restarts, and follow-ups of the old case stay stale."""
    closed = asking().accepted(None).closed(Outcome.RESTORED, at("10:01"), "runs")
    again = closed.reopened("recovery-2", at("12:00"), SignalKind.SWEEP_FOUND)
    assert again.is_open
    assert (again.recovery_id, again.attempts, again.opened_by) == ("recovery-2", 0, SignalKind.SWEEP_FOUND)
    assert again.restarts == closed.restarts
    assert again.sequence == closed.sequence > 0


def test_old_restarts_are_forgotten_at_the_next_close() -> None:
    """The brake looks back one day."""
    before = replace(asking(), restarts=(TEN - timedelta(hours=25), TEN - timedelta(hours=1)))
    assert before.closed(Outcome.RESTORED, at("10:01"), "runs").restarts == (TEN - timedelta(hours=1), at("10:01"))


@pytest.mark.parametrize(
    ("move", "what"),
    [
        (lambda: recovery().closed(Outcome.GONE, TEN, "").waiting(TEN, ""), "closed .gone.: it cannot wait"),
        (lambda: recovery().closed(Outcome.GONE, TEN, "").asking(TEN, TEN, ""), "cannot ask for a start"),
        (lambda: recovery().closed(Outcome.GONE, TEN, "").closed(Outcome.GONE, TEN, ""), "cannot close"),
        (lambda: recovery().reopened("x", TEN, SignalKind.EVICTED), "is open: it cannot be opened again"),
        (lambda: recovery().accepted(None), "no start under way"),
        (
            lambda: asking().refused(NO_CAPACITY, counts=True).accepted(None),
            "no start under way that could become accepted",
        ),
    ],
)
def test_unlawful_moves_are_refused(move: Callable[[], Recovery], what: str) -> None:
    """A bug of ours is seen at once, and told by name."""
    with pytest.raises(UnlawfulMoveError, match=what):
        move()
