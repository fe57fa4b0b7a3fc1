"""How a VM stands towards its work queue."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from spot_responder.decisions.evidence import Evidence
from spot_responder.decisions.outcomes import Outcome
from spot_responder.demand.looks import Doing, VmWatch
from spot_responder.demand.standings import Standing, standing_of, watched
from spot_responder.intake.vms import PowerState
from tests.demand.made import seen, word
from tests.harness.makers import TEN, asking, recovery

RUNNING, DOWN = PowerState.RUNNING, PowerState.DEALLOCATED
UP = VmWatch(up_since=TEN - timedelta(hours=1))
MINUTE = timedelta(minutes=1)
IDLE, BUSY = word(), word(Doing.BUSY)
STOPS_ITSELF = word(Doing.STOPPING, TEN - MINUTE, stops_vm=True)
STOPPED_NOTHING = word(Doing.STOPPING, TEN - 2 * MINUTE, stops_vm=True)
CLOSED = replace(recovery(), closed_at=TEN - timedelta(hours=1), evidence=Evidence())


@pytest.mark.parametrize(
    ("state", "words", "standing"),
    [
        (PowerState.STARTING, (), Standing.HANGS),
        (PowerState.CREATING, (), Standing.HANGS),
        (PowerState.STOPPED, (), Standing.SHUT_DOWN_INSIDE),
        (PowerState.UNKNOWN, (), Standing.HANGS),
        (PowerState.STOPPING, (), Standing.LEAVING),
        (PowerState.DEALLOCATING, (IDLE,), Standing.LEAVING),
        (PowerState.DEALLOCATING, (STOPS_ITSELF,), Standing.READY),
        (RUNNING, (), Standing.SILENT),
        (RUNNING, (IDLE,), Standing.SERVES),
        (RUNNING, (BUSY, word(Doing.STOPPING)), Standing.SERVES),
        (RUNNING, (word(at=TEN - timedelta(hours=2)),), Standing.SILENT),
        (RUNNING, (word(Doing.STOPPING),), Standing.LEAVING),
        (RUNNING, (STOPS_ITSELF,), Standing.READY),
        (RUNNING, (STOPPED_NOTHING,), Standing.LEAVING),
        (DOWN, (), Standing.READY),
    ],
)
def test_what_azure_and_its_workers_say(state: PowerState, words: tuple, standing: Standing) -> None:  # type: ignore[type-arg]
    """Up for an hour, as far as that matters."""
    assert standing_of(seen("vm-1", state, *words), UP, TEN) is standing


@pytest.mark.parametrize(
    ("state", "standing"),
    [
        (PowerState.STARTING, Standing.COMING),
        (PowerState.CREATING, Standing.COMING),
        (PowerState.UNKNOWN, Standing.UNCLEAR),
    ],
)
def test_a_start_may_take_ten_minutes(state: PowerState, standing: Standing) -> None:
    """Another VM is started after that."""
    assert standing_of(seen("vm-1", state), VmWatch(up_since=TEN - MINUTE), TEN) is standing


def test_what_its_worker_said_before_it_was_started_again_is_over() -> None:
    """It stopped itself, and its owner started it three minutes ago."""
    before = word(Doing.STOPPING, TEN - 6 * MINUTE, stops_vm=True)
    assert standing_of(seen("vm-1", RUNNING, before), VmWatch(up_since=TEN - 3 * MINUTE), TEN) is Standing.COMING


def test_a_vm_that_has_just_come_up_may_take_ten_minutes_to_say_something() -> None:
    """Its worker's words of yesterday are none of today."""
    before = seen("vm-1", RUNNING, word(at=TEN - timedelta(days=1)))
    assert standing_of(before, VmWatch(up_since=TEN - MINUTE), TEN) is Standing.COMING


def test_a_start_that_we_saw_counts_as_coming_up() -> None:
    """Its recovery was closed a minute ago, as restored: earlier words do not make it silent."""
    restored = replace(CLOSED, outcome=Outcome.RESTORED, closed_at=TEN - MINUTE)
    again = seen("vm-1", RUNNING, word(at=TEN - timedelta(hours=2)), recovery=restored)
    watch = watched(again, UP, TEN)
    assert watch.up_since == TEN - MINUTE
    assert standing_of(again, watch, TEN) is Standing.COMING


@pytest.mark.parametrize(
    ("asked_ago", "standing"),
    [(timedelta(seconds=110), Standing.READY), (timedelta(seconds=30), Standing.COMING), (None, Standing.READY)],
)
def test_a_vm_that_was_evicted_right_after_it_came_up_is_down_and_was_not_asked_in_vain(
    asked_ago: timedelta | None, standing: Standing
) -> None:
    """It came up a minute ago and was evicted 40 s ago, before its worker spoke. Asked again since, it comes up."""
    came_up = replace(CLOSED, outcome=Outcome.STARTED_FOR_WORK, closed_at=TEN - MINUTE)
    evicted = replace(came_up, evidence=Evidence(evicted_at=TEN - timedelta(seconds=40)))
    watch = VmWatch(asked_at=TEN - asked_ago if asked_ago else None, asks_in_vain=1, seen_up_at=TEN - MINUTE)
    assert standing_of(seen("vm-1", DOWN, recovery=evicted), watch, TEN) is standing
    assert standing_of(seen("vm-1", DOWN, recovery=came_up), watch, TEN) is Standing.COMING


