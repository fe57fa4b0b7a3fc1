"""The log: one JSON object a line, which says what an operator asks and holds nothing that is a secret."""

from __future__ import annotations

import io
import json
import logging
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_responder.decisions.app_health.event_path import EventPath, EventPathState, event_path
from spot_responder.decisions.outcomes import Outcome
from spot_responder.decisions.pools import PoolGate, pool_of
from spot_responder.decisions.situations import Close, Ignore, Start, Wait
from spot_responder.intake.azure_errors import FailureKind, classify
from spot_responder.intake.events import read_event
from spot_responder.intake.payloads import parse_body
from spot_responder.intake.signals import Inbox, Signal, SignalKind
from spot_responder.intake.vms import PowerState
from spot_responder.responder.log import (
    LOG,
    log_decision,
    log_not_ours,
    log_outcome_not_published,
    log_requeued,
    log_start_accepted,
    log_start_failed,
    log_start_refused,
    log_sweep,
    log_unreadable,
)
from tests.harness.makers import TEN, VM_ID, accepted, asking, at, evicted, failure, recovery, situation, spot_vm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EVENTS = Path(__file__).parents[1] / "payloads" / "events"
SIGNED = "https://arm.example/subscriptions/s/providers/Microsoft.Compute/locations/w/operations/1?c=SIGNED&s=SIGNED"
NO_CAPACITY = failure(FailureKind.CAPACITY, "AllocationFailed")
GIVEN = situation(evicted(), spot_vm())
ABOUT = {
    "vm": str(VM_ID),
    "signal": "evicted",
    "source": "health_annotation",
    "occurred_at": "2026-03-02T10:00:00+00:00",
}


