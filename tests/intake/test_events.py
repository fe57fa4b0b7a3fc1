"""What the responder makes of each message that may reach it."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_responder.intake.events import kind_of_annotation, read_event
from spot_responder.intake.own_messages import follow_up_event, sweep_found_event
from spot_responder.intake.payloads import NotOurs, UnreadableEvent, parse_body
from spot_responder.intake.signals import Signal, SignalKind, Source
from spot_responder.intake.vms import VmId

EVENTS = Path(__file__).parents[1] / "payloads" / "events"
SHARED = Path(__file__).parents[3] / "shared" / "samples"
VM = VmId(
    "11111111-aaaa-4bbb-8ccc-222222222222",
    "rg-batch",
    "spot-01",
)
HAPPENED = datetime(2026, 3, 1, 10, 0, 0, 123456, UTC)
TOLD = datetime(2026, 3, 1, 10, 0, 2, tzinfo=UTC)
TOLD_GRID = datetime(2026, 3, 1, 10, 0, 2, 765432, UTC)
COMPUTE = "Microsoft.Compute/virtualMachines"
NOT_OURS = "not ours"
REFUSED = "refused"

SIGNALS = {
    "annotated_preempted_cloudevent": Signal(
        VM, SignalKind.EVICTED, HAPPENED, Source.HEALTH_ANNOTATION, "VirtualMachinePreempted"
    ),
    "annotated_preempted_eventgrid": Signal(
        VM, SignalKind.EVICTED, HAPPENED, Source.HEALTH_ANNOTATION, "VirtualMachinePreempted"
    ),
    "annotated_preempted_occured": Signal(
        VM, SignalKind.EVICTED, HAPPENED, Source.HEALTH_ANNOTATION, "VirtualMachinePreempted"
    ),
    "annotated_preempted_without_time": Signal(
        VM, SignalKind.EVICTED, None, Source.HEALTH_ANNOTATION, "VirtualMachinePreempted"
    ),
    "annotated_deallocation_long_subject": Signal(
        VM, SignalKind.STOPPED_BY_OWNER, HAPPENED, Source.HEALTH_ANNOTATION, "VirtualMachineDeallocationInitiated"
    ),
    "annotated_start_eventgrid": Signal(
        VM, SignalKind.STARTED, HAPPENED, Source.HEALTH_ANNOTATION, "VirtualMachineStartInitiatedByControlPlane"
    ),
    "availability_unavailable_cloudevent": Signal(
        VM,
        SignalKind.UNAVAILABLE,
        datetime(2026, 3, 1, 10, 0, 1, 500000, UTC),
        Source.AVAILABILITY_STATUS,
        "Unavailable",
    ),
    "availability_available_eventgrid": Signal(
        VM, SignalKind.STARTED, HAPPENED, Source.AVAILABILITY_STATUS, "Available"
    ),
    "availability_preview_name": Signal(
        VM, SignalKind.UNAVAILABLE, HAPPENED, Source.AVAILABILITY_STATUS, "Unavailable"
    ),
    "action_deallocate_eventgrid": Signal(
        VM,
        SignalKind.STOPPED_BY_OWNER,
        TOLD_GRID,
        Source.ARM_OPERATION,
        f"{COMPUTE}/deallocate/action",
        has_caller=True,
    ),
    "action_start_cloudevent": Signal(VM, SignalKind.STARTED, TOLD, Source.ARM_OPERATION, f"{COMPUTE}/start/action"),
    "action_evict_spot_vm_cloudevent": Signal(
        VM, SignalKind.EVICTED, TOLD, Source.ARM_OPERATION, f"{COMPUTE}/evictSpotVM/action"
    ),
    "action_simulate_eviction_eventgrid": Signal(
        VM,
        SignalKind.EVICTION_NOTICED,
        TOLD_GRID,
        Source.ARM_OPERATION,
        f"{COMPUTE}/simulateEviction/action",
        has_caller=True,
    ),
    "scheduled_preempt_eventgrid": Signal(
        VM, SignalKind.EVICTION_NOTICED, TOLD_GRID, Source.SCHEDULED_EVENT, "Preempt"
    ),
    "scheduled_preempt_completed_cloudevent": Signal(VM, SignalKind.EVICTED, TOLD, Source.SCHEDULED_EVENT, "Preempt"),
    "follow_up": Signal(VM, SignalKind.FOLLOW_UP, TOLD, Source.FOLLOW_UP, "", sequence=3),
    "sweep_found": Signal(VM, SignalKind.SWEEP_FOUND, TOLD, Source.SWEEP, ""),
    "operator_asked": Signal(VM, SignalKind.OPERATOR_ASKED, TOLD, Source.OPERATOR, ""),
}
REASONS = {
    "annotated_reboot_cloudevent": "VirtualMachineRebootInitiatedByControlPlane",
    "availability_unknown_cloudevent": "Unknown",
    "action_other_resource_eventgrid": "not the id of a virtual machine",
    "write_success_vm_eventgrid": "ResourceWriteSuccess",
    "scheduled_freeze_eventgrid": "Freeze",
    "scheduled_preempt_scale_set_eventgrid": "not the id of a virtual machine",
    "scheduled_managed_cluster_eventgrid": "ManagedCluster",
    "resources_created_or_updated_cloudevent": "CreatedOrUpdated",
    "subscription_validation_eventgrid": "SubscriptionValidationEvent",
    "dead_letter_cloudevent": "fooEventType",
}
REFUSALS = {
    "bad_annotated_at_no_time": "the event's time is 'some day'",
    "bad_availability_without_vm": "the VM's id is",
    "bad_imds_document": "an IMDS Scheduled Events document",
    "bad_activity_log_record": "an Activity Log record",
    "bad_activity_log_records": "an Activity Log record",
    "bad_monitor_alert": "an Azure Monitor alert",
    "bad_webhook_alert": "an Azure Monitor alert",
    "bad_validation_response": "neither 'type' nor 'eventType'",
}


def load(name: str) -> dict[str, Any]:
    """Read one of our own fixtures."""
    return dict(parse_body((EVENTS / f"{name}.json").read_bytes()))


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
@pytest.mark.parametrize("name", ["annotated_preempted_cloudevent", "follow_up", "sweep_found", "operator_asked"])
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


SHARED_EVENTS = {
    "arm/events/activitylog_real_eviction_operation_names.reported": REFUSED,
    "arm/events/activitylog_simulate_eviction.reported": REFUSED,
    "arm/events/resource_annotated_cloudevent.docs": SignalKind.STOPPED_BY_OWNER,
    "arm/events/resource_annotated_eventgrid.docs": SignalKind.STOPPED_BY_OWNER,
    "events/activitylog_administrative_nsg_write_doc": REFUSED,
    "events/activitylog_eventhub_vm_deallocate_success_REAL_2023_redacted": REFUSED,
    "events/activitylog_portal_timeline_of_one_spot_eviction_REAL_2021": REFUSED,
    "events/activitylog_resourcehealth_spot_preempted_REAL_2021": REFUSED,
    "events/activitylog_resourcehealth_spot_preempted_loganalytics_rows_REAL_2021": REFUSED,
    "events/activitylog_resourcehealth_vm_unavailable_doc": REFUSED,
    "events/activitylog_vmss_simulateeviction_REAL_2024_excerpt": REFUSED,
    "events/alert_common_activitylog_administrative_vm_restart_doc": REFUSED,
    "events/alert_common_envelope_metric_doc": REFUSED,
    "events/alert_common_envelope_resourcehealth_thirdparty_2026": REFUSED,
    "events/alert_common_resourcehealth_vm_deallocated_by_user_doc": REFUSED,
    "events/alert_webhook_activitylog_vm_deallocate_doc_2018": REFUSED,
    "events/alert_webhook_activitylog_vm_start_started_2017_redacted": REFUSED,
    "events/alert_webhook_resourcehealth_vm_unavailable_doc_tail_cut": REFUSED,
    "events/eg_arn_resources_createdorupdated_cloudevents_doc": NOT_OURS,
    "events/eg_arn_resources_createdorupdated_eventgrid_doc": NOT_OURS,
    "events/eg_arn_resources_deleted_cloudevents_doc": NOT_OURS,
    "events/eg_arn_resources_deleted_eventgrid_doc": NOT_OURS,
    "events/eg_deadletter_cloudevents_doc": NOT_OURS,
    "events/eg_deadletter_eventgrid_schema_doc": NOT_OURS,
    "events/eg_health_availability_flash_doc_2022_repaired": REFUSED,  # its ids are blanked
    "events/eg_health_availabilitystatuschanged_cloudevents_doc": SignalKind.STARTED,
    "events/eg_health_availabilitystatuschanged_cloudevents_doc_2023-09_longsubject": SignalKind.STARTED,
    "events/eg_health_availabilitystatuschanged_eventgrid_doc": SignalKind.STARTED,
    "events/eg_health_availabilitystatuschanged_eventgrid_doc_2023-09_longsubject": SignalKind.STARTED,
    "events/eg_health_availabilitystatuschanged_unavailable_cloudevents_monitoralerts_doc": SignalKind.UNAVAILABLE,
    "events/eg_health_resourceannotated_cloudevents_doc_2023-09_longsubject": SignalKind.STOPPED_BY_OWNER,
    "events/eg_health_resourceannotated_deallocationinitiated_cloudevents_doc": SignalKind.STOPPED_BY_OWNER,
    "events/eg_health_resourceannotated_deallocationinitiated_eventgrid_doc": SignalKind.STOPPED_BY_OWNER,
    "events/eg_health_resourceannotated_eventgrid_doc_2023-09_longsubject": SignalKind.STOPPED_BY_OWNER,
    "events/eg_health_resourceannotated_preempted_thirdparty_fixture_runnerscout": SignalKind.EVICTED,
    "events/eg_health_resourceannotated_rebootbycontrolplane_cloudevents_monitoralerts_doc": NOT_OURS,
    "events/eg_maintenance_scheduledeventemitted_aks_doc_2024_excerpt": NOT_OURS,
    "events/eg_maintenance_scheduledeventemitted_vm_freeze_completed_eventgrid_thirdparty_2024": NOT_OURS,
    "events/eg_maintenance_scheduledeventemitted_vmss_freeze_eventgrid_doc": NOT_OURS,
    "events/eg_resources_action_success_cloudevents_doc": NOT_OURS,
    "events/eg_resources_action_success_eventgrid_doc": NOT_OURS,
    "events/eg_resources_delete_success_cloudevents_doc": NOT_OURS,
    "events/eg_resources_delete_success_eventgrid_doc": NOT_OURS,
    "events/eg_resources_vm_write_success_eventgrid_real_gist_2018_tail_cut": NOT_OURS,
    "events/eg_resources_write_success_cloudevents_doc": NOT_OURS,
    "events/eg_resources_write_success_eventgrid_doc": NOT_OURS,
    "events/eg_subscription_validation_request_doc": NOT_OURS,
    "events/eg_subscription_validation_response_doc": REFUSED,
    "events/imds_scheduledevents_freeze_started_aks_issue_2023": REFUSED,
    "events/reference_vm_health_annotations_2026-03-18": REFUSED,
}


def outcome(text: bytes) -> str:
    """Say in one word what is made of a payload."""
    try:
        read = read_event(parse_body(text))
    except UnreadableEvent:
        return REFUSED
    return NOT_OURS if isinstance(read, NotOurs) else read.kind


@pytest.mark.skipif(not SHARED.is_dir(), reason="the collected samples (../shared/samples) are not on this machine")
def test_every_collected_sample_is_read_rightly_or_refused() -> None:
    """What was collected about Azure, file by file."""
    files = [*SHARED.glob("events/*.json"), *SHARED.glob("arm/events/*.json")]
    read = {str(file.relative_to(SHARED).with_suffix("")): outcome(file.read_bytes()) for file in files}
    assert read == SHARED_EVENTS
