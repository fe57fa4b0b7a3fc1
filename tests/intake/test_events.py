"""What the responder makes of each event that may reach it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from spot_responder.intake.events import kind_of_annotation, read_event
from spot_responder.intake.payloads import NotOurs, UnreadableEvent
from spot_responder.intake.signals import Signal, SignalKind
from tests.intake.our_events import EVENTS, HAPPENED, REASONS, REFUSALS, SIGNALS, TOLD, VM, load


def properties(event: dict[str, Any]) -> dict[str, Any]:
    """Reach into a health or maintenance event."""
    found: dict[str, Any] = event["data"]["resourceInfo"]["properties"]
    return found


def signal(event: dict[str, Any]) -> Signal:
    """Read an event that must be a signal."""
    read = read_event(event)
    assert isinstance(read, Signal)
    return read


def recased(value: object) -> object:
    """Turn the casing of every key and every text around."""
    if isinstance(value, dict):
        return {key.swapcase(): recased(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [recased(inner) for inner in value]
    return value.swapcase() if isinstance(value, str) else value


def test_every_fixture_has_an_expectation() -> None:
    """No payload lies about that nothing is expected of."""
    assert {path.stem for path in EVENTS.glob("*.json")} == {*SIGNALS, *REASONS, *REFUSALS}


@pytest.mark.parametrize(("name", "expected"), SIGNALS.items())
def test_an_event_that_matters_becomes_a_signal(name: str, expected: Signal) -> None:
    """Each event that may concern a VM is read, field by field."""
    assert read_event(load(name)) == expected


@pytest.mark.parametrize(("name", "word"), REASONS.items())
def test_an_event_that_asks_nothing_of_us_is_put_aside_with_a_reason(name: str, word: str) -> None:
    """A sound event about something else is no error, and the reason says what it was."""
    read = read_event(load(name))
    assert isinstance(read, NotOurs)
    assert word in read.reason


@pytest.mark.parametrize(("name", "word"), REFUSALS.items())
def test_what_is_no_event_is_refused_with_what_it_seems_to_be(name: str, word: str) -> None:
    """Rubbish is refused, and the text says what is wrong and what was expected."""
    with pytest.raises(UnreadableEvent, match="expected") as refused:
        read_event(load(name))
    assert word in str(refused.value)


@pytest.mark.parametrize("name", SIGNALS)
def test_casing_changes_nothing(name: str) -> None:
    """Azure does not spell keys, types and ids alike everywhere; we do not care."""
    event = recased(load(name))
    assert isinstance(event, dict)
    read = signal(event)
    assert (read.vm_id, read.kind, read.source, read.occurred_at, read.has_caller, read.sequence) == (
        SIGNALS[name].vm_id,
        SIGNALS[name].kind,
        SIGNALS[name].source,
        SIGNALS[name].occurred_at,
        SIGNALS[name].has_caller,
        SIGNALS[name].sequence,
    )


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("VirtualMachinePreempted", SignalKind.EVICTED),
        ("VirtualMachinePreemptedTrackingId", SignalKind.EVICTED),
        ("virtualmachinestopinitiatedbycontrolplanetrackingid", SignalKind.STOPPED_BY_OWNER),
        ("VirtualMachineStopInitiatedByControlPlane", SignalKind.STOPPED_BY_OWNER),
        ("VirtualMachineDeallocationInitiated", SignalKind.STOPPED_BY_OWNER),
        ("VirtualMachineStoppedInternally", SignalKind.STOPPED_BY_OWNER),
        ("VirtualMachineStartInitiatedByControlPlaneTrackingId", SignalKind.STARTED),
        ("VirtualMachineAllocated", SignalKind.STARTED),
        ("VirtualMachineProvisioningTimedOut", None),
        ("VirtualMachineRestarted", None),
        ("NotVirtualMachinePreempted", None),
    ],
)
def test_annotations_mean_what_azures_list_says(name: str, kind: SignalKind | None) -> None:
    """An eviction, an owner's stop, a start; all else Azure heals by itself."""
    assert kind_of_annotation(name) is kind


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("Scheduled", SignalKind.EVICTION_NOTICED),
        ("STARTED", SignalKind.EVICTION_NOTICED),
        ("Completed", SignalKind.EVICTED),
        ("Canceled", None),
    ],
)
def test_a_preempt_notice_is_read_by_its_status(status: str, kind: SignalKind | None) -> None:
    """A notice is no eviction until it is completed, and a canceled one is nothing."""
    event = load("scheduled_preempt_eventgrid")
    properties(event)["EventStatus"] = status
    read = read_event(event)
    assert (read.kind if isinstance(read, Signal) else None) is kind


