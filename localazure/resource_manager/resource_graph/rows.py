"""The world as rows of Resource Graph's tables. Called by ``service.py`` and ``tables.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from localazure.resource_manager.compute.vm_bodies import extended_properties, principal_of
from localazure.world.timestamps import TENANT_ID, zulu_time

if TYPE_CHECKING:
    from localazure.world.machines import Condition, Machine
    from localazure.world.state import ScaleSet

COLUMNS: Final = {
    "id": "VARCHAR",
    "name": "VARCHAR",
    "type": "VARCHAR",
    "tenantId": "VARCHAR",
    "kind": "VARCHAR",
    "location": "VARCHAR",
    "resourceGroup": "VARCHAR",
    "subscriptionId": "VARCHAR",
    "managedBy": "VARCHAR",
    "sku": "JSON",
    "plan": "JSON",
    "properties": "JSON",
    "tags": "JSON",
    "identity": "JSON",
    "zones": "JSON",
    "extendedLocation": "JSON",
}
"""Columns of every table, in order, with DuckDB's types; JSON is what Kusto calls dynamic."""

VMS: Final = "microsoft.compute/virtualmachines"
SCALE_SETS: Final = "microsoft.compute/virtualmachinescalesets"
ANNOTATIONS: Final = "microsoft.resourcehealth/resourceannotations"
AVAILABILITY: Final = "microsoft.resourcehealth/availabilitystatuses"

READ_ACTIONS: Final = {
    VMS: "Microsoft.Compute/virtualMachines/read",
    SCALE_SETS: "Microsoft.Compute/virtualMachineScaleSets/read",
    # Azure has no operation of this name, so no role can name it: only a wildcard covers it. That rows of each health
    # type need a read of that very type is an assumption (R3).
    ANNOTATIONS: "Microsoft.ResourceHealth/resourceAnnotations/read",
    AVAILABILITY: "Microsoft.ResourceHealth/availabilityStatuses/read",
}
"""The action that lets a principal see rows of a type. Rows it may not read are left out silently."""

_TEXTS: Final = {
    "VirtualMachinePreempted": ("Unplanned", "Platform Initiated", "Preempted", "This virtual machine was preempted."),
    "VirtualMachineDeallocationInitiated": (
        "Not Applicable",
        "Customer Initiated",
        "Stopping and deallocating",
        "This virtual machine is stopped and deallocated as requested by an authorized user or process.",
    ),
    "VirtualMachineStopInitiatedByControlPlane": (
        "Not Applicable",
        "Customer Initiated",
        "Stopping",
        "This virtual machine is stopping as requested by an authorized user or process.",
    ),
    "VirtualMachineRestarted": (
        "Not Applicable",
        "Customer Initiated",
        "Restarting",
        "This virtual machine is restarting as requested by an authorized user or process.",
    ),
    "VirtualMachineStartInitiatedByControlPlane": (
        "Not Applicable",
        "Customer Initiated",
        "Starting",
        "This virtual machine is starting as requested by an authorized user or process.",
    ),
    "VirtualMachineAllocated": (
        "Not Applicable",
        "Customer Initiated",
        "Allocated",
        "This virtual machine is being set up as requested by an authorized user or process.",
    ),
}

type Row = dict[str, object]


def vm_row(machine: Machine, condition: Condition) -> Row:
    """Give the row of a VM in ``resources``."""
    row = _row(
        machine.vm_id,
        machine.name,
        VMS,
        machine,
        extended_properties(machine, condition),
        tags=dict(condition.tags),
        zones=[machine.zone] if machine.zone else None,
    )
    identity = {"principalId": principal_of(machine), "tenantId": TENANT_ID, "type": "SystemAssigned"}
    return row | {"identity": identity}


def scale_set_row(scale_set: ScaleSet) -> Row:
    """Give the row of a scale set in ``resources``."""
    properties: dict[str, object] = {
        "orchestrationMode": "Flexible",
        "provisioningState": "Succeeded",
        "spotRestorePolicy": {"enabled": scale_set.restore_policy},
    }
    return _row(scale_set.scale_set_id, scale_set.name, SCALE_SETS, scale_set, properties)


def annotation_rows(machine: Machine, condition: Condition) -> list[Row]:
    """Give the row of the newest annotation in ``healthresources``: Azure keeps no older one there."""
    annotation = condition.annotation
    if annotation is None:
        return []
    category, context, reason, summary = _TEXTS[annotation.name]
    properties = _target(machine) | {
        "annotationName": annotation.name,
        "occurredTime": zulu_time(annotation.occurred_at),
        "category": category,
        "context": context,
        "reason": reason,
        "summary": summary,
    }
    return [_health_row(machine, "resourceAnnotations", ANNOTATIONS, properties)]


def availability_row(machine: Machine, condition: Condition) -> Row:
    """Give the row of the availability state in ``healthresources``."""
    properties = _target(machine) | {
        "previousAvailabilityState": condition.availability.previous,
        "occurredTime": zulu_time(condition.availability.occurred_at),
        "availabilityState": condition.availability.state,
    }
    return _health_row(machine, "availabilityStatuses", AVAILABILITY, properties)


def _target(machine: Machine) -> dict[str, object]:
    return {"targetResourceType": "Microsoft.Compute/virtualMachines", "targetResourceId": machine.vm_id}


def _health_row(machine: Machine, segment: str, kind: str, properties: dict[str, object]) -> Row:
    row_id = f"{machine.vm_id}/providers/Microsoft.ResourceHealth/{segment}/current"
    return _row(row_id, "current", kind, machine, properties)


def _row(  # noqa: PLR0913 - the columns that differ from row to row
    row_id: str,
    name: str,
    kind: str,
    place: Machine | ScaleSet,
    properties: dict[str, object],
    *,
    tags: dict[str, str] | None = None,
    zones: list[str] | None = None,
) -> Row:
    filled: Row = {
        "id": row_id,
        "name": name,
        "type": kind,
        "tenantId": TENANT_ID,
        "location": place.location,
        "resourceGroup": place.resource_group.lower(),
        "subscriptionId": place.subscription_id,
        "properties": properties,
        "tags": tags,
        "zones": zones,
    }
    return {column: filled.get(column, "" if kind == "VARCHAR" else None) for column, kind in COLUMNS.items()}
