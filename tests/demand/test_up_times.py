"""How long VMs were up for a work queue, from look to look."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from spot_responder.clients.work.table import watch_from_row, watch_row
from spot_responder.demand.decide_demand import decide_demand
from spot_responder.demand.looks import Doing, UpTime, Watch
from spot_responder.demand.up_times import DAYS_KEPT, up_times
from spot_responder.intake.vms import PowerState
from tests.demand.made import look, nothing_kept, queue, seen, word
from tests.harness.makers import TEN

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
IDLE = seen("vm-1", PowerState.RUNNING, word(Doing.IDLE))
BUSY = seen("vm-1", PowerState.RUNNING, word(Doing.BUSY))
DOWN = seen("vm-1")


def watch_after(*states: object) -> Watch:
    """Look each minute from ten o'clock on, at a VM that is so."""
    watch = nothing_kept()
    for minute, state in enumerate(states):
        watch = decide_demand(look(0, 1, state), watch, queue(), TEN + minute * MINUTE).watch  # type: ignore[arg-type]
    return watch


def test_the_time_between_two_looks_counts_for_a_vm_that_both_see_up() -> None:
    """Up at four looks in a row: three minutes, of which it was idle from the second to the third look."""
    (day,) = watch_after(BUSY, IDLE, IDLE, BUSY, DOWN).up_times
    assert day == UpTime(TEN.date(), 3 * MINUTE, MINUTE)


def test_a_vm_that_is_down_counts_for_nothing() -> None:
    """It was never up: the day has a row, with nothing in it."""
    (day,) = watch_after(DOWN, DOWN).up_times
    assert (day.up, day.idle) == (timedelta(), timedelta())


def test_before_the_first_look_nothing_is_known() -> None:
    """Nor is anything counted when the clock went back."""
    assert watch_after(BUSY).up_times == ()
    later = replace(watch_after(BUSY), looked_at=TEN + MINUTE)
    assert up_times(later, later.vms, TEN) == ()


def test_a_day_is_added_to_and_old_days_go() -> None:
    """Of a VM that is always up, looked at once a day, eight days are kept."""
    watch = watch_after(BUSY)
    for day in range(1, 20):
        watch = replace(watch, up_times=up_times(watch, watch.vms, TEN + day * DAY), looked_at=TEN + day * DAY)
    assert [each.day for each in watch.up_times] == [(TEN + day * DAY).date() for day in range(20 - DAYS_KEPT, 20)]
    assert {each.up for each in watch.up_times} == {DAY}


def test_they_are_kept_in_the_row_and_a_row_of_an_earlier_version_has_none() -> None:
    """What is written is read again."""
    watch = watch_after(BUSY, IDLE, IDLE)
    row = {**watch_row(watch)}
    assert watch_from_row(row).up_times == watch.up_times
    del row["up_times"]
    assert watch_from_row(row).up_times == ()
