"""The world: every VM, the time, and what is due to happen. All fronts of the laptop Azure read this one object."""

from __future__ import annotations

from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from localazure.world.durations import DEFAULT_DURATIONS, Durations
from localazure.world.machines import Availability, Condition, Hardware, Machine, PowerState
from localazure.world.owner_moves import OwnerMoves
from localazure.world.state import ScaleSet, WorldState
from localazure.world.transitions import Turns
from localazure.world.vm_lifecycle import Moves

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from localazure.world.market import PoolGate
    from localazure.world.operations import Operation

SUBSCRIPTION: Final = "11111111-1111-4111-8111-111111111111"
OWNER: Final = "owner@example.com"
_NO_TAGS: Final[Mapping[str, str]] = MappingProxyType({})
_PLAIN: Final = Hardware()
_AGE: Final = timedelta(days=1)


class NoSuchMachineError(LookupError):
    """The world holds no VM of this name or id, or several of this name."""


class World(WorldState):
    """What can be done to the VMs, by Azure, by their owners and by whoever tells a story."""

    def __init__(self, now: datetime, durations: Durations = DEFAULT_DURATIONS) -> None:
        """Begin at a time, empty, with plenty of capacity."""
        super().__init__(now, durations)
        turns = Turns(self)
        self._moves = Moves(self, turns)
        self._owner_moves = OwnerMoves(self, turns)

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
        os: str = "Linux",
        hardware: Hardware = _PLAIN,
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
            os=os,
            hardware=hardware,
            conditions=[(since, Condition(state, dict(tags), since, Availability(word, "Unknown", since)))],
        )
        if self.find(machine.vm_id) is not None:
            message = f"there is a VM {machine.vm_id} already; give this one another name or delete that one first"
            raise ValueError(message)
        self.machines_by_id[machine.vm_id.lower()] = machine
        return machine

    def create_vm(self, machine: Machine, caller: str) -> Operation:
        """Make a VM on somebody's word, to run later; raises ``Refused`` where quota or price are against it."""
        return self._moves.create(machine, caller)

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

    def find(self, vm_id: str) -> Machine | None:
        """Look up a VM that is there now by its id, in any casing."""
        machine = self.machines_by_id.get(vm_id.lower())
        return machine if machine is not None and machine.deleted_at is None else None

    def is_gone_by_eviction(self, vm_id: str) -> bool:
        """Whether there was a VM of this id, and its eviction deleted it."""
        machine = self.machines_by_id.get(vm_id.lower())
        return machine is not None and machine.deleted_by_eviction

    def machine(self, name_or_id: str) -> Machine:
        """Look up a VM, gone ones included.

        Raises:
            NoSuchMachineError: there is none of this name or id, or more than one of this name.

        """
        wanted = name_or_id.lower()
        if wanted in self.machines_by_id:
            return self.machines_by_id[wanted]
        found = [one for one in self.machines_by_id.values() if one.name.lower() == wanted]
        if len(found) != 1:
            problem = "no VM" if not found else f"{len(found)} VMs"
            known = ", ".join(sorted(one.name for one in self.machines_by_id.values())[:20]) or "none"
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

    def check_evictable(self, machine: Machine) -> None:
        """Raise ``ValueError`` where Azure would not evict the VM: it is not Spot, or not up."""
        self._moves.check_evictable(machine)

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

    def set_capacity(self, pool: PoolGate, free: int | None) -> None:
        """Leave so many places in a pool; ``None`` is plenty. A start that succeeds takes one."""
        self.market.set_capacity(pool, free)

    def set_price(self, size: str, location: str, usd_per_hour: float) -> None:
        """Set the Spot price of a size in a region."""
        self.market.set_price(size, location, usd_per_hour)

    def set_quota(self, subscription_id: str, location: str, core_limit: int | None) -> None:
        """Limit the Spot cores of a subscription in a region; ``None`` lifts the limit."""
        self.market.set_quota(subscription_id, location, core_limit)
