"""What happens in the world, as the listeners get it. Azure's events are made of it.

``transitions.py`` announces; Event Grid, the demo's timeline and the soak listen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Annotated:
    """Resource Health annotated a VM, for instance with ``VirtualMachinePreempted``."""

    vm_id: str
    occurred_at: datetime
    annotation: str


@dataclass(frozen=True, slots=True)
class AvailabilityChanged:
    """The availability state of a VM changed: ``Available``, ``Unavailable``, ``Degraded`` or ``Unknown``."""

    vm_id: str
    occurred_at: datetime
    previous: str
    current: str


@dataclass(frozen=True, slots=True)
class ActionSucceeded:
    """An operation that somebody sent to ARM ended well. ``operation`` is ARM's name of it."""

    vm_id: str
    occurred_at: datetime
    operation: str
    caller: str


type Happening = Annotated | AvailabilityChanged | ActionSucceeded
