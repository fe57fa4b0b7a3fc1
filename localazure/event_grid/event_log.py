"""Records what became of every event. Written by ``service.py``; the demo's timeline reads it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from localazure.event_grid.azure_events import EventKind


class Step(StrEnum):
    """What happened to an event."""

    EMITTED = "emitted"
    LOST = "lost"
    FILTERED = "filtered"
    """No event subscription wanted it."""
    DELIVERED = "delivered"
    REFUSED = "refused"
    """The destination did not take it this time; ``detail`` says how it answered."""
    DEAD_LETTERED = "dead-lettered"


@dataclass(frozen=True, slots=True)
class Entry:
    """One step of one event. ``subscription`` is ``""`` where it concerns none; ``detail`` is Azure's own word."""

    at: datetime
    step: Step
    event_id: str
    vm_id: str
    kind: EventKind
    detail: str
    subscription: str = ""


class EventLog:
    """Entries in the order they were made."""

    def __init__(self) -> None:
        """Begin with an empty log."""
        self.entries: list[Entry] = []
        self._listeners: list[Callable[[Entry], None]] = []

    def listen(self, callback: Callable[[Entry], None]) -> None:
        """Be told of every entry when it is made."""
        self._listeners.append(callback)

    def add(self, entry: Entry) -> None:
        """Make an entry."""
        self.entries.append(entry)
        for callback in self._listeners:
            callback(entry)

    def of(self, vm_id: str) -> list[Entry]:
        """Give the entries of one VM, whose id may be in any casing."""
        return [entry for entry in self.entries if entry.vm_id.lower() == vm_id.lower()]

    def first_signal_at(self, vm_id: str, since: datetime) -> datetime | None:
        """Say when the first event about a VM reached the app, of those delivered at ``since`` or later."""
        times = (entry.at for entry in self.of(vm_id) if entry.step is Step.DELIVERED and entry.at >= since)
        return min(times, default=None)
