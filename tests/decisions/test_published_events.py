"""The events that are published, and docs/events.md, which names their fields."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from spot_responder.decisions.outcomes import Outcome
from spot_responder.decisions.publishing.published_events import (
    CLOSED_TYPE,
    NEEDS_SOMEBODY_TYPE,
    OPENED_TYPE,
    PRICE_ALERT_TYPE,
    SCHEMA_VERSION,
    WORKLOAD_READY_TYPE,
    closed_event,
    notice_event,
    price_alert_event,
)
from spot_responder.decisions.recoveries import Notice
from spot_responder.intake.azure_errors import Failure, FailureKind
from spot_responder.offerings.max_prices import Standing
from spot_responder.offerings.price_alerts import PriceAlert
from tests.harness.makers import TEN, VM_ID, at, recovery_under_way

if TYPE_CHECKING:
    from spot_responder.decisions.publishing.published_events import PublishedEvent

PAGE = Path(__file__).resolve().parents[2] / "docs" / "events.md"


def the_events() -> dict[str, PublishedEvent]:
    """Make one event of each type."""
    said = Failure(FailureKind.DENIED, "AuthorizationFailed", "The client does not have authorization …", None)
    denied = recovery_under_way().refused(said, counts=True).waiting(at("11:04"), "Azure does not let us start this VM")
    return {
        OPENED_TYPE: notice_event(recovery_under_way(), Notice.OPENED, at("10:00:20")),
        NEEDS_SOMEBODY_TYPE: notice_event(denied, Notice.DENIED, at("10:00:20")),
        CLOSED_TYPE: closed_event(recovery_under_way().closed(Outcome.RESTORED, at("10:00:45"), "it runs again")),
        WORKLOAD_READY_TYPE: notice_event(
            recovery_under_way().closed(Outcome.RESTORED, at("10:00:45"), "it runs again"),
            Notice.WORKLOAD_READY,
            at("10:02"),
        ),
    }


def test_the_page_shows_an_event_as_it_is() -> None:
    """The very fields, in the very form."""
    (block,) = re.findall(r"```json\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    example: dict[str, Any] = json.loads(block)
    event = the_events()[example["type"]]
    assert example["data"].keys() == event.data.keys()
    assert {name: type(value) for name, value in example["data"].items() if value is not None} == {
        name: type(json.loads(json.dumps(value))) for name, value in event.data.items() if value is not None
    }
    assert example["data"]["schemaVersion"] == SCHEMA_VERSION


@pytest.mark.parametrize(
    ("kind", "called"),
    [
        (OPENED_TYPE, "opened"),
        (NEEDS_SOMEBODY_TYPE, "needs somebody"),
        (CLOSED_TYPE, "closed"),
        (WORKLOAD_READY_TYPE, "ready"),
    ],
)
def test_the_page_names_the_fields_of_each_event(kind: str, called: str) -> None:
    """Those that it has, and no other."""
    table = PAGE.read_text("utf-8").partition("| in `data` | of | what |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| `(\w+)` \| ([a-z, ]+) \|", table, re.MULTILINE)
    named = {name for name, of in rows if of == "all" or called in of.split(", ")}
    assert named == the_events()[kind].data.keys()


def test_the_page_names_the_fields_of_a_price_alert() -> None:
    """Its id is the same each time that the same is told, and another one when it gets worse."""
    near = PriceAlert(VM_ID, "WestEurope", "Standard_D4s_v5", 0.05, 0.048, Standing.NEAR, TEN, at("10:15"))
    event, later = price_alert_event(near), price_alert_event(replace(near, seen_at=at("10:30")))
    assert (event.event_type, event.event_id, event.subject) == (PRICE_ALERT_TYPE, later.event_id, str(VM_ID))
    assert price_alert_event(replace(near, standing=Standing.BELOW)).event_id != event.event_id
    page = PAGE.read_text("utf-8")
    table = page.partition("| in `data` of a price alert | what |")[2].partition("\n\n")[0]
    named = {name for cell in re.findall(r"^\| (.*?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", cell)}
    assert named == event.data.keys()
    assert f"`{PRICE_ALERT_TYPE}`" in page
    assert (event.data["size"], event.data["region"]) == ("standard_d4s_v5", "westeurope")


def test_the_page_names_each_need() -> None:
    """And nothing else."""
    page = PAGE.read_text("utf-8")
    needs = set(Notice) - {Notice.OPENED, Notice.WORKLOAD_READY}
    assert all(f"`{notice}`" in page for notice in needs)


def test_the_page_names_each_outcome() -> None:
    """Whoever listens for one finds it there."""
    page = PAGE.read_text("utf-8")
    assert [str(outcome) for outcome in Outcome if f"`{outcome}`" not in page] == []


def test_times_are_those_of_the_recovery() -> None:
    """Restored 45 s after the eviction at ten."""
    event = the_events()[CLOSED_TYPE]
    assert event.data["restoredAfterSeconds"] == 45
    assert event.time == at("10:00:45")
    gone = closed_event(recovery_under_way().closed(Outcome.GONE, at("10:00:45"), "gone"))
    assert gone.data["restoredAfterSeconds"] is None
    nowhere = closed_event(
        replace(recovery_under_way(), pool=None).closed(Outcome.GONE, TEN + timedelta(minutes=1), "gone")
    )
    assert nowhere.data["region"] is None