@pytest.mark.parametrize(
    ("row", "standing"),
    [
        (replace(CLOSED, held_at=TEN), Standing.HELD),
        (replace(CLOSED, evidence=Evidence(stopped_weakly_at=TEN)), Standing.STOPPED_BY_OWNER),
        (asking(), Standing.COMING),
        (recovery(), Standing.COMING),
        (replace(recovery(), seen_queued_at=TEN), Standing.WAITS),
        (CLOSED, Standing.READY),
    ],
)
def test_what_its_row_says_of_a_vm_that_is_down(row: object, standing: Standing) -> None:
    """Held, stopped by its owner, on its way, queued for capacity, or over."""
    assert standing_of(seen("vm-1", DOWN, recovery=row), VmWatch(), TEN) is standing  # type: ignore[arg-type]


def test_a_vm_that_went_down_a_moment_ago_is_left_alone() -> None:
    """The event of its owner's stop may be on its way; not where an eviction or its own stop explains it."""
    just_up = VmWatch(seen_up_at=TEN - MINUTE)
    evicted = replace(CLOSED, evidence=Evidence(evicted_at=TEN - MINUTE))
    stopped_itself, before = (
        replace(CLOSED, evidence=Evidence(own_stop_at=TEN - MINUTE + timedelta(seconds=later))) for later in (9, -9)
    )
    assert standing_of(seen("vm-1"), just_up, TEN) is Standing.JUST_DOWN
    assert standing_of(seen("vm-1", DOWN, recovery=CLOSED), just_up, TEN) is Standing.JUST_DOWN
    assert standing_of(seen("vm-1", DOWN, STOPS_ITSELF), just_up, TEN) is Standing.READY
    assert standing_of(seen("vm-1", DOWN, recovery=evicted), just_up, TEN) is Standing.READY
    assert standing_of(seen("vm-1", DOWN, recovery=stopped_itself), just_up, TEN) is Standing.READY
    assert standing_of(seen("vm-1", DOWN, recovery=before), just_up, TEN) is Standing.JUST_DOWN
    assert standing_of(seen("vm-1"), just_up, TEN + MINUTE) is Standing.READY


def test_a_vm_that_was_asked_for_is_coming_up_for_two_minutes() -> None:
    """Whatever Resource Graph shows meanwhile."""
    asked = VmWatch(asked_at=TEN - MINUTE)
    assert standing_of(seen("vm-1"), asked, TEN) is Standing.COMING
    assert standing_of(seen("vm-1"), asked, TEN + MINUTE) is Standing.READY


def test_a_vm_that_was_seen_to_run_a_minute_ago_is_coming_up() -> None:
    """Resource Graph still shows it as deallocated. Its worker may have stopped it since, and then it is down."""
    restored = replace(CLOSED, outcome=Outcome.RESTORED, closed_at=TEN - MINUTE)
    before = word(Doing.STOPPING, TEN - 9 * MINUTE, stops_vm=True)
    since = word(Doing.STOPPING, TEN - MINUTE + timedelta(seconds=10), stops_vm=True)
    for words, standing in (((), Standing.COMING), ((before,), Standing.COMING), ((since,), Standing.READY)):
        assert standing_of(seen("vm-1", DOWN, *words, recovery=restored), VmWatch(), TEN) is standing
    assert standing_of(seen("vm-1", DOWN, recovery=restored), VmWatch(), TEN + MINUTE) is Standing.READY


def test_a_look_notes_what_it_sees() -> None:
    """Since when it is up, idle, stopped; and its own stops, a few of them."""
    idle = watched(seen("vm-1", RUNNING, IDLE), VmWatch(), TEN)
    assert idle == VmWatch(up_since=TEN, seen_up_at=TEN, ran_at=TEN, idle_since=TEN)
    assert watched(seen("vm-1", RUNNING, IDLE), idle, TEN + MINUTE).idle_since == TEN
    assert watched(seen("vm-1", RUNNING, BUSY), idle, TEN + MINUTE).idle_since is None
    stopped = watched(seen("vm-1", PowerState.STOPPED), idle, TEN + MINUTE)
    assert stopped.stopped_since == TEN + MINUTE
    assert watched(seen("vm-1", PowerState.STOPPED), stopped, TEN + 2 * MINUTE).stopped_since == TEN + MINUTE
    down = watched(seen("vm-1", DOWN, STOPS_ITSELF), stopped, TEN + 2 * MINUTE)
    assert down == VmWatch(seen_up_at=TEN + MINUTE, ran_at=TEN, own_stops=(STOPS_ITSELF.at,))
    for minute in range(9):
        late = word(Doing.STOPPING, TEN + minute * MINUTE, stops_vm=True)
        down = watched(seen("vm-1", DOWN, late), down, TEN)
    assert len(down.own_stops) == 5


def test_what_counts_as_up() -> None:
    """Whatever may be billed."""
    up = {standing for standing in Standing if standing.is_up}
    assert up == {
        Standing.SERVES,
        Standing.COMING,
        Standing.HANGS,
        Standing.LEAVING,
        Standing.SILENT,
        Standing.SHUT_DOWN_INSIDE,
        Standing.UNCLEAR,
    }
