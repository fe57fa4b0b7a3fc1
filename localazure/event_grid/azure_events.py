"""What happens in the world, as the events that Azure would emit: in Event Grid schema and as CloudEvents 1.0.

Shapes: Microsoft's "Azure Resource Notifications - Health Resources events" and "Azure subscription as an Event Grid
source" (docs/azure-facts.md events-1, events-6). Called by ``service.py``, and in virtual time by
``virtual/event_grid.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from localazure.world.happenings import ActionSucceeded, Annotated, AvailabilityChanged
from localazure.world.timestamps import TENANT_ID, guid, offset_time, zulu_time

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from localazure.world.happenings import Happening

    type JsonObject = dict[str, object]

HEALTH_RESOURCES: Final = "Microsoft.ResourceNotifications.HealthResources"
SUBSCRIPTIONS: Final = "Microsoft.Resources.Subscriptions"

PRIVATE_VALUES: Final = ("Madeupa", "Madeupsson", "203.0.113.77", "made-up-token-fragment")
"""Made-up personal data in every ARM event that has a caller: none of it may ever appear in a log."""


class EventKind(StrEnum):
    """The kinds of event that the world's happenings, and writes of blobs, become."""

    ANNOTATION = "annotation"
    AVAILABILITY = "availability"
    OPERATION = "operation"
    BLOB = "blob"


class DeliverySchema(StrEnum):
    """How an event subscription wants its events written: Azure's own words for ``eventDeliverySchema``."""

    CLOUD_EVENTS = "CloudEventSchemaV1_0"
    EVENT_GRID = "EventGridSchema"


@dataclass(frozen=True, slots=True)
class AzureEvent:
    """An event before it is written in one schema or the other. ``data`` is the same in both."""

    event_id: str
    kind: EventKind
    topic_type: str
    event_type: str
    subject: str
    time: datetime
    data: JsonObject
    data_version: str
    source: str = ""
    """Where it comes from, if not from the subscription that its subject is in."""

    def written(self, schema: DeliverySchema) -> JsonObject:
        """Write the event in a schema."""
        return self._cloud_event() if schema is DeliverySchema.CLOUD_EVENTS else self._event_grid_event()

    @property
    def _source(self) -> str:
        """The subscription, unless it is another: everything of the subject up to and with its second segment."""
        return self.source or "/".join(self.subject.split("/")[:3])

    def _cloud_event(self) -> JsonObject:
        return {
            "id": self.event_id,
            "source": self._source,
            "subject": self.subject,
            "data": self.data,
            "type": self.event_type,
            "specversion": "1.0",
            "time": zulu_time(self.time),
        }

    def _event_grid_event(self) -> JsonObject:
        return {
            "id": self.event_id,
            "topic": self._source,
            "subject": self.subject,
            "data": self.data,
            "eventType": self.event_type,
            "dataVersion": self.data_version,
            "metadataVersion": "1",
            "eventTime": zulu_time(self.time),
        }


def kind_of(happening: Happening) -> EventKind:
    """Say which kind of event a happening becomes."""
    match happening:
        case Annotated():
            return EventKind.ANNOTATION
        case AvailabilityChanged():
            return EventKind.AVAILABILITY
        case ActionSucceeded():
            return EventKind.OPERATION


def azure_event(happening: Happening, event_id: str, emitted_at: datetime) -> AzureEvent:
    """Give the event that Azure emits at ``emitted_at`` for a happening."""
    match happening:
        case Annotated():
            return _annotated(happening, event_id)
        case AvailabilityChanged():
            return _availability_changed(happening, event_id, emitted_at)
        case ActionSucceeded():
            return _action_succeeded(happening, event_id)


# annotationName without a suffix: reason, summary, context, category. The words of reason and summary are published
# for VirtualMachineDeallocationInitiated alone; the others are made up after it (docs/azure-facts.md events-8).
_BY_CUSTOMER: Final = ("Customer Initiated", "Not Applicable")
_ANNOTATION_WORDS: Final[Mapping[str, tuple[str, str, str, str]]] = {
    "VirtualMachinePreempted": (
        "Low priority machine preempted",
        "This virtual machine has been preempted. This low-priority virtual machine is being stopped and deallocated.",
        "Platform Initiated",
        "Unplanned",
    ),
    "VirtualMachineDeallocationInitiated": (
        "Stopping and deallocating",
        "This virtual machine is stopped and deallocated as requested by an authorized user or process.",
        *_BY_CUSTOMER,
    ),
}


