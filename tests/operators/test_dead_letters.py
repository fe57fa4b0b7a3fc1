"""Messages that nobody could handle, read for an operator."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_responder.operators.views.dead_letters import (
    DeadLetter,
    Place,
    read_dead_letter,
    why_not_requeued,
    without_dead_letter_fields,
)
from tests.harness.agents import sample
from tests.harness.makers import TEN

EVENT = json.loads(
    (Path(__file__).parents[1] / "payloads" / "events" / "annotated_preempted_cloudevent.json").read_text(
        encoding="utf-8"
    )
)
CLOUD_EVENT_DEAD = {
    "deadletterreason": "MaxDeliveryAttemptsExceeded",
    "deliveryattempts": 30,
    "lastdeliveryoutcome": "NotFound",
    "publishtime": "2026-03-02T10:00:00Z",
    "lastdeliveryattempttime": "2026-03-02T11:00:00Z",
}
EVENT_GRID_DEAD = {
    "deadLetterReason": "TimeToLiveExceeded",
    "deliveryAttempts": 2,
    "lastDeliveryOutcome": "Busy",
    "publishTime": "2026-03-02T10:00:00Z",
    "lastDeliveryAttemptTime": "2026-03-02T11:00:00Z",
}


def dead_letter(body: str, place: Place = Place.POISON) -> DeadLetter:
    """Make a dead letter."""
    return DeadLetter(place, "0123abcd", TEN, (body,))


@pytest.mark.parametrize(
    ("added", "why"),
    [
        (CLOUD_EVENT_DEAD, "Event Grid gave it up: MaxDeliveryAttemptsExceeded after 30 tries, the last one NotFound"),
        (EVENT_GRID_DEAD, "Event Grid gave it up: TimeToLiveExceeded after 2 tries, the last one Busy"),
    ],
)
def test_a_dead_letter_says_which_vm_what_and_why(added: dict[str, object], why: str) -> None:
    """In either schema."""
    reading = read_dead_letter(dead_letter(json.dumps(EVENT | added), Place.DEAD))
    assert reading.vm.endswith("/virtualMachines/spot-01")
    assert (reading.what, reading.readable, reading.why) == ("evicted (VirtualMachinePreempted)", True, why)


ALSO = {"deadLetterProperties": {"x": 1}, "lastHttpStatusCode": 404}


@pytest.mark.parametrize("added", [CLOUD_EVENT_DEAD, EVENT_GRID_DEAD, ALSO])
def test_what_goes_back_is_the_event_as_it_was(added: dict[str, object]) -> None:
    """Without what Event Grid added."""
    assert without_dead_letter_fields(EVENT | added) == EVENT


def test_a_poisoned_event_is_read_as_the_app_would() -> None:
    """It is sound; why it lies there, no message of the poison queue says: that the app failed at it is supposed."""
    reading = read_dead_letter(dead_letter(json.dumps(EVENT)))
    supposed = "it does not say; as a rule the app failed at it five times, and its log says how"
    assert (reading.readable, reading.why) == (True, supposed)


@pytest.mark.parametrize("body", [json.dumps(EVENT), "rubbish", '{"type": "other", "specversion": "1.0"}'])
def test_a_message_that_the_host_could_not_decode_was_never_the_apps(body: str) -> None:
    """Not in base64, the host moves it unread: the app did not fail at it."""
    reading = read_dead_letter(replace(dead_letter(body), is_base64=False))
    assert reading.why.startswith("not in base64: the host never gave it to the app")
    assert "failed" not in reading.why


def test_each_place_is_read_as_its_door_reads() -> None:
    """What an agent told is readable among the agents' messages only, and Azure's events among the others only."""
    word, event = json.dumps(sample("eviction_notice")), json.dumps(EVENT)
    whats = {place: [read_dead_letter(dead_letter(body, place)).what for body in (word, event)] for place in Place}
    ours, agents = (
        ["asks nothing of us", "evicted (VirtualMachinePreempted)"],
        ["agent_noticed (Preempt)", "asks nothing of us"],
    )
    assert whats == {
        Place.SIGNALS: ours,
        Place.POISON: ours,
        Place.DEAD: ours,
        Place.AGENTS: agents,
        Place.AGENTS_POISON: agents,
        Place.WAKES: [f"wake ({body[:51]} … {body[-26:]})" for body in (word, event)],
        Place.WAKES_POISON: [f"wake ({body[:51]} … {body[-26:]})" for body in (word, event)],
    }


def test_a_wake_that_nobody_could_handle_is_shown_as_one() -> None:
    """Short as it is: the name of a work queue. It may be requeued: at most the app looks at that queue."""
    wake = dead_letter("farm/frames", Place.WAKES_POISON)
    reading = read_dead_letter(wake)
    assert (reading.what, reading.vm, why_not_requeued(wake, reading)) == ("wake (farm/frames)", "", "")
    assert read_dead_letter(replace(wake, is_base64=False)).why.startswith("not in base64")


def test_a_dead_letter_without_a_reason_does_not_blame_the_app() -> None:
    """The app never saw it."""
    reading = read_dead_letter(dead_letter(json.dumps(EVENT), Place.DEAD))
    assert reading.why == "its blob does not say why Event Grid gave it up"


def test_what_is_too_large_for_a_queue_is_not_requeued() -> None:
    """Base64 takes a third more; what cannot be read is not requeued either."""
    large = dead_letter(json.dumps(EVENT | {"filling": "x" * 49_000}), Place.DEAD)
    assert why_not_requeued(large, read_dead_letter(large)).startswith("it is larger than a message of a queue may be")
    sound, rubbish = dead_letter(json.dumps(EVENT)), dead_letter("rubbish")
    assert why_not_requeued(sound, read_dead_letter(sound)) == ""
    assert why_not_requeued(rubbish, read_dead_letter(rubbish)).startswith(
        "the app cannot read it: the text is not JSON"
    )


def test_our_own_message_has_no_detail() -> None:
    """A follow-up."""
    body = (Path(__file__).parents[1] / "payloads" / "events" / "follow_up.json").read_text(encoding="utf-8")
    assert read_dead_letter(dead_letter(body)).what == "follow_up"


@pytest.mark.parametrize("body", ["rubbish", "[1]", "{}", '"text"', "null", '{"deadletterreason": "x"}', "[" * 20_000])
def test_rubbish_is_called_unreadable_with_the_reason(body: str) -> None:
    """Putting it back would bring it here again."""
    reading = read_dead_letter(dead_letter(body))
    assert (reading.vm, reading.what, reading.readable) == ("", "unreadable", False)
    assert reading.why


def test_of_a_blob_with_several_events_each_is_counted() -> None:
    """It is requeued as a whole, so one that cannot be read keeps it; an empty one says nothing."""
    event, other = json.dumps(EVENT), json.dumps(EVENT | {"type": "other"})
    blob = DeadLetter(Place.DEAD, "0123abcd", TEN, (event, other))
    reading = read_dead_letter(blob)
    assert reading.what == "2 events: asks nothing of us, evicted (VirtualMachinePreempted)"
    assert (reading.readable, reading.vm, why_not_requeued(blob, reading)) == (True, "", "")
    spoiled = read_dead_letter(replace(blob, bodies=(event, "rubbish", event)))
    assert (spoiled.readable, spoiled.why) == (False, read_dead_letter(dead_letter("rubbish")).why)
    same = read_dead_letter(replace(blob, bodies=(event, event)))
    assert (same.what, same.vm) == (
        "2 events: evicted (VirtualMachinePreempted)",
        read_dead_letter(dead_letter(event)).vm,
    )
    assert read_dead_letter(replace(blob, bodies=())).what == "no event"


def test_an_event_that_asks_nothing_of_us_is_readable() -> None:
    """It would do no harm, and no good."""
    body = (Path(__file__).parents[1] / "payloads" / "events" / "annotated_reboot_cloudevent.json").read_text("utf-8")
    reading = read_dead_letter(dead_letter(body))
    assert (reading.what, reading.readable) == ("asks nothing of us", True)


@given(st.text())
def test_whatever_lies_there_is_read_without_harm(body: str) -> None:
    """Anybody's text."""
    assert read_dead_letter(dead_letter(body)).what
