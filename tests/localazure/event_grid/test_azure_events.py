"""The events of the laptop Azure: as Microsoft documents them, and as the product reads them."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from localazure.event_grid.azure_events import PRIVATE_VALUES, DeliverySchema, azure_event
from localazure.world.happenings import ActionSucceeded, Annotated, AvailabilityChanged, Happening
from spot_responder.intake.events import read_event
from spot_responder.intake.signals import Signal, SignalKind

SUBSCRIPTION = "/subscriptions/11111111-2222-4333-8444-555555555555"
VM = f"{SUBSCRIPTION}/resourceGroups/rg-batch/providers/Microsoft.Compute/virtualMachines/spot-1"
OCCURRED = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
EMITTED = OCCURRED + timedelta(seconds=27)
OWNER = "owner@example.com"
START = "Microsoft.Compute/virtualMachines/start/action"
SAMPLES = Path(__file__).resolve().parents[4] / "shared" / "samples" / "events"

PREEMPTED = Annotated(VM, OCCURRED, "VirtualMachinePreempted")
UNAVAILABLE = AvailabilityChanged(VM, OCCURRED, "Available", "Unavailable")
STARTED = ActionSucceeded(VM, OCCURRED, START, OWNER)


def _written(happening: Happening, schema: DeliverySchema = DeliverySchema.CLOUD_EVENTS) -> dict[str, object]:
    return azure_event(happening, "event-1", EMITTED).written(schema)


def _paths(value: object, at: str = "") -> set[str]:
    if isinstance(value, list) and len(value) == 1:
        return _paths(value[0], at)
    if isinstance(value, dict):
        return {path for key, inner in value.items() for path in _paths(inner, f"{at}/{key}")}
    return {at}


def test_an_eviction_is_told_as_microsoft_documents_it() -> None:
    """The event that names an eviction has every field of the documented one, with this VM's values."""
    event = _written(PREEMPTED)
    name = event["data"]["resourceInfo"]["name"]  # type: ignore[index]
    assert event == {
        "id": "event-1",
        "source": SUBSCRIPTION,
        "subject": VM,
        "data": {
            "resourceInfo": {
                "id": f"{VM}/providers/Microsoft.ResourceHealth/resourceAnnotations/{name}",
                "name": name,
                "type": "Microsoft.ResourceHealth/resourceAnnotations",
                "properties": {
                    "targetResourceId": VM,
                    "targetResourceType": "Microsoft.Compute/virtualMachines",
                    "occurredTime": "2026-03-01T12:00:00.1234560Z",
                    "annotationName": "VirtualMachinePreempted",
                    "reason": "Low priority machine preempted",
                    "summary": "This virtual machine has been preempted. "
                    "This low-priority virtual machine is being stopped and deallocated.",
                    "context": "Platform Initiated",
                    "category": "Unplanned",
                    "impactType": "Informational",
                },
            },
            "operationalInfo": {"resourceEventTime": "2026-03-01T12:00:00.1234560+00:00"},
            "apiVersion": "2022-08-01",
        },
        "type": "Microsoft.ResourceNotifications.HealthResources.ResourceAnnotated",
        "specversion": "1.0",
        "time": "2026-03-01T12:00:00.1234560Z",
    }


def test_a_lost_vm_is_told_as_unavailable_when_azure_gets_round_to_it() -> None:
    """A status event keeps when it happened, and says when it was emitted."""
    event = _written(UNAVAILABLE, DeliverySchema.EVENT_GRID)
    properties = event["data"]["resourceInfo"]["properties"]  # type: ignore[index]
    assert event["eventType"] == "Microsoft.ResourceNotifications.HealthResources.AvailabilityStatusChanged"
    assert event["eventTime"] == "2026-03-01T12:00:27.1234560Z"
    assert properties["occurredTime"] == "2026-03-01T12:00:00.1234560Z"
    assert (properties["previousAvailabilityState"], properties["availabilityState"]) == ("Available", "Unavailable")


def test_an_operation_says_who_asked_for_it() -> None:
    """An ARM event of an owner's start carries the operation, the VM and its caller's particulars."""
    data = _written(STARTED)["data"]
    assert data["operationName"] == START  # type: ignore[index]
    assert data["resourceUri"] == VM  # type: ignore[index]
    assert data["httpRequest"]["url"].endswith("/virtualMachines/spot-1/start?api-version=2026-04-01")  # type: ignore[index]
    assert all(value in json.dumps(data) for value in (*PRIVATE_VALUES, OWNER))


