"""The document of scheduled events: what may become of it, and how it is written."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localazure.guests.event_documents import PREVIEW, VERSIONS, TimeForm, written
from localazure.guests.scheduled_events import (
    Document,
    EventRefusedError,
    EventSource,
    EventStatus,
    EventType,
    ScheduledEvent,
    announced,
    removed,
    started,
)
from tests.harness.makers import TEN

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLES: Final = Path(__file__).resolve().parents[2] / "payloads" / "imds"
PREEMPT: Final = ScheduledEvent("A", EventType.PREEMPT, ("vm-1",), TEN + timedelta(seconds=30))

MOVES: Final[dict[str, Callable[[Document, str], Document]]] = {
    "announced": lambda document, event_id: announced(document, replace(PREEMPT, event_id=event_id)),
    "started": started,
    "removed": removed,
}
moves = st.lists(st.tuples(st.sampled_from(sorted(MOVES)), st.sampled_from("aAbBc")), max_size=30)


def sample(name: str) -> Any:  # noqa: ANN401 - JSON
    """Read one of the documents that were collected in public."""
    return json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))


@given(moves)
def test_the_incarnation_rises_exactly_when_the_events_change(story: list[tuple[str, str]]) -> None:
    """By one each time; and where nothing changes, it is the same document."""
    document = Document()
    for move, event_id in story:
        try:
            after = MOVES[move](document, event_id)
        except EventRefusedError:
            continue
        assert after.incarnation - document.incarnation == (after.events != document.events)
        document = after


@given(moves)
def test_an_event_never_goes_back(story: list[tuple[str, str]]) -> None:
    """From scheduled to started to gone, or from scheduled to gone; what is gone stays so, in any casing of its id."""
    order = {"": 0, "Scheduled": 1, "Started": 2, "gone": 3}
    document, reached = Document(), dict.fromkeys("abc", "")
    for move, event_id in story:
        try:
            document = MOVES[move](document, event_id)
        except EventRefusedError:
            assert reached[event_id.lower()] != ""
        there = {event.event_id.lower(): event for event in document.events}
        for key, before in reached.items():
            now = there[key].status.value if key in there else ("gone" if before else "")
            assert order[now] >= order[before]
            assert key not in there or (there[key].not_before is None) == (now == "Started")
            reached[key] = now


def test_an_event_names_a_vm() -> None:
    """Azure's do, and who reads it goes by that."""
    with pytest.raises(EventRefusedError, match="names no VM"):
        announced(Document(), replace(PREEMPT, resources=()))


def read(event: dict[str, Any]) -> ScheduledEvent:
    """Make one of ours out of one that was collected."""
    return ScheduledEvent(
        event_id=event["EventId"],
        event_type=EventType(event["EventType"]),
        resources=tuple(event["Resources"]),
        not_before=parsedate_to_datetime(event["NotBefore"]) if event["NotBefore"] else None,
        status=EventStatus(event["EventStatus"]),
        description=event.get("Description", ""),
        source=EventSource(event.get("EventSource", "Platform")),
        duration_s=event.get("DurationInSeconds", -1),
    )


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("00_empty", "2020-07-01"),
        ("10_preempt_scheduled_api2019-08-01", "2019-08-01"),
        ("11_preempt_scheduled_api2020-07-01", "2020-07-01"),
        ("12_preempt_started_derived", "2020-07-01"),
        ("30_reboot_user_scheduled", "2020-07-01"),
        ("31_reboot_platform_vmss_scheduled", "2020-07-01"),
        ("32_reboot_hardware_failure_started_derived", "2020-07-01"),
        ("40_redeploy_user_scheduled_derived", "2020-07-01"),
        ("41_redeploy_platform_scheduled_derived", "2020-07-01"),
        ("42_freeze_host_agent_scheduled_derived", "2020-07-01"),
        ("50_terminate_scheduled_derived", "2019-01-01"),
        ("60_spot_rebalance_recommendation_unverified", PREVIEW),
    ],
)
def test_documents_are_written_as_those_that_were_collected(name: str, version: str) -> None:
    """Word for word: what a program was made to read in Azure, it reads here."""
    collected = sample(name)
    document = Document(collected["DocumentIncarnation"], tuple(read(event) for event in collected["Events"]))
    assert written(document, version) == collected


def test_a_live_migration_goes_through_the_documents_that_were_collected() -> None:
    """Announced, started, over: three incarnations more. One of the sample's weekdays is wrong, and that is played."""
    first, scheduled, begun, over = sample("20_freeze_live_migration_sequence")
    event = read(scheduled["Events"][0])
    document = Document()
    assert written(document, "2020-07-01") == first
    document = announced(document, event)
    right = written(document, "2020-07-01")
    wrong = written(document, "2020-07-01", TimeForm.WRONG_WEEKDAY)
    assert scheduled not in (right, wrong)
    assert _without_weekday(right) == _without_weekday(wrong) == _without_weekday(scheduled)
    document = started(document, event.event_id)
    assert written(document, "2020-07-01") == begun
    assert written(removed(document, event.event_id), "2020-07-01") == over


def _without_weekday(document: dict[str, Any]) -> dict[str, Any]:
    return document | {"Events": [event | {"NotBefore": event["NotBefore"][3:]} for event in document["Events"]]}


@pytest.mark.parametrize(
    ("version", "fields", "types"),
    [
        ("2017-08-01", 6, "Freeze Reboot Redeploy"),
        ("2017-11-01", 6, "Freeze Reboot Redeploy Preempt"),
        ("2019-01-01", 6, "Freeze Reboot Redeploy Preempt Terminate"),
        ("2019-04-01", 7, "Freeze Reboot Redeploy Preempt Terminate"),
        ("2019-08-01", 8, "Freeze Reboot Redeploy Preempt Terminate"),
        ("2020-07-01", 9, "Freeze Reboot Redeploy Preempt Terminate"),
        ("2024-07-09", 9, "Freeze Reboot Redeploy Preempt Terminate SpotRebalanceRecommendation"),
    ],
)
def test_each_version_has_its_fields_and_types(version: str, fields: int, types: str) -> None:
    """A program that asks in an old version is not told what came later."""
    assert version in VERSIONS
    document = Document()
    for event_type in EventType:
        document = announced(document, replace(PREEMPT, event_id=event_type.value, event_type=event_type))
    told: Any = written(document, version)
    assert {len(event) for event in told["Events"]} == {fields}
    assert [event["EventType"] for event in told["Events"]] == types.split()


@pytest.mark.parametrize(
    ("form", "shown"),
    [
        (TimeForm.RFC_1123, "Tue, 16 Mar 2021 00:58:46 GMT"),
        (TimeForm.WRONG_WEEKDAY, "Wed, 16 Mar 2021 00:58:46 GMT"),
        (TimeForm.ISO_8601, "2021-03-16T00:58:46Z"),
    ],
)
def test_not_before_is_written_in_each_form_that_was_seen(form: TimeForm, shown: str) -> None:
    """With the clock of the service, which may be before the VM's; parts of a second are cut off."""
    at = datetime.fromisoformat("2021-03-16T00:57:46.9+00:00")
    document = announced(Document(), replace(PREEMPT, not_before=at))
    told: Any = written(document, "2020-07-01", form, timedelta(minutes=1))
    assert told["Events"][0]["NotBefore"] == shown
