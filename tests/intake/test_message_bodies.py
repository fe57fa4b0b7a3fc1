"""Bodies of messages: what is read as one event, our own messages, and what becomes of rubbish."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_responder.intake.events import read_event
from spot_responder.intake.own_messages import follow_up_event, sweep_found_event
from spot_responder.intake.payloads import NotOurs, UnreadableEvent, parse_body
from spot_responder.intake.signals import Signal, SignalKind, Source
from tests.intake.our_events import REASONS, SIGNALS, VM, load


@pytest.mark.parametrize("time", [UTC, timezone(timedelta(hours=2))])
def test_our_own_messages_are_read_back_as_they_were_meant(time: timezone) -> None:
    """What we send ourselves survives JSON and says the same."""
    due_at = datetime(2026, 3, 1, 12, 30, tzinfo=time)
    follow_up = parse_body(json.dumps(follow_up_event(VM, 0, due_at, "e-1")))
    found = parse_body(json.dumps(sweep_found_event(VM, due_at, "e-2")))
    assert read_event(follow_up) == Signal(VM, SignalKind.FOLLOW_UP, due_at, Source.FOLLOW_UP, "", sequence=0)
    assert read_event(found) == Signal(VM, SignalKind.SWEEP_FOUND, due_at, Source.SWEEP, "")
    assert (follow_up["id"], follow_up["source"], follow_up["subject"]) == ("e-1", "/spot-responder", str(VM))
    assert str(follow_up["time"]).endswith("Z")


def test_a_message_without_a_time_zone_is_not_made() -> None:
    """A time that could mean any zone never gets onto the queue."""
    with pytest.raises(ValueError, match="needs a time zone"):
        follow_up_event(VM, 1, datetime(2026, 3, 1), "e-1")  # noqa: DTZ001 - that is the point


def test_an_unknown_type_needs_an_envelope_around_it() -> None:
    """A bare type is no event; one with a source is an event of somebody else."""
    with pytest.raises(UnreadableEvent, match="no source, topic or subject"):
        read_event({"type": "Something"})
    assert isinstance(read_event({"type": "Something", "source": "/x"}), NotOurs)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"\xff\xfe{\x00}\x00", "not UTF-8"),
        (b"\x89PNG\r\n\x1a\n", "not UTF-8"),
        ("", "not JSON"),
        ("{'type': 1}", "not JSON"),
        ('{"a": NaN}', "NaN"),
        ('{"a": 1e999}', "1e999 is no JSON number"),
        ('{"a": -1e999}', "-1e999 is no JSON number"),
        ('{"a": ' + "9" * 5000 + "}", "not JSON"),
        ("[]", "a list of 0"),
        ('[{"a": 1}, {"b": 2}]', "a list of 2"),
        ("[[{}]]", "holds a list;"),
        ('"text"', "a string"),
        ("7", "a number"),
        ("7.5", "a number"),
        ("true", "true or false"),
        ("null", "null"),
        ("[" * 200_000, "nested too deeply"),
        ('{"a":' * 200_000, "nested too deeply"),
        ('{"a":' * 200 + "1" + "}" * 200, "nested more than 200 deep"),
    ],
)
def test_a_body_that_is_not_one_json_object_is_refused(text: str | bytes, why: str) -> None:
    """The refusal says what it is instead."""
    with pytest.raises(UnreadableEvent, match=why):
        parse_body(text)


@pytest.mark.parametrize("text", ['{"a": 1}', b' {"a": 1}', '[{"a": 1}]', b'\xef\xbb\xbf{"a": 1}', ' \n{"a": 1} '])
def test_a_body_of_one_object_is_read(text: str | bytes) -> None:
    """Text or bytes, alone or in Event Grid's array of one, with a byte order mark or without."""
    assert parse_body(text) == {"a": 1}


NAMES = st.sampled_from(["type", "eventType", "time", "data", "subject", "resourceInfo", "properties", "sequence"])
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([str(VM), "Preempt"])
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(NAMES | st.text(), inner), max_leaves=12)
TYPES = st.sampled_from(sorted({str(load(n).get("type") or load(n).get("eventType")) for n in SIGNALS}))


@given(st.dictionaries(NAMES | st.text(), JSON), TYPES | st.none())
def test_nothing_but_a_refusal_comes_of_rubbish(event: dict[str, Any], type_name: str | None) -> None:
    """Whatever a message holds, it is read, put aside or refused; nothing breaks."""
    try:
        read = read_event(event | ({"type": type_name, "specversion": "1.0"} if type_name else {}))
    except UnreadableEvent:
        return
    assert isinstance(read, NotOurs) or read.occurred_at is None or read.occurred_at.tzinfo is UTC


@given(st.sampled_from(sorted({*SIGNALS, *REASONS})), st.data())
def test_a_real_event_with_one_field_replaced_never_breaks_us(name: str, data: st.DataObject) -> None:
    """One field of a real event turned into anything is still read, put aside or refused."""
    event = copy.deepcopy(load(name))
    place: Any = event
    while True:
        key = data.draw(st.sampled_from(sorted(place)))
        if not isinstance(place[key], dict) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(JSON)
    try:
        read = read_event(event)
    except UnreadableEvent:
        return
    assert isinstance(read, NotOurs) or read.vm_id.name
