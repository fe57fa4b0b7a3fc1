"""Faults of events on their way: lost, doubled, late, out of order. They can be set while the world runs.

Called by ``service.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from localazure.event_grid.azure_events import EventKind


@dataclass(frozen=True, slots=True)
class Fault:
    """What befalls an event, in every event subscription alike."""

    lose: bool = False
    copies: int = 0
    """How many times more than once the event is delivered."""
    delay: timedelta = timedelta()
    """How long the event is held back after it was emitted."""
    shuffle: timedelta = timedelta()
    """Each copy is held back by a random time up to this one more, so that later events overtake it."""


NO_FAULT: Final = Fault()


class Faults:
    """The plan of what goes wrong, for a VM, a kind of event, both, or everything.

    A VM is given by its name or its ARM id, in any casing. The narrowest entry holds: VM and kind, then VM, then kind,
    then the one for everything. Entries do not add up.
    """

    def __init__(self) -> None:
        """Begin with nothing going wrong."""
        self._plan: dict[tuple[str | None, EventKind | None], Fault] = {}

    def set(self, fault: Fault, *, vm: str | None = None, kind: EventKind | None = None) -> None:
        """Let a fault befall the events that happen from now on. ``NO_FAULT`` spares some from a wider entry."""
        self._plan[_name(vm), kind] = fault

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        self._plan.clear()

    def of(self, vm: str, kind: EventKind) -> Fault:
        """Say what befalls an event."""
        name = _name(vm)
        narrowest_first = ((name, kind), (name, None), (None, kind), (None, None))
        return next((self._plan[key] for key in narrowest_first if key in self._plan), NO_FAULT)


def _name(vm: str | None) -> str | None:
    return None if vm is None else vm.rstrip("/").rpartition("/")[2].lower()
