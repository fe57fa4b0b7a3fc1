"""A recovery makes valid transitions only, and remembers what a later one needs."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from spot_responder.decisions.attempts import Attempt, AttemptState
from spot_responder.decisions.evidence import Evidence
from spot_responder.decisions.outcomes import Outcome
from spot_responder.decisions.recoveries import InvalidTransitionError, Notice, Recovery
from spot_responder.intake.azure_errors import FailureKind
from spot_responder.intake.signals import SignalKind
from tests.harness.makers import TEN, at, failure, recovery

if TYPE_CHECKING:
    from collections.abc import Callable

    from spot_responder.intake.azure_errors import Failure

NO_CAPACITY = failure(FailureKind.CAPACITY)


def asking(now: str = "10:00:10") -> Recovery:
    """Make a recovery that has asked for a start."""
    return recovery().asking(at(now), at("10:02:10"), "evicted")


def test_each_wait_makes_the_earlier_follow_up_stale() -> None:
    """One follow-up is valid at a time, by its number."""
    waiting = recovery().waiting(at("10:01"), "no capacity")
    assert (waiting.sequence, waiting.wake_at, waiting.reason) == (1, at("10:01"), "no capacity")
    assert waiting.waiting(at("10:02"), "still none").sequence == 2


def test_whether_it_is_queued_and_what_somebody_should_know_go_by_the_latest_wait() -> None:
    """Queued in its pool and braked at ten; the next wait says neither."""
    queued = recovery().waiting(at("10:01"), "the brake", seen_queued_at=TEN, notice=Notice.BRAKE)
    assert (queued.seen_queued_at, queued.notice) == (TEN, Notice.BRAKE)
    again = queued.waiting(at("10:02"), "it is starting")
    assert (again.seen_queued_at, again.notice) == (None, None)


@pytest.mark.parametrize(("now", "is_overdue"), [("10:00:59", False), ("10:03:00", False), ("10:03:01", True)])
def test_a_follow_up_is_lost_when_it_is_two_minutes_late(now: str, is_overdue: bool) -> None:  # noqa: FBT001
    """Due at 10:01. A recovery that never had one is overdue at once, and a closed one never."""
    waiting = recovery().waiting(at("10:01"), "no capacity")
    assert waiting.is_overdue(at(now)) is is_overdue
    assert recovery().is_overdue(at(now))
    assert not waiting.closed(Outcome.OPTED_OUT, at("10:01"), "no tag").is_overdue(at(now))


@pytest.mark.parametrize(
    ("recovery", "through_us"),
    [
        (recovery(), False),
        (asking(), True),
        (asking().accepted(None), True),
        (asking().refused(NO_CAPACITY, counts=True), False),
        (asking().refused(failure(FailureKind.UNKNOWN), counts=True), True),
    ],
)
def test_a_vm_that_runs_may_do_so_through_us_unless_our_request_was_refused(
    recovery: Recovery,
    through_us: bool,  # noqa: FBT001
) -> None:
    """Asked, taken, or failed for a reason that nobody knows: then its restart counts as ours."""
    assert recovery.may_have_started_it is through_us


def test_failures_in_a_row_are_of_one_kind() -> None:
    """Refused for its price, twice for capacity: the delay for capacity grows by two, another one by none."""
    case = asking().refused(failure(FailureKind.PRICE), counts=True)
    for _ in range(2):
        case = case.asking(at("10:05"), at("10:07"), "again").refused(NO_CAPACITY, counts=True)
    assert (case.failures.in_a_row_of(FailureKind.CAPACITY), case.failures.in_a_row_of(FailureKind.PRICE)) == (2, 0)
    assert case.failures.by_kind == {FailureKind.PRICE: 1, FailureKind.CAPACITY: 2}


def test_what_a_start_leaves_on_the_record() -> None:
    """The budget counts the requests of the last hour; what is told of this one is its echo."""
    before = replace(recovery(), starts=(at("9:00:10"), at("9:00:11")))
    asked = before.asking(at("10:00:10"), at("10:02:10"), "evicted")
    assert asked.starts == (at("9:00:11"), at("10:00:10"))
    assert asked.evidence.starts_asked == (at("10:00:10"),)


def test_a_refusal_says_when_azure_may_be_asked_again() -> None:
    """Not before 10:15."""
    assert asking().refused(NO_CAPACITY, counts=True, not_before=at("10:15")).not_before == at("10:15")


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
    assert (twice.attempts, twice.failures.in_a_row) == (2, 2)
    assert twice.attempt is not None
    assert twice.attempt.failure == NO_CAPACITY
    assert twice.attempt_under_way is None


def test_a_request_that_was_not_sent_is_withdrawn() -> None:
    """It counts neither as an attempt nor in the budget; where none is under way there is none to withdraw."""
    withdrawn = asking().withdrawn(None)
    assert (withdrawn.attempts, withdrawn.attempt, withdrawn.starts) == (0, None, ())
    assert withdrawn.evidence.starts_asked == ()
    with pytest.raises(InvalidTransitionError, match="no start under way that could be withdrawn"):
        withdrawn.withdrawn(None)


def test_a_request_that_is_withdrawn_leaves_the_one_before_on_the_record() -> None:
    """Refused once; the second was not sent: an operator still reads why the first one failed."""
    once = asking().refused(NO_CAPACITY, counts=True)
    withdrawn = once.asking(at("10:05"), at("10:07"), "again").withdrawn(once.attempt)
    assert (withdrawn.attempts, withdrawn.attempt) == (1, once.attempt)
    assert withdrawn.starts == withdrawn.evidence.starts_asked == once.starts
    twice = once.asking(at("10:05"), at("10:07"), "again").refused(NO_CAPACITY, counts=True)
    withdrawn = twice.asking(at("10:10"), at("10:12"), "once more").withdrawn(twice.attempt)
    assert withdrawn.starts == withdrawn.evidence.starts_asked == twice.starts


def test_a_throttled_request_was_no_attempt() -> None:
    """Azure did not even look at it."""
    throttled = asking().refused(failure(FailureKind.THROTTLED), counts=False)
    assert (throttled.attempts, throttled.failures.in_a_row_of(FailureKind.THROTTLED)) == (0, 1)


def test_a_throttled_request_takes_back_its_own_count_only() -> None:
    """Refused twice for want of capacity, then throttled: two attempts are on the record, and the next is the third."""
    twice = asking().refused(NO_CAPACITY, counts=True).asking(at("10:05"), at("10:07"), "again")
    asked = twice.refused(NO_CAPACITY, counts=True).asking(at("10:10"), at("10:12"), "once more")
    throttled = asked.refused(failure(FailureKind.THROTTLED), counts=False)
    assert throttled.attempts == 2
    assert throttled.asking(at("10:15"), at("10:17"), "the third").attempt == Attempt(3, at("10:15"), evicted_at=TEN)


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


def test_a_recovery_without_evidence_has_nothing_to_settle() -> None:
    """Opened on a mere hint, closed because it runs."""
    bare = replace(recovery(), evidence=Evidence())
    assert bare.closed(Outcome.RUNS_WITHOUT_US, at("10:01"), "runs").evidence == Evidence()


def test_an_owners_wish_is_remembered() -> None:
    """Closed as stopped by its owner: the evidence stays."""
    stopped = replace(recovery(), evidence=Evidence(stopped_firmly_at=at("10:01")))
    closed = stopped.closed(Outcome.STOPPED_BY_OWNER, at("10:02"), "stopped")
    assert closed.evidence.owner_stopped_at == at("10:01")
    assert closed.is_worth_remembering(at("10:02") + timedelta(days=400))


def test_a_closed_recovery_is_forgotten_after_a_day() -> None:
    """Nothing of it matters any more."""
    closed = asking().accepted(None).closed(Outcome.RESTORED, at("10:01"), "runs")
    assert closed.is_worth_remembering(at("10:01") + timedelta(hours=23))
    assert not closed.is_worth_remembering(at("10:01") + timedelta(days=1))


def test_a_reopened_recovery_is_new_but_knows_what_was() -> None:
    """Evicted again: a new id and count, the same restarts, and follow-ups of the old recovery stay stale."""
    closed = asking().accepted(None).closed(Outcome.RESTORED, at("10:01"), "runs")
    again = closed.reopened("recovery-2", at("12:00"), SignalKind.SWEEP_FOUND)
    assert again.is_open
    assert (again.recovery_id, again.attempts, again.opened_by) == ("recovery-2", 0, SignalKind.SWEEP_FOUND)
    assert again.restarts == closed.restarts
    assert again.sequence == closed.sequence > 0


@pytest.mark.parametrize(
    ("refusal", "slows_down"),
    [
        (failure(FailureKind.THROTTLED), True),
        (failure(FailureKind.CONFLICT, retry_after=timedelta(minutes=10)), True),
        (NO_CAPACITY, False),
    ],
)
def test_a_slow_down_is_azures_and_outlives_the_recovery(refusal: Failure, slows_down: bool) -> None:  # noqa: FBT001
    """Whatever the next recovery is about, Azure is not asked sooner; other refusals were about the old one."""
    refused = asking().refused(refusal, counts=True, not_before=at("10:15"))
    again = refused.closed(Outcome.OPTED_OUT, at("10:01"), "no tag").reopened("next", at("10:02"), SignalKind.EVICTED)
    expected = (at("10:15"), refusal.kind) if slows_down else (None, None)
    assert (again.not_before, again.failures.kind) == expected


def test_a_new_recovery_keeps_what_is_the_vms_and_not_the_recoverys() -> None:
    """An operator's hold, its owner's stop and its budget go on; follow-ups of the closed recovery are stale."""
    stopped = Evidence(stopped_firmly_at=at("10:01"))
    asked = replace(asking(), held_at=TEN, evidence=stopped)
    closed = asked.closed(Outcome.STOPPED_BY_OWNER, at("10:02"), "its owner stopped it")
    assert (closed.sequence, closed.reason) == (asked.sequence + 1, "its owner stopped it")
    again = closed.reopened("next", at("10:05"), SignalKind.SWEEP_FOUND)
    assert (again.held_at, again.evidence, again.starts) == (TEN, stopped, asked.starts)


def test_since_when_it_was_down_is_not_changed_by_what_is_told_later() -> None:
    """Closed as down since ten; an eviction of nine is told afterwards."""
    closed = recovery().closed(Outcome.OPTED_OUT, at("10:05"), "no tag")
    assert replace(closed, evidence=Evidence(evicted_at=at("9:00"))).went_down_at == TEN


LATER = at("10:01") + timedelta(days=2)
FORGOTTEN = recovery().closed(Outcome.OPTED_OUT, at("10:01"), "no tag")


@pytest.mark.parametrize(
    ("case", "is_kept"),
    [
        (FORGOTTEN, False),
        (recovery(), True),
        (replace(FORGOTTEN, closed_at=LATER - timedelta(hours=23)), True),
        (replace(FORGOTTEN, closed_at=None), True),
        (replace(FORGOTTEN, restarts=(LATER - timedelta(hours=23),)), True),
        (replace(FORGOTTEN, restarts=(LATER - timedelta(hours=25),)), False),
        (replace(FORGOTTEN, held_at=TEN), True),
    ],
)
def test_a_row_is_kept_as_long_as_a_later_recovery_needs_it(case: Recovery, is_kept: bool) -> None:  # noqa: FBT001
    """Open, or closed or restarted within a day, or held by an operator."""
    assert case.is_worth_remembering(LATER) is is_kept


def test_a_closed_recovery_is_noted_as_being_in_the_history() -> None:
    """From then on its outcome is told from there."""
    closed = recovery().closed(Outcome.OPTED_OUT, at("10:01"), "no tag")
    assert closed.in_the_history() == replace(closed, recorded=True)


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
def test_invalid_moves_are_refused(move: Callable[[], Recovery], what: str) -> None:
    """A bug of ours is seen at once, and told by name."""
    with pytest.raises(InvalidTransitionError, match=what):
        move()