def test_a_preempt_notice_that_does_not_say_for_what_is_for_the_vm_that_it_names() -> None:
    """The type of the resource is left out, as no live event was ever seen; the id says enough."""
    event = load("scheduled_preempt_eventgrid")
    expected = signal(event)
    del properties(event)["ResourceType"]
    assert signal(event) == expected


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("Microsoft.Compute/virtualMachines/powerOff/action", SignalKind.STOPPED_BY_OWNER),
        ("Microsoft.Compute/virtualMachineScaleSets/evictSpotVM/action", SignalKind.EVICTED),
        ("Microsoft.Compute/virtualMachines/restart/action", None),
        ("Microsoft.Compute/virtualMachines/preempt/action", None),
    ],
)
def test_an_operation_is_read_by_its_name(operation: str, kind: SignalKind | None) -> None:
    """Stop, start and eviction are told apart by ARM's own names, and made-up names are nothing."""
    event = load("action_deallocate_eventgrid")
    event["data"]["operationName"] = operation
    read = read_event(event)
    assert (read.kind if isinstance(read, Signal) else None) is kind


@pytest.mark.parametrize(
    ("claims", "evidence", "called"),
    [
        ({}, [], False),
        ({}, {"role": "Owner"}, False),
        ({"aud": "https://management.core.windows.net/"}, {}, False),
        ({"appid": "a"}, {}, True),
        ({"http://schemas.microsoft.com/identity/claims/objectidentifier": "o"}, [], True),
        ({}, {"principalId": "p"}, True),
    ],
)
def test_an_operation_has_a_caller_when_it_names_a_principal(claims: object, evidence: object, *, called: bool) -> None:
    """Somebody's operation is told from one that nobody sent."""
    event = load("action_deallocate_eventgrid")
    event["data"]["claims"] = claims
    event["data"]["authorization"]["evidence"] = evidence
    assert signal(event).has_caller is called


def test_a_callers_id_is_the_same_however_azure_writes_it() -> None:
    """With hyphens among the claims, without them in the evidence of the authorization."""
    claimed, proved = load("action_deallocate_eventgrid"), load("action_deallocate_eventgrid")
    claimed["data"]["claims"] = {"oid": "44444444-0000-4000-8000-0000000000AB"}
    proved["data"]["authorization"]["evidence"] = {"principalId": "444444440000400080000000000000ab"}
    assert signal(claimed).caller == signal(proved).caller == "444444440000400080000000000000ab"


@pytest.mark.parametrize(
    "suffix", ["/", "/providers/Microsoft.ResourceHealth/resourceAnnotations/current", "/current/"]
)
@pytest.mark.parametrize("missing", [(), ("targetResourceId",), ("targetResourceId", "id")])
def test_the_vm_is_found_in_whichever_place_names_it(suffix: str, missing: tuple[str, ...]) -> None:
    """The target's id is preferred, then the annotation's own id, then the subject, in any style."""
    event = load("annotated_preempted_cloudevent")
    event["subject"] += suffix
    properties(event)["targetResourceId"] += suffix
    if "targetResourceId" in missing:
        del properties(event)["targetResourceId"]
    if "id" in missing:
        del event["data"]["resourceInfo"]["id"]
    assert signal(event).vm_id == VM


@pytest.mark.parametrize("style", ["https://management.azure.com{}", "{}/", " {} ", "HTTPS://MANAGEMENT.AZURE.COM{}/"])
def test_an_id_may_be_written_in_another_style(style: str) -> None:
    """An id given as an address, or with a slash too many, is still that VM."""
    event = load("action_deallocate_eventgrid")
    event["data"]["resourceUri"] = style.format(VM)
    event["subject"] = ""
    assert signal(event).vm_id == VM


@pytest.mark.parametrize(
    "other",
    [
        f"{VM}".replace("virtualMachines/spot-01", "virtualMachineScaleSets/pool1/virtualMachines/0"),
        f"{VM}".replace("Microsoft.Compute/virtualMachines", "Microsoft.Compute/disks"),
        "/subscriptions/11111111-aaaa-4bbb-8ccc-222222222222",
    ],
)
@pytest.mark.parametrize(
    "name", ["annotated_preempted_cloudevent", "follow_up", "sweep_found", "operator_asked", "work_waits"]
)
def test_another_resource_is_not_ours(name: str, other: str) -> None:
    """A scale set's instance or a disk is put aside, not taken for a VM and not refused."""
    event = load(name)
    event["subject"] = other
    event["data"] = {**event["data"], "vmId": other}
    if "resourceInfo" in event["data"]:
        properties(event)["targetResourceId"] = other
    assert isinstance(read_event(event), NotOurs)


def test_the_eviction_of_a_scale_sets_instance_is_put_aside_with_its_reason() -> None:
    """Uniform sets are for a later release; nothing is taken for the VM of that number."""
    event = load("annotated_preempted_cloudevent")
    instance = f"{VM}".replace("virtualMachines/spot-01", "virtualMachineScaleSets/pool1/virtualMachines/0")
    properties(event)["targetResourceId"] = event["subject"] = instance
    read = read_event(event)
    assert isinstance(read, NotOurs)
    assert "an instance of a Uniform scale set, which the app does not handle yet" in read.reason