def _annotated(happening: Annotated, event_id: str) -> AzureEvent:
    otherwise = (happening.annotation, "Requested by an authorized user or process.", *_BY_CUSTOMER)
    reason, summary, context, category = _ANNOTATION_WORDS.get(happening.annotation, otherwise)
    words: JsonObject = {
        "annotationName": happening.annotation,
        "reason": reason,
        "summary": summary,
        "context": context,
        "category": category,
        "impactType": "Informational",
    }
    data = _health_data(happening, "resourceAnnotations", words, "2022-08-01", event_id)
    event_type = f"{HEALTH_RESOURCES}.ResourceAnnotated"
    return AzureEvent(
        event_id,
        EventKind.ANNOTATION,
        HEALTH_RESOURCES,
        event_type,
        happening.vm_id,
        # Microsoft's samples give an annotation event the time at which it occurred …
        happening.occurred_at,
        data,
        data_version="1",
    )


def _availability_changed(happening: AvailabilityChanged, event_id: str, emitted_at: datetime) -> AzureEvent:
    states: JsonObject = {
        "previousAvailabilityState": happening.previous,
        "availabilityState": happening.current,
    }
    data = _health_data(happening, "availabilityStatuses", states, "2023-12-01", event_id)
    event_type = f"{HEALTH_RESOURCES}.AvailabilityStatusChanged"
    return AzureEvent(
        event_id,
        EventKind.AVAILABILITY,
        HEALTH_RESOURCES,
        event_type,
        happening.vm_id,
        # … and a status event the time at which it was emitted, half a minute after
        # (docs/azure-facts.md events-10).
        emitted_at,
        data,
        data_version="1",
    )


def _health_data(
    happening: Annotated | AvailabilityChanged, resource: str, properties: JsonObject, api_version: str, event_id: str
) -> JsonObject:
    name = guid(resource, event_id)
    return {
        "resourceInfo": {
            "id": f"{happening.vm_id}/providers/Microsoft.ResourceHealth/{resource}/{name}",
            "name": name,
            "type": f"Microsoft.ResourceHealth/{resource}",
            "properties": {
                "targetResourceId": happening.vm_id,
                "targetResourceType": "Microsoft.Compute/virtualMachines",
                "occurredTime": zulu_time(happening.occurred_at),
                **properties,
            },
        },
        "operationalInfo": {"resourceEventTime": offset_time(happening.occurred_at)},
        "apiVersion": api_version,
    }


def _action_succeeded(happening: ActionSucceeded, event_id: str) -> AzureEvent:
    subscription_id = happening.vm_id.split("/")[2]
    data: JsonObject = {
        "authorization": {
            "scope": happening.vm_id,
            "action": happening.operation,
            "evidence": _evidence(happening.caller, subscription_id) if happening.caller else [],
        },
        "claims": _claims(happening.caller) if happening.caller else {},
        "correlationId": guid("correlation", event_id),
        "httpRequest": _http_request(happening, event_id),
        "resourceProvider": "Microsoft.Compute",
        "resourceUri": happening.vm_id,
        "operationName": happening.operation,
        "status": "Succeeded",
        "subscriptionId": subscription_id,
        "tenantId": TENANT_ID,
    }
    return AzureEvent(
        event_id,
        EventKind.OPERATION,
        SUBSCRIPTIONS,
        "Microsoft.Resources.ResourceActionSuccess",
        happening.vm_id,
        happening.occurred_at,
        data,
        data_version="2",
    )


def _evidence(caller: str, subscription_id: str) -> JsonObject:
    return {
        "role": "Contributor",
        "roleAssignmentScope": f"/subscriptions/{subscription_id}",
        "roleAssignmentId": guid("role assignment", caller),
        "roleDefinitionId": guid("role definition", "Contributor"),
        "principalId": guid("principal", caller),
        "principalType": "User" if "@" in caller else "ServicePrincipal",
    }


def _claims(caller: str) -> JsonObject:
    first_name, last_name, address, token = PRIVATE_VALUES
    return {
        "aud": "https://management.azure.com/",
        "aio": token,
        "appid": guid("application", caller),
        "ipaddr": address,
        "name": f"{first_name} {last_name}",
        "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname": first_name,
        "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname": last_name,
        "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn": caller,
        "http://schemas.microsoft.com/identity/claims/objectidentifier": guid("principal", caller),
        "http://schemas.microsoft.com/identity/claims/tenantid": TENANT_ID,
        "ver": "1.0",
    }


def _http_request(happening: ActionSucceeded, event_id: str) -> JsonObject:
    operation = happening.operation.removesuffix("/action").rpartition("/")[2]
    return {
        "clientRequestId": guid("request", event_id),
        "clientIpAddress": PRIVATE_VALUES[2],
        "method": "POST",
        "url": f"https://management.azure.com{happening.vm_id}/{operation}?api-version=2026-04-01",
    }
