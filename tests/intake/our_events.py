"""Our own payloads of events, with what each is to be read as."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from spot_responder.intake.payloads import parse_body
from spot_responder.intake.signals import Signal, SignalKind, Source
from spot_responder.intake.vms import VmId

EVENTS = Path(__file__).parents[1] / "payloads" / "events"
VM = VmId(
    "11111111-aaaa-4bbb-8ccc-222222222222",
    "rg-batch",
    "spot-01",
)
HAPPENED = datetime(2026, 3, 1, 10, 0, 0, 123456, UTC)
TOLD = datetime(2026, 3, 1, 10, 0, 2, tzinfo=UTC)
TOLD_GRID = datetime(2026, 3, 1, 10, 0, 2, 765432, UTC)
COMPUTE = "Microsoft.Compute/virtualMachines"

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
        caller="44444444000040008000000000000001",
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
        caller="44444444000040008000000000000001",
    ),
    "scheduled_preempt_eventgrid": Signal(
        VM, SignalKind.EVICTION_NOTICED, TOLD_GRID, Source.SCHEDULED_EVENT, "Preempt"
    ),
    "scheduled_preempt_completed_cloudevent": Signal(VM, SignalKind.EVICTED, TOLD, Source.SCHEDULED_EVENT, "Preempt"),
    "follow_up": Signal(VM, SignalKind.FOLLOW_UP, TOLD, Source.FOLLOW_UP, "", sequence=3),
    "sweep_found": Signal(VM, SignalKind.SWEEP_FOUND, TOLD, Source.SWEEP, ""),
    "operator_asked": Signal(VM, SignalKind.OPERATOR_ASKED, TOLD, Source.OPERATOR, ""),
    "work_waits": Signal(VM, SignalKind.WORK_WAITS, TOLD, Source.WORK_QUEUE, ""),
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
