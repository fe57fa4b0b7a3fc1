"""The table of plans, and how much time is left by clocks that may be off."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from spot_agent.deciding.documents import EventType, ScheduledEvent
from spot_agent.deciding.plans import (
    PLANS,
    Acknowledge,
    is_due,
    is_short_freeze,
    names,
    names_alone,
    seconds_left,
)
from spot_agent.deciding.times import Now
from virtual_vm.virtual_time import TEN

NOW = Now(TEN, 0.0)


def event(kind: EventType, ahead_s: float | None, *, resources: tuple[str, ...] = ("render-1",)) -> ScheduledEvent:
    """Make an event that is so many seconds ahead."""
    not_before = None if ahead_s is None else TEN + timedelta(seconds=ahead_s)
    return ScheduledEvent("e", kind, kind.value, False, not_before, resources, "Platform", -1.0)  # noqa: FBT003


def test_each_type_but_the_unknown_has_a_plan_and_a_folder_of_its_own() -> None:
    """The folders are those of docs/agent.md."""
    assert set(PLANS) == set(EventType) - {EventType.UNKNOWN}
    folders = {kind.value: plan.folder for kind, plan in PLANS.items()}
    assert folders == {
        "Preempt": "preempt",
        "SpotRebalanceRecommendation": "rebalance",
        "Terminate": "terminate",
        "Reboot": "reboot",
        "Redeploy": "redeploy",
        "Freeze": "freeze",
    }


def test_an_eviction_is_never_acknowledged() -> None:
    """An acknowledgement could only shorten our time."""
    assert PLANS[EventType.PREEMPT].acknowledge is Acknowledge.NEVER
    assert PLANS[EventType.REBALANCE].acknowledge is Acknowledge.NEVER


@pytest.mark.parametrize(
    ("ahead_s", "left_s"),
    [(30, 30), (0, 0), (120, 120), (121, 5), (600, 5), (-1, 5), (-600, 5), (None, 5)],
)
def test_an_eviction_at_an_impossible_time_has_five_seconds(ahead_s: float | None, left_s: float) -> None:
    """In the past, or more than two minutes ahead: the clock is off, or the time is missing."""
    assert seconds_left(event(EventType.PREEMPT, ahead_s), NOW) == left_s


@pytest.mark.parametrize(("ahead_s", "left_s"), [(900, 900), (-5, 0), (None, None)])
def test_maintenance_is_believed(ahead_s: float | None, left_s: float | None) -> None:
    """It may be days ahead; without a time nothing is assumed."""
    assert seconds_left(event(EventType.REBOOT, ahead_s), NOW) == left_s


def test_what_started_has_no_time_left() -> None:
    """Whatever it is."""
    assert seconds_left(replace(event(EventType.REBOOT, None), is_started=True), NOW) == 0


@pytest.mark.parametrize(("seconds", "is_short"), [(0, True), (5, True), (9, False), (-1, False)])
def test_a_freeze_of_seconds_is_short(seconds: float, *, is_short: bool) -> None:
    """Nine seconds, as in Microsoft's sample; not known is not short."""
    assert is_short_freeze(replace(event(EventType.FREEZE, 900), duration_s=seconds)) is is_short
    assert not is_short_freeze(replace(event(EventType.REBOOT, 900), duration_s=seconds))


def test_names_are_compared_whole_and_without_regard_to_case() -> None:
    """``web_1`` is not ``web_10``."""
    shared = event(EventType.REBOOT, 900, resources=("WEB_1", "web_10"))
    assert names(shared, "web_1")
    assert not names(shared, "web_")
    assert not names_alone(shared, "web_1")
    assert names_alone(event(EventType.REBOOT, 900, resources=("Web_1",)), "wEb_1")
    assert not names_alone(event(EventType.REBOOT, 900, resources=()), "web_1")


@pytest.mark.parametrize(
    ("kind", "ahead_s", "resources", "due"),
    [
        (EventType.REDEPLOY, 7 * 86400, ("render-1",), True),  # we acknowledge it, so Azure begins now
        (EventType.REDEPLOY, 7 * 86400, ("render-1", "render-2"), False),
        (EventType.REDEPLOY, 600, ("render-1", "render-2"), True),
        (EventType.REDEPLOY, None, ("render-1", "render-2"), True),
        (EventType.PREEMPT, 7 * 86400, ("render-1", "render-2"), True),
    ],
)
def test_only_what_is_days_ahead_and_shared_waits(
    kind: EventType, ahead_s: float | None, resources: tuple[str, ...], *, due: bool
) -> None:
    """Else the VM would stay drained for days."""
    assert is_due(event(kind, ahead_s, resources=resources), "render-1", NOW) is due
