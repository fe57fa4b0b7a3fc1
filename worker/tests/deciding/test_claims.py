"""A claim is counted before any work; a job is given up when, and only when, its budget is used up."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_worker.deciding.record.budgets import Budgets, delay_s
from spot_worker.deciding.record.claims import GiveUp, Over, Run, again, first, unreadable
from spot_worker.deciding.record.endings import KEPT_CHECKPOINTS, Spent, end, no_longer_named, requeued, with_checkpoint
from spot_worker.deciding.record.pointers import Cause, Counters, Ending, Pointer, Poison, Result
from workbench.makers import JOB, QUEUE, claim, pointer, saved

BUDGETS = Budgets()


def ended(found: Pointer, *endings: Ending) -> Pointer:
    """Let a job be claimed and end like this, again and again."""
    for ending in endings:
        claimed = again(found, claim(2), BUDGETS)
        assert isinstance(claimed, Run), claimed
        found = end(claimed.pointer, ending, Spent(10.0, 4.0))
    return found


def test_a_new_job_is_claimed_as_its_first_attempt() -> None:
    assert first(QUEUE, JOB, claim()).pointer == Pointer(QUEUE, JOB, 1, claim())


def test_each_claim_is_one_attempt_more_and_says_who() -> None:
    claimed = again(end(pointer(), Ending.FAILED, Spent(1.0)), claim(2), BUDGETS)
    assert isinstance(claimed, Run)
    assert (claimed.pointer.attempt, claimed.pointer.claim) == (2, claim(2))


def test_a_job_that_has_its_outcome_is_not_run_again() -> None:
    over = pointer().with_outcome(Result("1", 1, "vm-1", "at"))
    assert again(over, claim(2), BUDGETS) == Over(over)


def test_a_claim_that_never_said_how_it_ended_is_counted_as_silent() -> None:
    claimed = again(pointer(), claim(2), BUDGETS)
    assert (claimed.pointer.counters.silent_claims, claimed.pointer.counters.seconds_worked) == (1, 0.0)


@pytest.mark.parametrize(
    ("at", "worked"),
    [("2026-03-02T10:00:31.500Z", 30.5), ("2026-03-02T09:00:00Z", 0.0), ("a word", 0.0), ("2026-03-02", 0.0)],
)
def test_what_a_silent_claim_had_saved_it_had_worked_for(at: str, worked: float) -> None:
    found = with_checkpoint(pointer(), replace(saved(1), at=at))
    assert again(found, claim(2), BUDGETS).pointer.counters.seconds_worked == worked


@pytest.mark.parametrize(
    ("ending", "cause"),
    [(Ending.FAILED, Cause.FAILURES), (Ending.EVICTED, Cause.EVICTIONS), (Ending.SILENT, Cause.SILENT_CLAIMS)],
)
def test_five_times_the_same_and_the_job_is_given_up(ending: Ending, cause: Cause) -> None:
    four = ended(end(pointer(), ending, Spent(1.0)), *[ending] * 3)
    five = ended(four, ending)
    given_up = again(five, claim(9), BUDGETS)
    assert isinstance(given_up, GiveUp)
    assert isinstance(given_up.pointer.outcome, Poison)
    assert (given_up.pointer.outcome.cause, given_up.pointer.outcome.attempt) == (cause, 6)
    assert "5" in given_up.pointer.outcome.reason


@pytest.mark.parametrize("ending", [Ending.STOPPED, Ending.STORAGE])
def test_what_is_our_own_doing_uses_up_nothing(ending: Ending) -> None:
    found = ended(end(pointer(), ending, Spent(1.0)), *[ending] * 50)
    assert isinstance(again(found, claim(9), BUDGETS), Run)


@pytest.mark.parametrize("ending", [Ending.EVICTED, Ending.SILENT])
def test_evictions_and_silence_use_up_nothing_as_long_as_the_checkpoint_moves(ending: Ending) -> None:
    found = pointer()
    for number in range(30):
        claimed = again(end(found, ending, Spent(1.0)), claim(2), BUDGETS)
        assert isinstance(claimed, Run)
        found = with_checkpoint(claimed.pointer, saved(number))
    counters = found.counters
    assert counters.evictions + counters.silent_claims == 30


def test_the_same_checkpoint_again_is_no_progress() -> None:
    once = with_checkpoint(pointer(), saved(1))
    assert once.claim.has_progressed
    twice = with_checkpoint(replace(once, claim=claim(2)), replace(saved(1), name="another"))
    assert not twice.claim.has_progressed
    assert with_checkpoint(once, replace(saved(1), name="another")).claim.has_progressed


def test_failures_are_counted_whether_the_checkpoint_moves_or_not() -> None:
    found = pointer()
    for number in range(5):
        found = end(with_checkpoint(found, saved(number)), Ending.FAILED, Spent(1.0))
    assert isinstance(again(found, claim(9), BUDGETS), GiveUp)


def test_the_last_checkpoints_are_kept_and_the_others_may_be_deleted() -> None:
    before = pointer()
    deleted: list[str] = []
    for number in range(KEPT_CHECKPOINTS + 2):
        after = with_checkpoint(before, saved(number))
        deleted += no_longer_named(before, after)
        before = after
    assert [one.name for one in before.checkpoints] == [saved(number).name for number in (2, 3, 4)]
    assert deleted == [saved(0).name, saved(1).name]


def test_a_checkpoint_that_was_written_twice_stands_once() -> None:
    assert with_checkpoint(with_checkpoint(pointer(), saved(1)), saved(1)).checkpoints == (saved(1),)


def test_time_is_added_up() -> None:
    found = ended(end(pointer(), Ending.EVICTED, Spent(1.5, 0.5)), Ending.STOPPED)
    assert (found.counters.seconds_worked, found.counters.seconds_repeated) == (11.5, 4.5)


def test_a_requeued_job_has_its_budgets_its_checkpoints_and_its_count_of_attempts() -> None:
    found = with_checkpoint(pointer(), saved(1))
    given_up = again(ended(end(found, Ending.FAILED, Spent(1.0)), *[Ending.FAILED] * 4), claim(6), BUDGETS)
    back = requeued(given_up.pointer)
    assert (back.outcome, back.counters.failures, back.checkpoints, back.attempt) == (None, 0, (saved(1),), 6)
    assert isinstance(again(back, claim(7), BUDGETS), Run)
    assert again(back, claim(7), BUDGETS).pointer.counters.silent_claims == 0


def test_a_record_that_cannot_be_read_is_given_up_with_what_to_do() -> None:
    given_up = unreadable(QUEUE, JOB, claim(), "it is no record", "a-copy")
    assert isinstance(given_up.pointer.outcome, Poison)
    assert given_up.pointer.outcome.cause is Cause.UNREADABLE
    assert "a-copy" in given_up.pointer.outcome.reason


@given(st.lists(st.sampled_from(list(Ending)), max_size=40))
def test_no_job_is_given_up_before_five_of_a_kind(endings: list[Ending]) -> None:
    found = pointer()
    for number, ending in enumerate(endings):
        found = end(found, ending, Spent(1.0))
        claimed = again(found, claim(3), BUDGETS)
        if isinstance(claimed, GiveUp):
            assert max(endings[: number + 1].count(one) for one in (Ending.FAILED, Ending.EVICTED, Ending.SILENT)) >= 5
            return
        found = claimed.pointer


def test_a_failed_job_comes_back_later_each_time_and_within_a_minute() -> None:
    delays = [delay_s(Counters(failures=failures)) for failures in (0, 1, 2, 3, 4, 7, 8, 1000)]
    assert delays == [1, 1, 2, 4, 8, 60, 60, 60]
    assert [delay_s(Counters(silent_in_vain=crashes)) for crashes in (0, 1, 2, 3)] == [1, 1, 2, 4]
