"""Events of Azure and the app's own messages, read into signals. Pure.

Event Grid schema (``eventType``, ``eventTime``, ``topic``) and CloudEvents 1.0 (``type``, ``time``, ``source``) carry
the same ``data``, so both are read alike. Names are compared without regard to case: Azure's spelling differs from
event to event (docs/azure-facts.md events-2). Messages quote only the field concerned, since events carry personal
names and IP addresses.

Called by ``inboxes.py`` for each message of the queue ``signals``, and by ``commands/read.py``; ``responder/gather.py``
goes on with the signal.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from spot_responder.intake.agent_reports import is_agents_type
from spot_responder.intake.own_messages import (
    FOLLOW_UP_TYPE,
    OPERATOR_ASKED_TYPE,
    SWEEP_FOUND_TYPE,
    WORK_WAITS_TYPE,
)
from spot_responder.intake.payloads import (
    NotOurs,
    cut,
    envelope_time,
    field,
    lookalike,
    moment,
    needed_text,
    plain_guid,
    quote,
    refuse,
    text_field,
    type_of,
    vm_or_not_ours,
)
from spot_responder.intake.signals import Signal, SignalKind, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


_EVICTED, _NOTICED, _UNAVAILABLE = SignalKind.EVICTED, SignalKind.EVICTION_NOTICED, SignalKind.UNAVAILABLE
_STOPPED, _STARTED = SignalKind.STOPPED_BY_OWNER, SignalKind.STARTED

# Where Azure has begun to append suffixes ("…TrackingId"), the prefix counts: docs/azure-facts.md events-8.
_ANNOTATIONS: Final = (
    (re.compile("virtualmachinepreempted.*", re.IGNORECASE | re.DOTALL), _EVICTED),
    (re.compile("virtualmachinestopinitiatedbycontrolplane.*", re.IGNORECASE | re.DOTALL), _STOPPED),
    (re.compile("virtualmachinedeallocationinitiated|virtualmachinestoppedinternally", re.IGNORECASE), _STOPPED),
    (re.compile("virtualmachinestartinitiatedbycontrolplane.*", re.IGNORECASE | re.DOTALL), _STARTED),
    (re.compile("virtualmachineallocated", re.IGNORECASE), _STARTED),
)
_STATES: Final = {"unavailable": _UNAVAILABLE, "available": _STARTED}
_OPERATIONS: Final = {
    "microsoft.compute/virtualmachines/start/action": _STARTED,
    "microsoft.compute/virtualmachines/deallocate/action": _STOPPED,
    "microsoft.compute/virtualmachines/poweroff/action": _STOPPED,
    # Accepted, not evicted: the eviction may come up to 30 minutes later (docs/azure-facts.md events-3).
    "microsoft.compute/virtualmachines/simulateeviction/action": _NOTICED,
}
_PREEMPT_STATUSES: Final = {"scheduled": _NOTICED, "started": _NOTICED, "completed": _EVICTED}
_OBJECT_ID: Final = "http://schemas.microsoft.com/identity/claims/objectidentifier"
_PRINCIPAL_CLAIMS: Final = (
    "appid",
    "oid",
    "upn",
    "name",
    _OBJECT_ID,
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn",
)
_OTHER_ARM_EVENT: Final = re.compile(
    r"microsoft\.resources\.resource(write|delete|action)(success|failure|cancel)", re.IGNORECASE
)


def read_event(event: Mapping[str, object]) -> Signal | NotOurs:
    """Read an event of either schema, and say why where it is not for the app.

    Raises:
        UnreadableEvent: not an Event Grid event, or of a type that is read and without a VM or a valid time.
    """
    type_name = type_of(event)
    reader = _READERS.get(type_name.lower())
    if reader is not None:
        return reader(event)
    _refuse_other_shapes(event, type_name)
    if is_agents_type(type_name):
        return NotOurs(f"{quote(type_name)} is an agent's word, which is taken from the queue agents only.")
    if _OTHER_ARM_EVENT.fullmatch(type_name):
        return NotOurs(f"{quote(type_name)} says nothing about a VM being stopped, started or evicted.")
    return NotOurs(f"Events of type {quote(type_name)} ask nothing of us.")


def kind_of_annotation(name: str) -> SignalKind | None:
    """Say what a Resource Health annotation means; ``None`` where Azure heals the VM by itself."""
    return next((kind for pattern, kind in _ANNOTATIONS if pattern.fullmatch(name)), None)


def _read_annotation(event: Mapping[str, object]) -> Signal | NotOurs:
    """Read why Resource Health says a VM's availability changed (docs/azure-facts.md events-7).

    {"type": "Microsoft.ResourceNotifications.HealthResources.ResourceAnnotated", "time": "2026-03-01T10:00:02Z",
     "data": {"resourceInfo": {"properties": {"targetResourceId": "/subscriptions/…/virtualMachines/vm1",
       "occurredTime": "2026-03-01T10:00:00.1234567Z", "annotationName": "VirtualMachinePreempted"}}}}
    """
    name = needed_text(event, "data", "resourceInfo", "properties", "annotationName")
    kind = kind_of_annotation(name)
    if kind is None:
        return NotOurs(f"Annotation {quote(name)} is none of ours: Azure heals the VM by itself.")
    return _health_signal(event, kind, Source.HEALTH_ANNOTATION, name)


def _read_availability(event: Mapping[str, object]) -> Signal | NotOurs:
    """Read that a VM became available or unavailable; the event has no word on why (docs/azure-facts.md events-11).

    {"type": "Microsoft.ResourceNotifications.HealthResources.AvailabilityStatusChanged", "time": "…",
     "data": {"resourceInfo": {"properties": {"targetResourceId": "…", "occurredTime": "…",
       "previousAvailabilityState": "Available", "availabilityState": "Unavailable"}}}}
    """
    state = needed_text(event, "data", "resourceInfo", "properties", "availabilityState")
    kind = _STATES.get(state.lower())
    if kind is None:
        return NotOurs(f"Availability state {quote(state)} does not say that the VM is down or up.")
    return _health_signal(event, kind, Source.AVAILABILITY_STATUS, state)


def _health_signal(event: Mapping[str, object], kind: SignalKind, source: Source, detail: str) -> Signal | NotOurs:
    info = field(event, "data", "resourceInfo")
    vm = vm_or_not_ours(
        text_field(info, "properties", "targetResourceId"), text_field(info, "id"), text_field(event, "subject")
    )
    if isinstance(vm, NotOurs):
        return vm
    # Resource Health's API spells it with one r, and events with that spelling were reported.
    spellings = (text_field(info, "properties", name) for name in ("occurredTime", "occuredTime"))
    occurred_at = next(filter(None, map(moment, spellings)), None) or envelope_time(event)
    return Signal(vm, kind, occurred_at, source, cut(detail))


def _read_action(event: Mapping[str, object]) -> Signal | NotOurs:
    """Read that an operation sent to ARM ended well (docs/azure-facts.md events-1).

    {"eventType": "Microsoft.Resources.ResourceActionSuccess", "eventTime": "…", "subject": "/subscriptions/…",
     "data": {"resourceUri": "/subscriptions/…/virtualMachines/vm1", "claims": {"appid": "…"},
       "operationName": "Microsoft.Compute/virtualMachines/deallocate/action"}}
    """
    vm = vm_or_not_ours(text_field(event, "data", "resourceUri"), text_field(event, "subject"))
    if isinstance(vm, NotOurs):
        return vm
    operation = needed_text(event, "data", "operationName")
    # The whole name that a stand-alone VM's eviction gets is not known: docs/azure-facts.md events-5.
    kind = _EVICTED if "evictspotvm" in operation.lower() else _OPERATIONS.get(operation.lower())
    if kind is None:
        return NotOurs(f"Operation {quote(operation)} neither stops, starts nor evicts a VM.")
    data = field(event, "data")
    called, caller = _has_caller(data), _caller(data)
    return Signal(
        vm, kind, envelope_time(event), Source.ARM_OPERATION, cut(operation), has_caller=called, caller=caller
    )


def _has_caller(data: object) -> bool:
    claims = field(data, "claims")
    named = [text_field(claims, name) for name in _PRINCIPAL_CLAIMS]
    return any(named) or bool(text_field(data, "authorization", "evidence", "principalId"))


def _caller(data: object) -> str | None:
    """Give the id of the principal that called, if the event has it."""
    claims = field(data, "claims")
    ids = (text_field(claims, _OBJECT_ID), text_field(claims, "oid"))
    caller = next(filter(None, ids), None) or text_field(data, "authorization", "evidence", "principalId")
    return plain_guid(caller) if caller else None


def _read_scheduled_event(event: Mapping[str, object]) -> Signal | NotOurs:
    """Read a notice of maintenance; ``Preempt`` is an eviction to come (docs/azure-facts.md events-12).

    {"eventType": "Microsoft.ResourceNotifications.MaintenanceResources.ScheduledEventEmitted", "eventTime": "…",
     "data": {"resourceInfo": {"id": "…/virtualMachines/vm1/providers/microsoft.maintenance/scheduledevents/…",
       "properties": {"EventType": "Preempt", "EventStatus": "Scheduled", "ResourceType": "VirtualMachine"}}}}
    """
    info = field(event, "data", "resourceInfo")
    resource_type = text_field(info, "properties", "ResourceType")
    if resource_type and resource_type.lower() != "virtualmachine":
        return NotOurs(f"The scheduled event is for a {quote(resource_type)}, not for a virtual machine.")
    event_type = needed_text(event, "data", "resourceInfo", "properties", "EventType")
    if event_type.lower() != "preempt":
        return NotOurs(f"Scheduled event {quote(event_type)} is no eviction: Azure brings the VM back by itself.")
    status = needed_text(event, "data", "resourceInfo", "properties", "EventStatus")
    kind = _PREEMPT_STATUSES.get(status.lower())
    if kind is None:
        return NotOurs(f"A Preempt event with status {quote(status)} evicts nothing.")
    vm = vm_or_not_ours(text_field(info, "id"), text_field(event, "subject"))
    if isinstance(vm, NotOurs):
        return vm
    return Signal(vm, kind, envelope_time(event), Source.SCHEDULED_EVENT, cut(event_type))


def _read_follow_up(event: Mapping[str, object]) -> Signal | NotOurs:
    """Read the app's own message: look at a recovery again.

    {"type": "SpotResponder.FollowUp", "time": "…", "subject": "…", "data": {"vmId": "…", "sequence": 3}}
    """
    sequence = field(event, "data", "sequence")
    if not isinstance(sequence, int) or isinstance(sequence, bool) or sequence < 0:
        refuse(f"data.sequence of a follow-up is {quote(sequence)}; expected an integer of 0 or more")
    vm = vm_or_not_ours(text_field(event, "data", "vmId"), text_field(event, "subject"))
    if isinstance(vm, NotOurs):
        return vm
    return Signal(vm, SignalKind.FOLLOW_UP, envelope_time(event), Source.FOLLOW_UP, "", sequence=sequence)


def _read_sweep_found(event: Mapping[str, object]) -> Signal | NotOurs:
    """Read the app's own message: the sweep found a VM that no event reported. See ``_hint``."""
    return _hint(event, SignalKind.SWEEP_FOUND, Source.SWEEP)


