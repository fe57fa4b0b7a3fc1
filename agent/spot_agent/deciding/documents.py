"""The scheduled-events document of the metadata service, read into events.

Called by ``edges/metadata.py``; ``notices.py`` decides what an event is to us. Field rules: Microsoft's "Azure Metadata
Service: Scheduled Events for Linux VMs".
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from spot_agent.deciding.times import read_time

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


class EventType(str, Enum):
    """What is going to happen to the VM, in Azure's words. ``UNKNOWN`` is any word that Azure may add."""

    PREEMPT = "Preempt"
    REBALANCE = "SpotRebalanceRecommendation"
    TERMINATE = "Terminate"
    REBOOT = "Reboot"
    REDEPLOY = "Redeploy"
    FREEZE = "Freeze"
    UNKNOWN = "Unknown"

    @property
    def is_eviction(self) -> bool:
        """Whether Azure takes the VM: it may come seconds after its notice, without a shutdown."""
        return self is EventType.PREEMPT


@dataclass(frozen=True)
class ScheduledEvent:
    """One event. ``type_name`` is Azure's word even if we do not know it; ``not_before`` is empty once it started.

    ``duration_s``: how long the VM stands still, ``-1`` if Azure does not say.
    """

    id: str
    type: EventType
    type_name: str
    is_started: bool
    not_before: datetime | None
    resources: tuple[str, ...]
    source: str
    duration_s: float

    @property
    def status(self) -> str:
        """Azure's word for where the event is."""
        return "Started" if self.is_started else "Scheduled"


@dataclass(frozen=True)
class Document:
    """All events at one time. ``unreadable`` says what was left out: an absent event may be among those."""

    events: tuple[ScheduledEvent, ...]
    unreadable: tuple[str, ...] = ()


class UnreadableDocumentError(ValueError):
    """What answered is no scheduled-events document."""


def read_document(body: bytes) -> Document:
    """Read an answer of the metadata service. Raises ``UnreadableDocumentError``.

    An event that cannot be read hides no other one.
    """
    try:
        written = json.loads(body)
    except (ValueError, RecursionError) as error:
        message = f"not JSON: {body[:80]!r}"
        raise UnreadableDocumentError(message) from error
    events = written.get("Events") if isinstance(written, dict) else None
    if not isinstance(events, list):
        message = f"no list of Events: {body[:80]!r}"
        raise UnreadableDocumentError(message)
    read: dict[str, ScheduledEvent] = {}
    unreadable = []
    for one in events:
        try:
            event = _read_event(one)
        except ValueError as error:  # it hides no other
            unreadable.append(str(error))
        else:
            read.setdefault(event.id.casefold(), event)
    return Document(tuple(read.values()), tuple(unreadable))


def _read_event(written: object) -> ScheduledEvent:
    if not isinstance(written, dict):
        message = f"an event is an object, not {str(written)[:80]!r}"
        raise ValueError(message)  # noqa: TRY004 - one error for all that Azure may send
    event_id, type_name = _text(written, "EventId"), _text(written, "EventType")
    if not event_id or not type_name:
        message = f"an event has an EventId and an EventType: {str(written)[:200]}"
        raise ValueError(message)
    is_started = _text(written, "EventStatus").casefold() == "started"
    return ScheduledEvent(
        id=event_id,
        type=_TYPES.get(type_name.casefold(), EventType.UNKNOWN),
        type_name=type_name,
        is_started=is_started,
        not_before=None if is_started else _not_before(written),
        resources=_resources(written),
        source=_text(written, "EventSource"),
        duration_s=_number(written.get("DurationInSeconds")),
    )


_TYPES = {kind.value.casefold(): kind for kind in EventType}


def _text(written: Mapping[str, Any], name: str) -> str:
    value = written.get(name)
    return value.strip() if isinstance(value, str) else ""


def _not_before(written: Mapping[str, Any]) -> datetime | None:
    """Read when the event may start; a time that cannot be read is as none: an eviction comes all the same."""
    try:
        return read_time(_text(written, "NotBefore"))
    except ValueError:
        return None


def _resources(written: Mapping[str, Any]) -> tuple[str, ...]:
    named = written.get("Resources")
    if not isinstance(named, list):
        message = f"an event has a list of Resources: {str(written)[:200]}"
        raise ValueError(message)  # noqa: TRY004 - one error for all that Azure may send
    return tuple(name.strip() for name in named if isinstance(name, str))


def _number(value: object) -> float:
    if isinstance(value, str):
        value = int(value) if _WHOLE.fullmatch(value.strip()) else None
    return float(value) if isinstance(value, (int, float)) and abs(value) < _A_YEAR_S else -1.0


_WHOLE = re.compile(r"-?[0-9]{1,9}")
_A_YEAR_S = 366 * 24 * 3600
