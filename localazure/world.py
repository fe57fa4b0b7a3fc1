"""The world: every VM, the time, and what is due to happen. All fronts of the laptop Azure read this one object."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from localazure.agenda import Agenda
from localazure.machines import Availability, Condition, Machine, PowerState
from localazure.market import Market
from localazure.moves import Moves
from localazure.owner_moves import OwnerMoves
from localazure.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from localazure.happenings import Happening
    from localazure.market import PoolKey
    from localazure.operations import Call, Operation

SUBSCRIPTION: Final = "11111111-1111-4111-8111-111111111111"
OWNER: Final = "owner@example.com"
_NO_TAGS: Final[Mapping[str, str]] = MappingProxyType({})
_AGE: Final = timedelta(days=1)


class NoSuchMachineError(LookupError):
    """The world holds no VM of this name or id, or several of this name."""


@dataclass(frozen=True, slots=True)
class Durations:
    """How long things take. Short, but in the order of magnitude that was seen (``facts/events.md`` §1.3, §2.4)."""

    until_unavailable: timedelta = timedelta(seconds=3)
    deallocation: timedelta = timedelta(seconds=15)
    start: timedelta = timedelta(seconds=20)
    failed_start: timedelta = timedelta(seconds=20)
    until_simulated_eviction: timedelta = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class ScaleSet:
    """A scale set, as far as it matters: whether it brings its evicted VMs back by itself."""

    scale_set_id: str
    name: str
    subscription_id: str
    resource_group: str
    location: str
    restore_policy: bool


DEFAULT_DURATIONS: Final = Durations()


class World:
    """Holds the VMs and the clock. Nothing here waits: time passes when ``advance`` is called."""

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
        self._machines: dict[str, Machine] = {}
        self._agenda = Agenda()
        self._listeners: list[Callable[[Happening], None]] = []
        turns = Turns(self)
        self._moves = Moves(self, turns)
        self._owner_moves = OwnerMoves(self, turns)

    def advance(self, to: datetime) -> None:
        """Let time pass, and happen what falls due. A time before ``now`` changes nothing: clocks may differ."""
        due = self._agenda.next_due()
        while due is not None and due <= to:
            at, move = self._agenda.take()
            self.now = max(self.now, at)
            move()
            due = self._agenda.next_due()
        self.now = max(self.now, to)

    def next_due(self) -> datetime | None:
        """Say when something will happen next by itself."""
        return self._agenda.next_due()

    def schedule(self, after: timedelta, move: Callable[[], None]) -> None:
        """Let something happen later."""
        self._agenda.enter(self.now + after, move)

    def listen(self, callback: Callable[[Happening], None]) -> None:
        """Be told of everything that happens, at the moment it does."""
        self._listeners.append(callback)

    def tell(self, happening: Happening) -> None:
        """Tell the listeners."""
        for callback in self._listeners:
            callback(happening)

    def add_vm(  # noqa: PLR0913 - a VM has that many properties
        self,
        name: str,
        *,
        subscription_id: str = SUBSCRIPTION,
        resource_group: str = "rg-spot",
        location: str = "westeurope",
        size: str = "Standard_D2s_v5",
        zone: str | None = None,
        priority: str = "Spot",
        eviction_policy: str = "Deallocate",
        max_price: float = -1.0,
        tags: Mapping[str, str] = _NO_TAGS,
        scale_set_id: str | None = None,
        power_state: str = "running",
    ) -> Machine:
        """Add a VM that has been as it is for a day, so that a graph that lags behind knows it already."""
        since = self.now - _AGE
        state = PowerState(power_state)
        word = "Available" if state is PowerState.RUNNING else "Unavailable"
        machine = Machine(
            name=name,
            subscription_id=subscription_id,
            resource_group=resource_group,
            location=location,
            size=size,
            zone=zone,
            priority=priority,
            eviction_policy=eviction_policy,
            max_price=max_price,
            scale_set_id=scale_set_id,
            created_at=since,
            conditions=[(since, Condition(state, dict(tags), since, Availability(word, "Unknown", since)))],
        )
        if self.find(machine.vm_id) is not None:
            message = f"there is a VM {machine.vm_id} already; give this one another name or delete that one first"
            raise ValueError(message)
        self._machines[machine.vm_id.lower()] = machine
        return machine

    def add_scale_set(
        self,
        name: str,
        *,
        restore_policy: bool,
        subscription_id: str = SUBSCRIPTION,
        resource_group: str = "rg-spot",
        location: str = "westeurope",
    ) -> str:
        """Add a scale set and return its id. ``restore_policy``: it tries to restore evicted VMs by itself."""
        scale_set_id = (
            f"/subscriptions/{subscription_id}/resourceGroups/{resource_group}"
            f"/providers/Microsoft.Compute/virtualMachineScaleSets/{name}"
        )
        self.scale_sets.append(
            ScaleSet(scale_set_id, name, subscription_id, resource_group, location, restore_policy),
        )
        return scale_set_id

    def machines(self) -> list[Machine]:
        """Every VM there ever was, in the order they were added; the gone ones have ``deleted_at``."""
        return list(self._machines.values())

    def find(self, vm_id: str) -> Machine | None:
        """Look up a VM that is there now by its id, in any casing."""
        machine = self._machines.get(vm_id.lower())
        return machine if machine is not None and machine.deleted_at is None else None

    def is_gone_by_eviction(self, vm_id: str) -> bool:
        """Whether there was a VM of this id, and its eviction deleted it."""
        machine = self._machines.get(vm_id.lower())
        return machine is not None and machine.deleted_by_eviction

    def machine(self, name_or_id: str) -> Machine:
        """Look up a VM, gone ones included.

        Raises:
            NoSuchMachineError: there is none of this name or id, or more than one of this name.

        """
        wanted = name_or_id.lower()
        if wanted in self._machines:
            return self._machines[wanted]
        found = [one for one in self._machines.values() if one.name.lower() == wanted]
        if len(found) != 1:
            problem = "no VM" if not found else f"{len(found)} VMs"
            known = ", ".join(sorted(one.name for one in self._machines.values())[:20]) or "none"
            message = f"{problem} called {name_or_id!r} in this world; use an id or one of: {known}"
            raise NoSuchMachineError(message)
        return found[0]

    def existing(self, name_or_id: str) -> Machine:
        """Look up a VM that is there now; ``NoSuchMachineError`` where it is gone."""
        machine = self.machine(name_or_id)
        if machine.deleted_at is not None:
            message = f"VM {machine.name!r} is gone since {machine.deleted_at.isoformat()}"
            raise NoSuchMachineError(message)
        return machine

    def evict(self, name: str) -> None:
        """Azure takes the VM's place away. ``ValueError`` where it is not Spot, or not running."""
        self._moves.evict(self.existing(name))

    def simulate_eviction(self, name: str, caller: str = OWNER) -> None:
        """Ask Azure to evict a VM within its time; raises ``Refused`` where it cannot."""
        self._moves.simulate_eviction(self.existing(name), caller)

    def stop_by_owner(self, name: str, caller: str = OWNER) -> Operation:
        """Deallocate a VM on its owner's word; raises ``Refused`` while something else changes its power state."""
        return self._moves.stop(self.existing(name), caller)

    def start(self, machine: Machine, caller: str) -> Operation:
        """Accept a start, to end later, well or not; raises ``Refused`` where Azure says no at once."""
        return self._moves.start(machine, caller)

    def power_off(self, machine: Machine, caller: str) -> Operation:
        """Stop a VM without giving its place up; raises ``Refused`` where it has none."""
        return self._owner_moves.power_off(machine, caller)

    def restart(self, machine: Machine, caller: str) -> Operation:
        """Restart a VM; raises ``Refused`` where it does not run."""
        return self._owner_moves.restart(machine, caller)

    def update(self, machine: Machine, caller: str, tags: Mapping[str, str], size: str, max_price: float) -> Operation:
        """Write tags, size and price of a VM; raises ``Refused`` where it is being deleted."""
        return self._owner_moves.update(machine, caller, tags, size, max_price)

    def delete_by_owner(self, machine: Machine, caller: str) -> Operation:
        """Delete a VM on somebody's word, to be gone later."""
        return self._owner_moves.delete_by_owner(machine, caller)

    def refuse_next_start(self, name: str, code: str, message: str, status: int = 409) -> None:
        """Let the next start of this VM be refused at once, one time."""
        self._moves.refuse_next_start(self.existing(name), status, code, message)

    def fail_next_start(self, name: str, code: str, message: str) -> None:
        """Let the next accepted start of this VM fail at its end, one time."""
        self._moves.fail_next_start(self.existing(name), code, message)

    def spare(self, name_or_id: str) -> None:
        """Take back what ``refuse_next_start`` and ``fail_next_start`` have in store for a VM."""
        self._moves.spare(self.machine(name_or_id))

    def delete(self, name: str) -> None:
        """Remove a VM at once."""
        self._moves.delete(self.existing(name))

    def retag(self, name: str, tags: Mapping[str, str]) -> None:
        """Replace a VM's tags."""
        self.existing(name).become(self.now, tags=dict(tags))

    def set_capacity(self, pool: PoolKey, free: int | None) -> None:
        """Leave so many places in a pool; ``None`` is plenty. A start that succeeds takes one."""
        self.market.set_capacity(pool, free)

    def set_price(self, size: str, location: str, usd_per_hour: float) -> None:
        """Set the Spot price of a size in a region."""
        self.market.set_price(size, location, usd_per_hour)

    def set_quota(self, subscription_id: str, location: str, core_limit: int | None) -> None:
        """Limit the Spot cores of a subscription in a region; ``None`` lifts the limit."""
        self.market.set_quota(subscription_id, location, core_limit)