def _read_operator_asked(event: Mapping[str, object]) -> Signal | NotOurs:
    """Read an operator's message: look at this VM now, without waiting for its follow-up. See ``_hint``."""
    return _hint(event, SignalKind.OPERATOR_ASKED, Source.OPERATOR)


def _read_work_waits(event: Mapping[str, object]) -> Signal | NotOurs:
    """Read the app's own message: a work queue asks for this VM. See ``_hint``."""
    return _hint(event, SignalKind.WORK_WAITS, Source.WORK_QUEUE)


def _hint(event: Mapping[str, object], kind: SignalKind, source: Source) -> Signal | NotOurs:
    """Read a message that has nothing but a VM's id.

    {"type": "SpotResponder.SweepFound", "time": "…", "subject": "…", "data": {"vmId": "…"}}
    """
    vm = vm_or_not_ours(text_field(event, "data", "vmId"), text_field(event, "subject"))
    return vm if isinstance(vm, NotOurs) else Signal(vm, kind, envelope_time(event), source, "")


def _refuse_other_shapes(event: Mapping[str, object], type_name: str) -> None:
    seems = lookalike(event)
    if seems:
        refuse(f"this seems to be {seems}; expected an Event Grid event (Event Grid schema or CloudEvents 1.0)")
    if not type_name:
        refuse("the event has neither 'type' nor 'eventType'; expected an Event Grid event")
    if not any(text_field(event, name) for name in ("source", "topic", "subject")):
        refuse(f"the event of type {quote(type_name)} has no source, topic or subject; expected an Event Grid event")


_HEALTH: Final = "microsoft.resourcenotifications.healthresources."
_READERS: Final[Mapping[str, Callable[[Mapping[str, object]], Signal | NotOurs]]] = {
    f"{_HEALTH}resourceannotated": _read_annotation,
    f"{_HEALTH}availabilitystatuschanged": _read_availability,
    f"{_HEALTH}availabilitystatuseschanged": _read_availability,  # its name in the preview of 2022
    "microsoft.resources.resourceactionsuccess": _read_action,
    "microsoft.resourcenotifications.maintenanceresources.scheduledeventemitted": _read_scheduled_event,
    FOLLOW_UP_TYPE.lower(): _read_follow_up,
    SWEEP_FOUND_TYPE.lower(): _read_sweep_found,
    OPERATOR_ASKED_TYPE.lower(): _read_operator_asked,
    WORK_WAITS_TYPE.lower(): _read_work_waits,
}