@contextmanager
def listening() -> Iterator[io.StringIO]:
    """Write the product's log into memory, as a handler of the host would."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    level = LOG.level
    LOG.addHandler(handler)
    LOG.setLevel(logging.DEBUG)
    try:
        yield stream
    finally:
        LOG.removeHandler(handler)
        LOG.setLevel(level)


def logged(write: Callable[[], None]) -> tuple[str, dict[str, Any]]:
    """Give level and fields of the one line that is written."""
    with listening() as stream:
        write()
    (line,) = stream.getvalue().splitlines()
    level, _, text = line.partition(" ")
    fields: dict[str, Any] = json.loads(text)
    return level, fields


def test_a_start_is_told_with_all_it_rests_on() -> None:
    """Which VM, what was told and by whom, what was decided and why."""
    given_ = situation(evicted(), spot_vm())
    decision = Start(spot_vm(), "a tagged Spot VM", PoolGate(pool_of(spot_vm())))
    assert logged(lambda: log_decision(given_, decision, at("10:04"), dry_run=False)) == (
        "INFO",
        {
            "event": "decision",
            **ABOUT,
            "decision": "start",
            "reason": "a tagged Spot VM",
            "power_state": "deallocated",
            "evidence": "evicted",
            "pool": "standard_d2s_v5 in westeurope",
        },
    )


def test_a_wait_is_told_with_its_end_and_the_refusal_behind_it() -> None:
    """And with the recovery that it belongs to."""
    given_ = situation(evicted(), spot_vm(), accepted())
    _, fields = logged(
        lambda: log_decision(given_, Wait(at("10:04"), "no capacity", NO_CAPACITY), at("10:04"), dry_run=False)
    )
    expected = {
        "decision": "wait",
        "until": "2026-03-02T10:04:00+00:00",
        "failure": "capacity",
        "code": "AllocationFailed",
        "recovery": "recovery-1",
        "attempts": 1,
    }
    assert expected.items() <= fields.items()


def test_a_wait_without_a_refusal_tells_none() -> None:
    """A VM that is still going down was refused nothing."""
    given_ = situation(evicted(), spot_vm(PowerState.DEALLOCATING))
    _, fields = logged(
        lambda: log_decision(given_, Wait(at("10:04"), "still deallocating"), at("10:04"), dry_run=False)
    )
    assert not fields.keys() & {"failure", "code", "recovery", "attempts", "dry_run"}


def test_an_end_is_told_with_its_outcome() -> None:
    """So that outcomes can be counted."""
    given_ = situation(evicted(), None, recovery())
    _, fields = logged(lambda: log_decision(given_, Close(Outcome.GONE, "no such VM"), at("10:04"), dry_run=False))
    assert (fields["decision"], fields["outcome"]) == ("close", "gone")
    assert "power_state" not in fields


def test_what_is_ignored_is_told_with_its_reason() -> None:
    """An operator asks why this VM was not started, and reads it here."""
    given_ = situation(evicted(), replace(spot_vm(), tags={}))
    _, fields = logged(lambda: log_decision(given_, Ignore("no tag"), at("10:04"), dry_run=False))
    assert (fields["decision"], fields["reason"]) == ("ignore", "no tag")


def test_a_dry_run_is_told_as_one() -> None:
    """Nobody takes it for a start that happened."""
    given_ = situation(evicted(), spot_vm())
    _, fields = logged(lambda: log_decision(given_, Ignore("it runs"), at("10:04"), dry_run=True))
    assert fields["dry_run"] is True


def test_a_look_that_no_message_asked_for_is_told_by_its_kind() -> None:
    """The app may have a reason of its own: there is no source then, and no time."""
    given_ = replace(situation(evicted(), spot_vm()), signal=None)
    _, fields = logged(lambda: log_decision(given_, Ignore("it runs"), at("10:04")))
    assert (fields["vm"], fields["signal"], "source" in fields) == (str(VM_ID), "evicted", False)


def test_what_azure_answered_to_a_start_is_told() -> None:
    """Accepted, refused at once, or failed afterwards: each is a line of its own."""
    told = {**ABOUT, "recovery": "recovery-1", "attempts": 1}
    refusal = {"failure": "capacity", "code": "AllocationFailed", "message": "as Azure words it"}
    assert logged(lambda: log_start_accepted(GIVEN, asking())) == ("INFO", {"event": "start accepted", **told})
    refused = logged(lambda: log_start_refused(GIVEN, asking(), NO_CAPACITY))
    assert refused == ("WARNING", {"event": "start refused", **told, **refusal})
    failed = logged(lambda: log_start_failed(GIVEN, accepted(), NO_CAPACITY))
    assert failed == ("WARNING", {"event": "start failed", **told, **refusal})


def test_the_other_lines_say_what_happened_and_what_to_do() -> None:
    """A signal requeued, an event of somebody else, rubbish, a sweep, an outcome that nobody was told."""
    assert logged(lambda: log_requeued(evicted(), "throttled")) == (
        "WARNING",
        {"event": "requeued", **ABOUT, "reason": "throttled"},
    )
    assert logged(lambda: log_not_ours("a disk")) == ("INFO", {"event": "not ours", "reason": "a disk"})
    level, fields = logged(lambda: log_unreadable("not JSON", Inbox.SIGNALS))
    assert (level, fields["event"], fields["reason"]) == ("ERROR", "unreadable", "not JSON")
    assert "signals-poison" in fields["what_to_do"]
    assert "read-event" in fields["what_to_do"]
    counts = {"found": 2, "overdue": 1, "busy": 0, "opened_by_sweep": 1, "opened_by_events": 4}
    path = EventPath(EventPathState.WORKS, 4, 1, TEN, at("09:00"))
    assert logged(lambda: log_sweep(2, 1, 0, path)) == ("INFO", {"event": "sweep"} | counts)

    level, fields = logged(
        lambda: log_outcome_not_published(recovery().closed(Outcome.GONE, at("10:01"), "gone"), "denied")
    )
    assert (level, fields["event"], fields["vm"]) == ("ERROR", "outcome not published", str(VM_ID))
    assert fields["reason"].startswith("the outcome gone was not published: denied; check OUTCOMES_TOPIC_ENDPOINT")


TEXT = st.text() | st.text("\n\r\x0b\x1c\x85\u2028\u2029\ud800\"'{}", min_size=1)


@given(TEXT)
def test_whatever_a_text_holds_it_stays_one_line_of_json(text: str) -> None:
    """A line break within a message forges no second line, and half a character loses none."""
    refusal = replace(failure(FailureKind.UNKNOWN, text), message=text)
    given_ = situation(replace(evicted(), detail=text), spot_vm())
    writes: tuple[Callable[[], None], ...] = (
        lambda: log_decision(given_, Wait(at("10:04"), text, refusal), at("10:04"), dry_run=False),
        lambda: log_start_refused(given_, replace(asking(), reason=text), refusal),
        lambda: log_requeued(replace(evicted(), detail=text), text),
        lambda: log_not_ours(text),
        lambda: log_unreadable(text, Inbox.SIGNALS),
        lambda: log_outcome_not_published(recovery(), text),
    )
    for write in writes:
        with listening() as stream:
            write()
        assert len(stream.getvalue().splitlines()) == 1
        assert stream.getvalue().encode("utf-8")
        assert isinstance(json.loads(stream.getvalue().partition(" ")[2]), dict)


def test_the_address_of_an_operation_is_in_no_line() -> None:
    """It is signed: who has it may ask Azure about the VM."""
    refusal = classify(409, {"error": {"code": "Busy", "message": f"see {SIGNED} for more"}}, {})
    case = asking().accepted(SIGNED)
    given_ = situation(evicted(), spot_vm(), case)
    with listening() as stream:
        log_decision(
            given_, Wait(at("10:04"), f"in progress ({refusal.code}: {refusal.message})", refusal), at("10:01")
        )
        log_start_accepted(given_, case)
        log_start_failed(given_, case, refusal)
        log_outcome_not_published(
            case.closed(Outcome.RESTORED, at("10:01") + timedelta(minutes=1), "runs"), refusal.message
        )
    assert len(stream.getvalue().splitlines()) == 4
    assert "SIGNED" not in stream.getvalue()


@pytest.mark.parametrize("name", ["action_deallocate_eventgrid", "action_start_cloudevent"])
def test_nothing_of_the_caller_is_in_a_line(name: str) -> None:
    """Events of ARM carry claims: names, addresses and ids of persons."""
    read = read_event(parse_body((EVENTS / f"{name}.json").read_bytes()))
    assert isinstance(read, Signal)
    with listening() as stream:
        log_decision(situation(read, replace(spot_vm(), vm_id=read.vm_id)), Ignore("it runs"), at("10:01"))
        log_requeued(read, "throttled")
    text = stream.getvalue()
    assert str(read.vm_id) in text
    assert not [word for word in ("192.0.2.77", "Made Up", "44444444", "claims") if word in text]


def test_a_silent_event_path_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """A line for each subscription, which says since when, and where to look; with an event since, none."""
    found = replace(
        recovery(at("09:00")), opened_at=at("09:15"), opened_by=SignalKind.SWEEP_FOUND, recovery_id="found-1"
    )
    told = replace(recovery(at("09:30")), recovery_id="told-1")
    log_sweep(0, 0, 0, event_path([found, told], TEN))
    assert not [line for line in caplog.messages if "silent" in line]
    log_sweep(0, 0, 0, event_path([found, replace(told, opened_by=SignalKind.OPERATOR_ASKED)], TEN))
    (line,) = (json.loads(line) for line in caplog.messages if "silent" in line)
    assert (line["subscription"], line["vms"]) == (VM_ID.subscription_id, 1)
    assert line["found_at"] == "2026-03-02T09:15:00+00:00"
    assert "event subscriptions" in line["what_to_do"]