def test_an_operation_of_the_platform_names_nobody() -> None:
    """Where Azure itself evicted a VM there is no caller, so no claims and no evidence."""
    evicted = ActionSucceeded(VM, OCCURRED, "Microsoft.Compute/virtualMachines/evictSpotVM/action", "")
    data = _written(evicted)["data"]
    assert data["claims"] == {}  # type: ignore[index]
    assert data["authorization"]["evidence"] == []  # type: ignore[index]


@pytest.mark.parametrize("happening", [PREEMPTED, UNAVAILABLE, STARTED])
def test_both_schemas_tell_the_same(happening: Happening) -> None:
    """The two schemas differ in the names on the envelope, and in nothing else."""
    cloud, grid = _written(happening), _written(happening, DeliverySchema.EVENT_GRID)
    assert cloud["data"] == grid["data"]
    assert [cloud[key] for key in ("id", "source", "subject", "type", "time")] == [
        grid[key] for key in ("id", "topic", "subject", "eventType", "eventTime")
    ]


@pytest.mark.parametrize("happening", [PREEMPTED, UNAVAILABLE, STARTED])
def test_times_have_seven_digits(happening: Happening) -> None:
    """Times have seven digits behind the point, which is where many parsers stumble."""
    text = json.dumps(_written(happening))
    assert re.findall(r"T\d\d:\d\d:\d\d\.(\d+)", text)
    assert all(len(digits) == 7 for digits in re.findall(r"T\d\d:\d\d:\d\d\.(\d+)", text))


@pytest.mark.parametrize("schema", list(DeliverySchema))
@pytest.mark.parametrize(
    ("happening", "kind", "time"),
    [
        (PREEMPTED, SignalKind.EVICTED, OCCURRED),
        (Annotated(VM, OCCURRED, "VirtualMachineDeallocationInitiated"), SignalKind.STOPPED_BY_OWNER, OCCURRED),
        (UNAVAILABLE, SignalKind.UNAVAILABLE, OCCURRED),
        (STARTED, SignalKind.STARTED, OCCURRED),
    ],
)
def test_the_product_reads_what_the_laptop_tells(
    happening: Happening, kind: SignalKind, time: datetime, schema: DeliverySchema
) -> None:
    """Each event becomes the right signal about the right VM at the right time, in either schema."""
    signal = read_event(_written(happening, schema))
    assert isinstance(signal, Signal)
    assert (str(signal.vm_id), signal.kind, signal.occurred_at) == (VM, kind, time)
    assert signal.has_caller == isinstance(happening, ActionSucceeded)


@pytest.mark.skipif(not SAMPLES.exists(), reason="the shared samples are not on this machine")
@pytest.mark.parametrize(
    ("happening", "schema", "sample"),
    [
        (PREEMPTED, DeliverySchema.CLOUD_EVENTS, "eg_health_resourceannotated_deallocationinitiated_cloudevents_doc"),
        (PREEMPTED, DeliverySchema.EVENT_GRID, "eg_health_resourceannotated_deallocationinitiated_eventgrid_doc"),
        (UNAVAILABLE, DeliverySchema.CLOUD_EVENTS, "eg_health_availabilitystatuschanged_cloudevents_doc"),
        (UNAVAILABLE, DeliverySchema.EVENT_GRID, "eg_health_availabilitystatuschanged_eventgrid_doc"),
        (STARTED, DeliverySchema.CLOUD_EVENTS, "eg_resources_action_success_cloudevents_doc"),
        (STARTED, DeliverySchema.EVENT_GRID, "eg_resources_action_success_eventgrid_doc"),
    ],
)
def test_no_documented_field_is_missing_and_none_is_invented(
    happening: Happening, schema: DeliverySchema, sample: str
) -> None:
    """Field by field, an event is what Microsoft's sample of it shows; claims differ from caller to caller."""
    documented = _paths(json.loads((SAMPLES / f"{sample}.json").read_text(encoding="utf-8")))
    ours = _paths(_written(happening, schema))
    # The 2024 sample has the impact type, the one of the schema page has not (docs/azure-facts.md events-7).
    optional = {"/data/resourceInfo/properties/impactType"}
    assert {path for path in documented ^ ours if not path.startswith("/data/claims/")} <= optional