@pytest.mark.parametrize("rubbish", ["", "spot-01", f"{VM}"[:-7], f"{VM}'; drop", "/subscriptions//x"])
def test_an_event_that_names_no_vm_is_refused(rubbish: str) -> None:
    """An eviction of nobody cannot be acted on, and must not be lost silently."""
    event = load("action_deallocate_eventgrid")
    event["data"]["resourceUri"] = event["subject"] = rubbish
    with pytest.raises(UnreadableEvent, match="the VM's id is"):
        read_event(event)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("annotated_preempted_cloudevent", "annotationName"),
        ("availability_unavailable_cloudevent", "availabilityState"),
        ("scheduled_preempt_eventgrid", "EventType"),
        ("scheduled_preempt_eventgrid", "EventStatus"),
    ],
)
def test_a_missing_word_is_named_with_its_place(name: str, path: str) -> None:
    """The text of the refusal leads to the field."""
    event = load(name)
    properties(event)[path] = 7
    with pytest.raises(UnreadableEvent, match=rf"data\.resourceInfo\.properties\.{path} is a number"):
        read_event(event)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-01T10:00:00Z", datetime(2026, 3, 1, 10, tzinfo=UTC)),
        ("2026-03-01T10:00:00.1234567+00:00", HAPPENED),
        ("2026-03-01T11:00:00.123456+01:00", HAPPENED),
        ("2026-03-01t10:00:00.123456789z", HAPPENED),
        ("2026-03-01T10:00:00.1234567", HAPPENED),
        ("0001-01-01T00:00:00Z", TOLD),
        ("0001-01-01T00:00:00+14:00", TOLD),
        ("9999-12-31T23:59:59-01:00", TOLD),
        ("2026-02-30T10:00:00Z", TOLD),
        ("yesterday", TOLD),
        ("20260301", TOLD),
    ],
)
def test_the_time_of_the_fact_is_preferred_to_the_time_of_the_message(text: str, expected: datetime) -> None:
    """Azure's own forms of a time are read as UTC; where it is none, the envelope's time is taken."""
    event = load("annotated_preempted_cloudevent")
    properties(event)["occurredTime"] = text
    occurred_at = signal(event).occurred_at
    assert occurred_at == expected
    assert occurred_at.tzinfo is UTC


@pytest.mark.parametrize("version", ["1", "1.0", "`1.0", None])
def test_the_cloudevents_version_is_not_looked_at_closely(version: str | None) -> None:
    """Microsoft's own samples spell it differently or leave it out."""
    event = load("annotated_preempted_cloudevent")
    event["specversion"] = version
    assert signal(event).kind is SignalKind.EVICTED


def test_the_word_of_the_other_schema_is_an_unknown_extra_field() -> None:
    """A CloudEvent with a field eventType, and an Event Grid event with a field type, are read by their own word."""
    cloud, grid = load("annotated_preempted_cloudevent"), load("annotated_preempted_eventgrid")
    assert signal(cloud | {"eventType": "x"}) == signal(cloud)
    assert signal(grid | {"type": "x"}) == signal(grid)


@pytest.mark.parametrize("sequence", [None, True, -1, 1.5, "3", float("nan"), b"bytes"])
def test_a_follow_up_without_its_number_is_refused(sequence: object) -> None:
    """A follow-up that cannot be told from a stale one is not followed."""
    event = load("follow_up")
    event["data"]["sequence"] = sequence
    with pytest.raises(UnreadableEvent, match=r"data\.sequence"):
        read_event(event)


@pytest.mark.parametrize("name", [*SIGNALS, *REASONS])
@pytest.mark.parametrize("broken", ["time", "id", "none"])
def test_no_text_of_ours_carries_a_persons_data(name: str, broken: str) -> None:
    """Names, addresses and claims of the caller stay out of reasons, refusals and signals."""
    event = load(name)
    if broken == "time":
        event |= {"time": "?", "eventTime": "?"}
    if broken == "id":
        event["subject"] = "?"
        event["data"]["resourceUri"] = "?"
    try:
        text = repr(read_event(event))
    except UnreadableEvent as refused:
        text = str(refused)
    assert not [word for word in ("192.0.2.77", "Made Up", "44444444") if word in text]


def test_a_long_field_is_quoted_only_at_its_beginning() -> None:
    """A log line stays a line."""
    event = load("annotated_preempted_cloudevent")
    properties(event)["annotationName"] = "x" * 9000
    read = read_event(event)
    assert isinstance(read, NotOurs)
    assert len(read.reason) < 400
    properties(event)["annotationName"] = "VirtualMachinePreempted" + "x" * 9000
    assert len(signal(event).detail) == 200
