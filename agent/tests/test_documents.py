"""Scheduled-events documents: Microsoft's samples are read, and rubbish is refused without hiding an eviction."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_agent.deciding.documents import Document, EventType, ScheduledEvent, UnreadableDocumentError, read_document

PAYLOADS = Path(__file__).with_name("payloads")
PREEMPT = json.loads((PAYLOADS / "11_preempt_scheduled_api2020-07-01.json").read_text("utf-8"))["Events"][0]


def read(*events: Any) -> Document:  # noqa: ANN401 - anything that may stand there
    """Read a document with these events."""
    return read_document(json.dumps({"DocumentIncarnation": 1, "Events": events}).encode())


def test_an_eviction_is_read_with_all_that_is_said_of_it() -> None:
    """As the documentation of 2020-07-01 shows it."""
    assert read(PREEMPT).events == (
        ScheduledEvent(
            id="C1BF8322-4CBF-4FC4-9C45-B40CF3106D0E",
            type=EventType.PREEMPT,
            type_name="Preempt",
            is_started=False,
            not_before=datetime(2022, 8, 9, 17, 7, 32, tzinfo=timezone.utc),
            resources=("vm-spot",),
            source="Platform",
            duration_s=-1.0,
        ),
    )


@pytest.mark.parametrize("file", sorted(PAYLOADS.glob("[0-6]*.json")), ids=lambda file: file.stem)
def test_every_sample_is_read(file: Path) -> None:
    """Of all types, versions and sources."""
    written = json.loads(file.read_text("utf-8"))
    for document in written if isinstance(written, list) else [written]:
        found = read_document(json.dumps(document).encode())
        assert len(found.events) == len(document["Events"])
        assert not found.unreadable
        assert all(event.type is not EventType.UNKNOWN and event.resources for event in found.events)


def test_an_event_that_started_has_no_time_any_more() -> None:
    """Even if one were written."""
    started = read({**PREEMPT, "EventStatus": "started"}).events[0]
    assert (started.status, started.not_before) == ("Started", None)


def test_a_type_that_azure_adds_later_keeps_its_word() -> None:
    """It is written down; nothing is done about it."""
    added = read({**PREEMPT, "EventType": "Hibernate"}).events[0]
    assert (added.type, added.type_name) == (EventType.UNKNOWN, "Hibernate")


@pytest.mark.parametrize(
    "broken",
    [7, {}, {**PREEMPT, "EventId": None}, {**PREEMPT, "EventType": " "}, {**PREEMPT, "Resources": "vm-spot"}],
)
def test_an_event_that_cannot_be_read_hides_no_other(broken: Any) -> None:  # noqa: ANN401
    """The eviction behind it is seen, and that something was left out is known."""
    found = read(broken, PREEMPT)
    assert [event.type for event in found.events] == [EventType.PREEMPT]
    assert len(found.unreadable) == 1


def test_an_event_that_is_there_twice_counts_once() -> None:
    """In whatever casing."""
    assert len(read(PREEMPT, {**PREEMPT, "EventId": PREEMPT["EventId"].lower()}).events) == 1


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (5, 5.0),
        ("9", 9.0),
        ("-1", -1.0),
        ("long", -1.0),
        ("--5", -1.0),
        ("9" * 5000, -1.0),
        (None, -1.0),
        (1e300, -1.0),
    ],
)
def test_a_duration_is_a_number_or_not_known(written: Any, seconds: float) -> None:  # noqa: ANN401
    """``-1`` is Azure's word for not known."""
    assert read({**PREEMPT, "DurationInSeconds": written}).events[0].duration_s == seconds


@pytest.mark.parametrize("time", ["", "soon", 7, None])
def test_an_eviction_at_a_time_that_cannot_be_read_is_an_eviction(time: Any) -> None:  # noqa: ANN401
    """It comes all the same."""
    assert read({**PREEMPT, "NotBefore": time}).events[0].not_before is None


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"Events": {}}', b"\xff", b"[" * 100_000, b"null"])
def test_rubbish_is_refused_by_name(body: bytes) -> None:
    """Half an answer, an error page, another document."""
    with pytest.raises(UnreadableDocumentError):
        read_document(body)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(st.fixed_dictionaries(dict.fromkeys(PREEMPT, ANYTHING)) | ANYTHING, max_size=4))
def test_whatever_stands_in_the_list_the_eviction_is_seen(others: list[Any]) -> None:
    """No value of any field crashes the reader."""
    assert PREEMPT["EventId"] in {event.id for event in read(*others, PREEMPT).events}
