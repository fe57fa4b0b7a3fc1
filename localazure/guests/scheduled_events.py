"""The document of scheduled events that a VM reads from its metadata service, and how it may change. Pure.

Rules and fields: Microsoft's "Scheduled Events for Linux VMs". ``announcements.py`` keeps the documents of a world;
``metadata_answers.py`` shows them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

UNKNOWN_DURATION_S = -1
"""What Azure says where it does not know how long an event will take."""


class EventType(StrEnum):
    """What is going to happen to the VMs that an event names."""

    FREEZE = "Freeze"
    REBOOT = "Reboot"
    REDEPLOY = "Redeploy"
    PREEMPT = "Preempt"
    TERMINATE = "Terminate"
    REBALANCE = "SpotRebalanceRecommendation"


class EventStatus(StrEnum):
    """How far an event is. An event that is over, or was cancelled, is not in the document any more."""

    SCHEDULED = "Scheduled"
    STARTED = "Started"


class EventSource(StrEnum):
    """Who wants it."""

    PLATFORM = "Platform"
    USER = "User"


class EventRefusedError(ValueError):
    """An event may not become what it was to become; the message says why."""


@dataclass(frozen=True, slots=True)
class ScheduledEvent:
    """One event. ``resources``: names of VMs. ``not_before``: when it starts at the latest; ``None`` is not known."""

    event_id: str
    event_type: EventType
    resources: tuple[str, ...]
    not_before: datetime | None
    status: EventStatus = EventStatus.SCHEDULED
    description: str = ""
    source: EventSource = EventSource.PLATFORM
    duration_s: int = UNKNOWN_DURATION_S


@dataclass(frozen=True, slots=True)
class Document:
    """The events of a VM or, in a scale set, of all VMs of its placement group.

    ``incarnation`` rises when ``events`` change, and only then. ``past``: the ids of events that are over.
    """

    incarnation: int = 1
    events: tuple[ScheduledEvent, ...] = ()
    past: frozenset[str] = frozenset()

    def find(self, event_id: str) -> ScheduledEvent | None:
        """Find an event that is not over, by its id in any casing."""
        return next((event for event in self.events if event.event_id.lower() == event_id.lower()), None)


def announced(document: Document, event: ScheduledEvent) -> Document:
    """Add an event.

    Raises:
        EventRefusedError: there is, or was, an event of this id; or it names no VM.
    """
    if document.find(event.event_id) is not None or event.event_id.lower() in document.past:
        message = f"event {event.event_id} was announced before: an event has an id of its own, for good"
        raise EventRefusedError(message)
    if not event.resources:
        message = f"event {event.event_id} names no VM: name one at least"
        raise EventRefusedError(message)
    return _with(document, (*document.events, _as_shown(event)))


def started(document: Document, event_id: str) -> Document:
    """Let a scheduled event start; nothing changes where it has started, or is over."""
    event = document.find(event_id)
    if event is None:
        return document
    now = _as_shown(replace(event, status=EventStatus.STARTED))
    return _with(document, tuple(now if one is event else one for one in document.events))


def removed(document: Document, event_id: str) -> Document:
    """Take an event out: it is over or, where it had not started, cancelled. Nothing changes where there is none."""
    event = document.find(event_id)
    if event is None:
        return document
    left = tuple(one for one in document.events if one is not event)
    return replace(_with(document, left), past=document.past | {event.event_id.lower()})


def _as_shown(event: ScheduledEvent) -> ScheduledEvent:
    """Leave out ``NotBefore`` of what has started."""
    return replace(event, not_before=None) if event.status is EventStatus.STARTED else event


def _with(document: Document, events: tuple[ScheduledEvent, ...]) -> Document:
    if events == document.events:
        return document
    return replace(document, incarnation=document.incarnation + 1, events=events)
