"""The words that stories about the virtual Azure share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.virtual_azure import VirtualAzure

if TYPE_CHECKING:
    from spot_responder.recoveries import Outcome


def starts(azure: VirtualAzure, name: str = "render-1") -> list[str]:
    """Give the times at which starts were asked for, accepted or not."""
    return [f"{call.at:%H:%M:%S}" for call in azure.world.machine(name).start_calls]


def outcomes(azure: VirtualAzure) -> list[Outcome | None]:
    """Give the outcomes that were told."""
    return [recovery.outcome for recovery in azure.outcomes.told]


def preempted(name: str) -> dict[str, object]:
    """Make the event that says that a VM of the world was preempted at ten."""
    vm_id = VirtualAzure().add_vm(name).vm_id
    properties = {
        "targetResourceId": vm_id,
        "annotationName": "VirtualMachinePreempted",
        "occurredTime": "2026-03-02T10:00:00Z",
    }
    return {
        "specversion": "1.0",
        "id": "again",
        "source": "/subscriptions/s",
        "type": "Microsoft.ResourceNotifications.HealthResources.ResourceAnnotated",
        "time": "2026-03-02T10:00:00Z",
        "data": {"resourceInfo": {"properties": properties}},
    }
