"""When a signal comes back that could not be looked into."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_responder.decisions.pauses import REQUEUE_MAX, SHORT_WAITS, requeue_delay
from spot_responder.intake.azure_errors import OWN_PACE, ROW_CHANGED, Failure, FailureKind
from spot_responder.intake.own_messages import Requeues

SECOND = timedelta(seconds=1)


def in_line(seconds: float) -> Failure:
    """Be told by our own pace that others come first."""
    return Failure(FailureKind.THROTTLED, OWN_PACE, "others are in line", timedelta(seconds=seconds))


def refused(seconds: float | None) -> Failure:
    """Be refused by Azure."""
    wait = None if seconds is None else timedelta(seconds=seconds)
    return Failure(FailureKind.THROTTLED, "RateLimiting", "slow down", wait)


def test_a_signal_that_stood_in_line_seven_times_and_is_refused_then_waits_as_long_as_azure_says_and_no_longer() -> (
    None
):
    """To stand in line is no failure."""
    times = Requeues()
    for _ in range(7):
        later, times = requeue_delay(times, in_line(12), 0.5, is_stop=False)
        assert later == 18 * SECOND
    later, times = requeue_delay(times, refused(5), 0.5, is_stop=False)
    assert later == 5 * SECOND
    assert times == Requeues(refused=1, waited=7)


def test_a_row_that_other_workers_change_all_the_time_is_no_outage() -> None:
    """Each time after the same few seconds, spread by chance; the delays of an outage begin after eight times."""
    crowded = Failure(FailureKind.CONFLICT, ROW_CHANGED, "it changed five times", 5 * SECOND)
    times, waits = Requeues(), []
    for _ in range(SHORT_WAITS):
        later, times = requeue_delay(times, crowded, 0.5, is_stop=False)
        waits.append(later / SECOND)
    assert set(waits) == {7.5}
    assert times == Requeues(waited=SHORT_WAITS)


def test_an_outage_of_the_graph_makes_a_signal_come_ever_later_and_half_an_hour_at_most() -> None:
    """1, 2, 4, 8 minutes, then a quarter of an hour, and by chance up to twice that."""
    times, waits = Requeues(), []
    for _ in range(7):
        later, times = requeue_delay(times, refused(None), 0.0, is_stop=False)
        waits.append(later / SECOND)
    assert waits == [60, 120, 240, 480, 900, 900, 900]


def test_an_owners_stop_comes_back_sooner() -> None:
    """20 s, 40 s, then a minute at most: no start is to overtake it."""
    times, waits = Requeues(), []
    for _ in range(4):
        later, times = requeue_delay(times, refused(None), 0.0, is_stop=True)
        waits.append(later / SECOND)
    assert waits == [20, 40, 60, 60]


def test_a_signal_that_stands_in_line_too_often_comes_ever_later_as_if_refused() -> None:
    """15 s each time, while it may be a rush; then 2, 4 and 8 minutes: that is no rush any more."""
    times, waits = Requeues(), []
    for _ in range(SHORT_WAITS + 4):
        later, times = requeue_delay(times, in_line(15), 0.0, is_stop=False)
        waits.append(later / SECOND)
    assert waits == [*([15] * SHORT_WAITS), 15, 120, 240, 480]


@pytest.mark.parametrize(("jitter", "seconds"), [(0.0, 60), (0.5, 90), (1.0, 120)])
def test_signals_that_were_requeued_together_do_not_come_back_together(jitter: float, seconds: float) -> None:
    """A hundred that met the same outage come back one to two minutes later, spread by chance."""
    later, _ = requeue_delay(Requeues(), refused(None), jitter, is_stop=False)
    assert later == seconds * SECOND


def test_a_signal_that_our_own_pace_delays_without_saying_for_how_long_counts_as_refused() -> None:
    """Nobody comes back at once, whoever it was that did not say when."""
    later, times = requeue_delay(Requeues(), replace(in_line(1), retry_after=None), 0.0, is_stop=False)
    assert (later, times) == (60 * SECOND, Requeues(refused=1))


def refusals() -> st.SearchStrategy[Failure]:
    """Draw what may hold a signal up."""
    seconds = st.floats(0, 86_400)
    return seconds.map(in_line) | (st.none() | seconds).map(refused)


@given(
    before=st.builds(Requeues, st.integers(0, 1_000_000), st.integers(0, 1_000_000)),
    failure=refusals(),
    jitter=st.floats(0, 1),
    is_stop=st.booleans(),
)
def test_no_signal_comes_back_sooner_than_asked_nor_much_later_than_the_longest(
    *, before: Requeues, failure: Failure, jitter: float, is_stop: bool
) -> None:
    """Whatever was before; and each time is counted once."""
    later, after = requeue_delay(before, failure, jitter, is_stop=is_stop)
    asked = failure.retry_after or timedelta()
    assert asked <= later <= max(2 * asked, 2 * REQUEUE_MAX)
    assert (after.refused - before.refused) + (after.waited - before.waited) == 1
