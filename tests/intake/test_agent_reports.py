"""What is read from the messages of agents, and which inbox takes which messages."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from spot_responder.intake.inboxes import read_from
from spot_responder.intake.own_messages import follow_up_event, operator_asked_event, sweep_found_event
from spot_responder.intake.payloads import NotOurs, UnreadableEvent
from spot_responder.intake.signals import AgentReport, Inbox, Signal, SignalKind, Source
from spot_responder.intake.vms import VmId
from tests.harness.agents import SAMPLES, sample
from tests.harness.makers import TEN, VM_ID
from tests.intake.our_events import EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RENDER_1 = VmId("11111111-1111-4111-8111-111111111111", "rg-spot", "render-1")
NAMES = sorted(path.stem for path in SAMPLES.glob("*.json"))


def read(event: dict[str, Any]) -> Signal:
    """Read a message that must be a signal."""
    found = read_from(Inbox.AGENTS, event)
    assert isinstance(found, Signal)
    return found


def test_the_contract_has_three_samples() -> None:
    """None lies about that nothing is expected of."""
    assert NAMES == ["eviction_notice", "maintenance", "workload_ready"]


@pytest.mark.parametrize(
    ("name", "kind", "detail", "message_id"),
    [
        (
            "eviction_notice",
            SignalKind.AGENT_NOTICED,
            "Preempt",
            "c1bf8322-4cbf-4fc4-9c45-b40cf3106d0e/EvictionNotice",
        ),
        ("maintenance", SignalKind.AGENT_MAINTENANCE, "Redeploy", "7d0a4f3e-9a51-4e0f-b6a4-1c2f8f9d3a55/Maintenance"),
        ("workload_ready", SignalKind.WORKLOAD_READY, "", "8f3c1d52-0b7e-4c39-8a4d-2f6f0e9b7c10/WorkloadReady"),
    ],
)
def test_each_message_becomes_a_signal(name: str, kind: SignalKind, detail: str, message_id: str) -> None:
    """Of a kind of its own, from an agent, with the time that the agent gives."""
    signal = read(sample(name))
    assert (signal.vm_id, signal.kind, signal.source, signal.detail) == (RENDER_1, kind, Source.AGENT, detail)
    assert signal.report == AgentReport(message_id, is_late=False)
    assert signal.inbox is Inbox.AGENTS
    said = sample(name)["data"]
    assert signal.occurred_at is not None
    written = said.get("detectedAt") or said["readyAt"]
    assert signal.occurred_at.isoformat(timespec="milliseconds").replace("+00:00", "Z") == written


@pytest.mark.parametrize("name", NAMES)
def test_only_a_notice_in_time_is_a_reason_to_look(name: str) -> None:
    """What is over, and what is no eviction, is noted."""
    late = sample(name)
    late["data"]["late"] = True
    assert read(late).is_only_noted
    assert read(sample(name)).is_only_noted is (name != "eviction_notice")


@pytest.mark.parametrize("event_type", ["Reboot", "redeploy", "Freeze", "Terminate", "SpotRebalanceRecommendation"])
def test_maintenance_is_named_as_azure_names_it(event_type: str) -> None:
    """Whatever the casing."""
    event = sample("maintenance")
    event["data"]["eventType"] = event_type
    assert read(event).detail.lower() == event_type.lower()


def _data(**fields: object) -> Callable[[dict[str, Any]], object]:
    return lambda event: event["data"].update(fields)


SPOILED: list[tuple[str, Callable[[dict[str, Any]], object], str]] = [
    ("eviction_notice", _data(eventType="Reboot"), "data.eventType is 'Reboot'; expected Preempt"),
    ("eviction_notice", _data(eventType=None), "data.eventType is missing"),
    ("eviction_notice", _data(detectedAt="yesterday"), "data.detectedAt is 'yesterday'; expected ISO 8601"),
    ("eviction_notice", _data(detectedAt=7), "data.detectedAt is a number"),
    ("eviction_notice", _data(late="no"), "data.late is 'no'; expected true or false"),
    ("eviction_notice", lambda event: event.pop("data"), "data.eventType is missing; expected a text"),
    ("eviction_notice", lambda event: event.pop("id"), "id is missing"),
    ("eviction_notice", lambda event: event.pop("subject"), "the VM's id is missing"),
    ("eviction_notice", lambda event: event.update(subject="render-1"), "the VM's id is 'render-1'"),
    ("eviction_notice", lambda event: event.pop("type"), "the message has no 'type'"),
    ("maintenance", _data(eventType="Preempt"), "data.eventType is 'Preempt'; expected Reboot or"),
    ("maintenance", _data(detectedAt=""), "data.detectedAt is ''"),
    ("workload_ready", _data(readyAt=None), "data.readyAt is missing"),
    ("workload_ready", _data(late=None), "data.late is missing"),
]


@pytest.mark.parametrize(("name", "spoil", "told"), SPOILED, ids=[told for _, _, told in SPOILED])
def test_a_bad_message_is_refused_in_one_line(name: str, spoil: Callable[[dict[str, Any]], object], told: str) -> None:
    """It names the field, and what was expected."""
    event = sample(name)
    spoil(event)
    with pytest.raises(UnreadableEvent) as refused:
        read_from(Inbox.AGENTS, event)
    assert str(refused.value).startswith(told)
    assert "\n" not in str(refused.value)


def test_a_message_about_another_resource_is_not_for_the_app() -> None:
    """An instance of a Uniform scale set has agents too."""
    event = sample("eviction_notice")
    event["subject"] = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/disks/d"
    assert isinstance(read_from(Inbox.AGENTS, event), NotOurs)


@pytest.mark.parametrize("path", sorted(EVENTS.glob("*.json")), ids=lambda path: path.stem)
def test_through_the_agents_door_nothing_of_azure_is_taken(path: Path) -> None:
    """No payload of Azure's is a signal there, whatever it says."""
    event = json.loads(path.read_text("utf-8"))
    event = event[0] if isinstance(event, list) else event
    try:
        found: object = read_from(Inbox.AGENTS, event)
    except UnreadableEvent:
        return
    assert isinstance(found, NotOurs)
    assert "no agent's word" in found.reason


@pytest.mark.parametrize("make", [sweep_found_event, operator_asked_event])
def test_through_the_agents_door_nothing_of_the_app_or_an_operator_is_taken(
    make: Callable[..., dict[str, object]],
) -> None:
    """Neither a find, nor a request, nor a follow-up."""
    for event in (make(VM_ID, TEN, "forged"), follow_up_event(VM_ID, 1, TEN, "forged")):
        assert isinstance(read_from(Inbox.AGENTS, event), NotOurs)
        assert isinstance(read_from(Inbox.SIGNALS, event), Signal)


@pytest.mark.parametrize("name", NAMES)
def test_through_the_other_door_no_agents_word_is_taken(name: str) -> None:
    """The reason says where it would be."""
    found = read_from(Inbox.SIGNALS, sample(name))
    assert isinstance(found, NotOurs)
    assert "queue agents only" in found.reason
