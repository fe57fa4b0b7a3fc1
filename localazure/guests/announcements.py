"""What Azure announces to the VMs of a world: evictions with notice, and maintenance. Keeps their documents.

The VMs of a scale set share a document, as those of a placement group do in Azure. ``laptop.py`` has one for its
world; ``metadata_service.py`` shows the documents and hands in what the VMs acknowledge.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from localazure.guests.notices import LONGEST_NOTICE, Notice
from localazure.guests.scheduled_events import (
    UNKNOWN_DURATION_S,
    Document,
    EventSource,
    EventStatus,
    EventType,
    ScheduledEvent,
    announced,
    removed,
    started,
)
from localazure.world.happenings import ActionSucceeded
from localazure.world.machines import PowerState
from localazure.world.timestamps import guid
from localazure.world.vm_lifecycle import SIMULATE_EVICTION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from localazure.world.happenings import Happening
    from localazure.world.machines import Machine
    from localazure.world.world import World

    type Listener = Callable[[datetime, ScheduledEvent, Progress], None]

_GOES_ON_FOR: Final = timedelta(seconds=10)
"""How long maintenance that has started stays in the document: Microsoft shows ten minutes."""


class Progress(StrEnum):
    """What became of an event."""

    ANNOUNCED = "announced"
    STARTED = "started"
    OVER = "over"
    CANCELLED = "cancelled"


class UnknownEventError(LookupError):
    """The VM's document has no event of this id."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is still to come of an event. ``evicted``: the VM that it takes away, and the turn in which it may."""

    document_of: str
    goes_on_for: timedelta
    evicted: tuple[Machine, int] | None = None


