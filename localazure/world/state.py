"""What a world holds: time, VMs, operations, and what is due to happen. ``world.py`` adds what can be done to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from localazure.world.durations import DEFAULT_DURATIONS, Durations
from localazure.world.market import Market
from localazure.world.schedule import Agenda

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta

    from localazure.world.happenings import Happening
    from localazure.world.machines import Machine
    from localazure.world.operations import Call, Operation


@dataclass(frozen=True, slots=True)
class ScaleSet:
    """A scale set, as far as it matters: whether it brings its evicted VMs back by itself."""

    scale_set_id: str
    name: str
    subscription_id: str
    resource_group: str
    location: str
    restore_policy: bool


class WorldState:
    """The VMs and the clock. Nothing here waits: time passes when ``advance`` is called."""

    def __init__(self, now: datetime, durations: Durations = DEFAULT_DURATIONS) -> None:
        """Begin at a time, empty, with plenty of capacity."""
        self.now = now
        self.durations = durations
        self.market = Market()
        self.calls: list[Call] = []
        self.operations: dict[str, Operation] = {}
        self.scale_sets: list[ScaleSet] = []
        self.eviction_annotations: tuple[str, ...] = ("VirtualMachinePreempted",)
        """What Resource Health says of an eviction: nobody has seen yet whether it says more, or nothing."""
        self.machines_by_id: dict[str, Machine] = {}
        self._schedule = Agenda()
        self._listeners: list[Callable[[Happening], None]] = []

    def advance(self, to: datetime) -> None:
        """Let time pass, and happen what falls due. A time before ``now`` changes nothing: clocks may differ."""
        due = self._schedule.next_due()
        while due is not None and due <= to:
            at, move = self._schedule.take()
            self.now = max(self.now, at)
            move()
            due = self._schedule.next_due()
        self.now = max(self.now, to)

    def next_due(self) -> datetime | None:
        """Say when something will happen next by itself."""
        return self._schedule.next_due()

    def schedule(self, after: timedelta, move: Callable[[], None]) -> None:
        """Let something happen later."""
        self._schedule.enter(self.now + after, move)

    def listen(self, callback: Callable[[Happening], None]) -> None:
        """Be told of everything that happens, at the moment it does."""
        self._listeners.append(callback)

    def tell(self, happening: Happening) -> None:
        """Tell the listeners."""
        for callback in self._listeners:
            callback(happening)

    def machines(self) -> list[Machine]:
        """Every VM there ever was, in the order they were added; the gone ones have ``deleted_at``."""
        return list(self.machines_by_id.values())