class Announcements:
    """The documents of one world. Nothing here waits: the world's time moves the events."""

    def __init__(self, world: World) -> None:
        """Begin with empty documents. An eviction that somebody simulates through ARM is announced as well."""
        self._world = world
        self._documents: dict[str, Document] = {}
        self._plans: dict[str, _Plan] = {}
        self._listeners: list[Listener] = []
        self._announced = 0
        world.listen(self._happened)

    def listen(self, listener: Listener) -> None:
        """Be told of each step of each event."""
        self._listeners.append(listener)

    def document(self, machine: Machine) -> Document:
        """Give what a VM sees now."""
        return self._documents.get(_key(machine), Document())

    def evict(self, name: str, notice: Notice | None) -> str | None:
        """Let Azure take a VM away, with or without notice; give the event's id.

        Raises:
            NoSuchMachineError: there is no such VM.
            ValueError: it is not Spot, or not up.
        """
        machine = self._world.existing(name)
        if notice is None:
            self._world.evict(machine.vm_id)
            return None
        self._world.check_evictable(machine)
        return self._announce_eviction(machine, notice)

    def announce(  # noqa: PLR0913 - an event has that many properties
        self,
        event_type: EventType,
        names: Iterable[str],
        lead: timedelta | None,
        *,
        as_started: bool = False,
        description: str = "",
        source: EventSource = EventSource.PLATFORM,
        duration_s: int = UNKNOWN_DURATION_S,
        goes_on_for: timedelta = _GOES_ON_FOR,
    ) -> str:
        """Announce something to some VMs of one document; give the event's id.

        ``lead``: until it starts by itself; ``None``: it does not, and says no time (as a rebalance recommendation).
        Only the document changes: what happens to the VMs then is for whoever tells the story.
        """
        machines = [self._world.existing(name) for name in names]
        if len({_key(machine) for machine in machines}) != 1:
            message = "name VMs that share a document: one VM, or several of one scale set"
            raise ValueError(message)
        event = ScheduledEvent(
            event_id=self._new_id(machines[0]),
            event_type=event_type,
            resources=tuple(machine.name for machine in machines),
            not_before=None if lead is None else self._world.now + lead,
            status=EventStatus.STARTED if as_started else EventStatus.SCHEDULED,
            description=description,
            source=source,
            duration_s=duration_s,
        )
        self._show(event, _Plan(_key(machines[0]), goes_on_for), lead)
        return event.event_id

    def cancel(self, event_id: str) -> None:
        """Take back an event that is scheduled; nothing changes where it has started, or is over."""
        plan = self._plans.get(event_id)
        event = None if plan is None else self._documents[plan.document_of].find(event_id)
        if plan is not None and event is not None and event.status is EventStatus.SCHEDULED:
            del self._plans[event_id]
            self._remove(plan, event, Progress.CANCELLED)

    def acknowledge(self, machine: Machine, event_ids: Sequence[str]) -> None:
        """Let events start before their time, for all VMs that they name, as soon as one of them says so.

        What has started already stays as it is, and a rebalance recommendation has nothing to start.

        Raises:
            UnknownEventError: one of them is not in this VM's document; then none is acknowledged.
        """
        for event in [self._known(machine, event_id) for event_id in event_ids]:
            if event.status is EventStatus.SCHEDULED and event.event_type is not EventType.REBALANCE:
                self._start(event.event_id)

    def _known(self, machine: Machine, event_id: str) -> ScheduledEvent:
        event = self.document(machine).find(event_id)
        if event is None:
            raise UnknownEventError(event_id)
        return event

    def _announce_eviction(self, machine: Machine, notice: Notice) -> str:
        event = ScheduledEvent(
            event_id=self._new_id(machine),
            event_type=EventType.PREEMPT,
            resources=(machine.name,),
            not_before=self._world.now + notice.lead,
            status=EventStatus.STARTED if notice.as_started else EventStatus.SCHEDULED,
        )
        plan = _Plan(_key(machine), self._world.durations.deallocation, (machine, machine.turn))
        self._show(event, plan, notice.lead)
        if notice.called_off_after is not None:
            self._world.schedule(notice.called_off_after, lambda: self.cancel(event.event_id))
        return event.event_id

    def _show(self, event: ScheduledEvent, plan: _Plan, lead: timedelta | None) -> None:
        before = self._documents.get(plan.document_of, Document())
        self._documents[plan.document_of] = announced(before, event)
        self._plans[event.event_id] = plan
        self._tell(event, Progress.ANNOUNCED)
        if lead is not None:
            self._world.schedule(lead, lambda: self._start(event.event_id))

    def _start(self, event_id: str) -> None:
        """Let an event have its effect, its time having come; nothing where it had it, or was taken back."""
        plan = self._plans.pop(event_id, None)
        event = None if plan is None else self._documents[plan.document_of].find(event_id)
        if plan is None or event is None:
            return
        if plan.evicted is not None and not self._take_away(*plan.evicted):
            self._remove(plan, event, Progress.CANCELLED)
            return
        self._documents[plan.document_of] = started(self._documents[plan.document_of], event_id)
        self._tell(event, Progress.STARTED)
        self._world.schedule(plan.goes_on_for, lambda: self._remove(plan, event, Progress.OVER))

    def _take_away(self, machine: Machine, turn: int) -> bool:
        """Evict a VM, if it was not already at this moment; ``False`` where it has come to something else meanwhile."""
        if machine.turn == turn and machine.deleted_at is None:
            self._world.evict(machine.vm_id)
        return machine.evicted_at == self._world.now

    def _remove(self, plan: _Plan, event: ScheduledEvent, progress: Progress) -> None:
        self._documents[plan.document_of] = removed(self._documents[plan.document_of], event.event_id)
        self._tell(event, progress)

    def _happened(self, happening: Happening) -> None:
        """Start, or take back, what was announced to a VM that was faster: it was evicted, or stopped, before."""
        machine = self._world.machines_by_id[happening.vm_id.lower()]
        if isinstance(happening, ActionSucceeded) and happening.operation == SIMULATE_EVICTION:
            self._announce_simulated(machine)
        overtaken = [
            event_id
            for event_id, plan in self._plans.items()
            if plan.evicted is not None and plan.evicted[0] is machine and plan.evicted[1] != machine.turn
        ]
        for event_id in overtaken:
            self._start(event_id)

    def _announce_simulated(self, machine: Machine) -> None:
        until = self._world.durations.until_simulated_eviction
        lead = min(until, LONGEST_NOTICE.lead)

        def announce() -> None:
            if machine.deleted_at is None and machine.power_state is PowerState.RUNNING:
                self._announce_eviction(machine, Notice(lead))

        self._world.schedule(until - lead, announce)

    def _new_id(self, machine: Machine) -> str:
        self._announced += 1
        return guid("scheduled event", self._announced, machine.vm_id).upper()

    def _tell(self, event: ScheduledEvent, progress: Progress) -> None:
        for listener in self._listeners:
            listener(self._world.now, event, progress)


def _key(machine: Machine) -> str:
    return (machine.scale_set_id or machine.vm_id).lower()
