"""What happens to the VMs of one schedule: evictions, scarce capacity, owners, operators, deaths of the app.

Called by ``schedule.py``, which draws the weather that it happens in.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Final

from azure.core.exceptions import AzureError

from localazure.virtual.wire import RequestKind
from localazure.world.azure_errors import Refused
from localazure.world.machines import PowerState
from localazure.world.world import OWNER
from soak.responder.agents import Agents
from soak.responder.faults import REFUSALS, START_CODES, STUCK_WITH, Outage
from soak.responder.seen import PRICES, SLIP
from spot_responder.intake.vms import VmId
from spot_responder.operators.act import hold, release, retry
from spot_responder.responder.ports import ChangedMeanwhileError, StoreFailedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from localazure.virtual.azure import VirtualAzure
    from localazure.world.machines import Machine
    from soak.responder.faults import Faults

TAG: Final = {"AttemptRestartAfterEviction": "true"}
_SIZES: Final = ("Standard_D2s_v5", "Standard_D4s_v5")
_OTHER_SIZES: Final = ("Standard_D2as_v5", "Standard_D4as_v5", "Standard_D2s_v4", "Standard_D4s_v6")
"""What owners name besides; the last one has NVMe, which none of the VMs has."""

_OF_SIZES: Final = frozenset({RequestKind.VM_RESIZE, RequestKind.OFFERINGS})
_OF_WORK: Final = frozenset({RequestKind.WORK_READ})
"""No VM of a schedule serves a work queue."""

_WRONG_TAGS: Final[tuple[dict[str, str], ...]] = (
    {},
    {"AttemptRestartAfterEviction": "yes"},
    {"AttemptRestart": "true"},
)
_OUR_OWN: Final = (RequestKind.ROW_WRITE, RequestKind.ROW_WRITE, RequestKind.ROW_READ)
"""Kinds of requests that fail more often than others: without our own tables we know the least."""

_IMPATIENT_TIMES: Final = 20
_IMPATIENT_EVERY: Final = timedelta(minutes=2)
STEP: Final = timedelta(minutes=5)
"""What a soak runs at a time once no more is to happen."""


class Story:
    """What happens to the VMs of one schedule."""

    def __init__(self, azure: VirtualAzure, faults: Faults, chance: Random, sizes: Random | None = None) -> None:
        """Tell a story of this Azure. ``sizes``: the chance by which owners name other sizes; ``None``: nobody does.

        It is a chance of its own, so that the other schedules stay what they were.
        """
        self._sizes = sizes
        self._azure, self._world, self._faults, self._chance = azure, azure.world, faults, chance
        self._agents = Agents(azure, faults, chance)

    def set_the_scene(self) -> None:
        """Add VMs: most of them tagged, Spot and in one pool."""
        vms = self._chance.choice((1, 1, 2, 2, 3, 5))
        zone = self._chance.choice((None, "1"))
        for number in range(vms):
            self._world.add_vm(
                f"vm-{number}",
                size=self._chance.choice((_SIZES[0], _SIZES[0], _SIZES[1])),
                zone=zone,
                priority="Spot" if self._rarely_not(0.85) else "Regular",
                tags=TAG if self._rarely_not(0.9) else self._chance.choice(_WRONG_TAGS),
                eviction_policy="Deallocate" if self._rarely_not(0.95) else "Delete",
                max_price=self._chance.choice((-1.0, -1.0, 0.05)),
                scale_set_id=self._scale_set(number),
            )
        if self._sizes is not None:
            self._name_other_sizes(self._sizes)
            self._faults.as_a_resize_leaves = self._come_between
        self._agents.install()

    def run_out_of_all_sizes(self) -> None:
        """Let Azure take every VM while no size has capacity: only limits keep these from going round and round."""
        for machine in self._world.machines():
            self._set_capacities(machine, lambda: 0)
            self._evict(machine)

    def _name_other_sizes(self, sizes: Random) -> None:
        """Let owners name sizes, one of them with a slip, and leave some of these without capacity."""
        for machine in self._world.machines():
            named = sizes.sample(_OTHER_SIZES, sizes.choice((1, 2, 3)))
            slip = sizes.choice(("", "", "", "", "", SLIP))
            self._world.retag(machine.vm_id, {**machine.tags, "SpotFallbackSizes": ",".join(named) + slip})
            self._set_capacities(machine, lambda: sizes.choice((0, 1, None, None)))
            self._world.set_capacity(machine.pool, sizes.choice((0, 0, None)))
        if sizes.randrange(3) == 0:
            kind, now = sizes.choice(sorted(_OF_SIZES, key=lambda one: one.name)), self._azure.clock.now()
            end = now + timedelta(minutes=sizes.uniform(5, 60))
            self._faults.outages.append(Outage(kind, now, end, sizes.choice(REFUSALS[kind])))

    def _come_between(self, vm_key: str) -> None:
        """Let the owner do something to a VM just as a request leaves that would change its size, now and then."""
        machine, sizes = self._world.find(vm_key), self._sizes
        if machine is None or sizes is None or self._faults.is_calm or sizes.randrange(4):
            return
        act = sizes.choice((self._give_a_size, self._give_a_size, self._start, self._take_the_tag_of_sizes_off))
        # The world is as it was at its last event; what comes now begins after that.
        self._azure.clock.settle()
        act(machine)
        self._azure.clock.settle()

    def _give_a_size(self, machine: Machine) -> None:
        """Give it a size that its tag does not name: of one that the app asks for, nobody could say who gave it."""
        named = machine.tags.get("SpotFallbackSizes", "").split(",")
        others = [size for size in (*_SIZES, *_OTHER_SIZES[:-1]) if size not in {machine.size, *named}]
        self._change_size(machine, (self._sizes or self._chance).choice(others))

    def _take_the_tag_of_sizes_off(self, machine: Machine) -> None:
        tags = {name: value for name, value in machine.tags.items() if name != "SpotFallbackSizes"}
        self._world.retag(machine.vm_id, tags)

    def _set_capacities(self, machine: Machine, free: Callable[[], int | None]) -> None:
        for size in (*_SIZES, *_OTHER_SIZES):
            self._world.set_capacity(machine.pool._replace(size=size), free())

    def let_things_happen(self, until: datetime) -> None:
        """Let chance act, every few minutes."""
        for _ in range(self._chance.choice((0, 0, 1, 2))):
            self._begin_an_outage(until)
        if self._rarely_not(0.15):
            request_kind, now = self._chance.choice((RequestKind.GRAPH, RequestKind.VM_READ)), self._azure.clock.now()
            # It lasts until the calm: what has lasted is judged while it lasts.
            end = until + timedelta(hours=1)
            self._faults.outages.append(Outage(request_kind, now, end, self._chance.choice(REFUSALS[request_kind])))
        if self._chance.randrange(6) == 0:
            self._stick(self._chance.choice(self._world.machines()))
        if self._chance.randrange(8) == 0:
            self._faults.logins_out.append(self._while(until))
        acts = [act for act, weight in self._acts() for _ in range(weight)]
        while self._azure.clock.now() < until:
            self._chance.choice(acts)(self._chance.choice(self._world.machines()))
            self._azure.run_for(timedelta(seconds=self._chance.expovariate(1 / self._chance.choice((20, 200, 500)))))

    def calm_down(self) -> datetime:
        """End all that is wrong; give when."""
        self._faults.is_calm = True
        # What an operator asked for in bad weather may take its time, and must not come after what is asked for now.
        self._azure.run_for(STEP)
        for machine in self._world.machines():
            self._world.set_capacity(machine.pool, None)
            self._set_capacities(machine, lambda: None)
            # Of each size that it may have had, too: it may be on its way back to the first.
            for size in (machine.size, *_SIZES, *_OTHER_SIZES):
                self._world.set_price(size, machine.location, 0.0)
            self._world.set_quota(machine.subscription_id, machine.location, None)
            self._world.spare(machine.vm_id)
            if self._is_held(machine):
                # Of any other VM an operator's word would make up for a follow-up that was lost.
                self._azure.clock.complete(self._as_operator(VmId.parse(machine.vm_id), holds=False))
        return self._azure.clock.now()

    def _is_held(self, machine: Machine) -> bool:
        rows = [row for row, _ in self._azure.app.storage.recoveries.rows.values()]
        return any(row["held_at"] for row in rows if row["vm_id"].lower() == machine.vm_id.lower())

    def _acts(self) -> tuple[tuple[Callable[[Machine], None], int], ...]:
        return (
            (self._evict, 8),
            (self._agents.evict, 6),
            (self._agents.cancelled, 1),
            (self._agents.forge, 3),
            (self._change_capacity, 6),
            (self._change_price, 2),
            (self._change_quota, 1),
            (self._stop, 3),
            (self._start, 3),
            (self._change_tags, 2),
            (self._resize, 1),
            (self._delete, 1),
            (self._let_start_fail, 5),
            (self._refuse_start, 2),
            (self._stick, 1),
            (self._simulate_eviction, 1),
            (self._hold_or_release, 2),
            (self._retry_again_and_again, 1),
            (lambda _: self._azure.app.kill_one(), 3),
            (lambda _: self._azure.app.clear_messages(), 1),
        )

    def _evict(self, machine: Machine) -> None:
        is_up = machine.power_state in {PowerState.RUNNING, PowerState.STARTING}
        if machine.deleted_at is None and machine.is_spot and is_up:
            self._world.evict(machine.vm_id)

    def _change_capacity(self, machine: Machine) -> None:
        self._world.set_capacity(machine.pool, self._chance.choice((0, 0, 1, 2, None)))

    def _change_price(self, machine: Machine) -> None:
        self._world.set_price(machine.size, machine.location, self._chance.choice(PRICES))

    def _change_quota(self, machine: Machine) -> None:
        self._world.set_quota(machine.subscription_id, machine.location, self._chance.choice((0, None, None)))

    def _stop(self, machine: Machine) -> None:
        if machine.deleted_at is None:
            self._as_owner(lambda: self._world.stop_by_owner(machine.vm_id))

    def _start(self, machine: Machine) -> None:
        if machine.deleted_at is None:
            self._as_owner(lambda: self._world.start(machine, OWNER))

    def _change_tags(self, machine: Machine) -> None:
        if machine.deleted_at is None:
            self._world.retag(machine.vm_id, self._chance.choice((TAG, TAG, *_WRONG_TAGS)))

    def _resize(self, machine: Machine) -> None:
        """Change the size, as Azure allows while a VM is deallocated: it is in another pool then."""
        if machine.power_state is PowerState.DEALLOCATED and machine.deleted_at is None:
            self._change_size(machine, self._chance.choice(_SIZES))

    def _change_size(self, machine: Machine, size: str) -> None:
        self._as_owner(lambda: self._world.update(machine, OWNER, machine.tags, size, machine.max_price))

    def _delete(self, machine: Machine) -> None:
        if machine.deleted_at is None and self._rarely_not(0.3):
            self._world.delete(machine.vm_id)

    def _let_start_fail(self, machine: Machine) -> None:
        if machine.deleted_at is None:
            self._world.fail_next_start(machine.vm_id, *self._chance.choice(START_CODES))

    def _refuse_start(self, machine: Machine) -> None:
        if machine.deleted_at is None:
            self._world.refuse_next_start(machine.vm_id, *self._chance.choice(START_CODES))

    def _stick(self, machine: Machine) -> None:
        """Let each start be refused for one reason, which does not pass by itself."""
        self._faults.stuck[machine.vm_id.lower()] = self._chance.choice(STUCK_WITH)

    def _simulate_eviction(self, machine: Machine) -> None:
        if machine.deleted_at is None:
            self._as_owner(lambda: self._world.simulate_eviction(machine.vm_id))

    def _hold_or_release(self, machine: Machine) -> None:
        """Hold a VM or release it, as an operator does; as weather permits."""
        self._azure.clock.spawn(self._as_operator(VmId.parse(machine.vm_id), holds=self._rarely_not(0.4)))

    async def _as_operator(self, vm_id: VmId, *, holds: bool) -> None:
        ports, now = self._azure.app.ports(lambda: None), self._azure.clock.now()
        with suppress(ChangedMeanwhileError, StoreFailedError, AzureError):
            if holds:
                await hold(ports.store, vm_id, now, lambda: f"hold-{now.isoformat()}")
            else:
                await release(ports.store, ports.queue, vm_id, now, lambda: f"release-{now.isoformat()}")

    def _retry_again_and_again(self, machine: Machine) -> None:
        """Ask for a start every two minutes, as an impatient operator's script does; only the budget stops it."""
        self._azure.clock.spawn(self._as_impatient_operator(VmId.parse(machine.vm_id)))

    async def _as_impatient_operator(self, vm_id: VmId) -> None:
        ids = (f"retry-{vm_id.name}-{number}" for number in count())
        for _ in range(_IMPATIENT_TIMES):
            if self._faults.is_calm:
                # From now on a word of an operator's would make up for a follow-up that was lost.
                return
            with suppress(AzureError):
                queue = self._azure.app.ports(lambda: None).queue
                await retry(queue, vm_id, self._azure.clock.now(), lambda: next(ids))
            await asyncio.sleep(_IMPATIENT_EVERY.total_seconds())

    def _as_owner(self, act: Callable[[], object]) -> None:
        try:
            act()
        except Refused:
            return

    def _begin_an_outage(self, until: datetime) -> None:
        kinds = (kind for kind in RequestKind if kind not in _OF_SIZES | _OF_WORK)
        request_kind = self._chance.choice((*kinds, *_OUR_OWN))
        begin, end = self._while(until)
        self._faults.outages.append(Outage(request_kind, begin, end, self._chance.choice(REFUSALS[request_kind])))

    def _while(self, until: datetime) -> tuple[datetime, datetime]:
        begin = self._azure.clock.now() + (until - self._azure.clock.now()) * self._chance.random()
        return begin, begin + timedelta(minutes=self._chance.uniform(1, 40))

    def _scale_set(self, number: int) -> str | None:
        if self._rarely_not(0.9):
            return None
        return self._world.add_scale_set(f"set-{number}", restore_policy=self._rarely_not(0.5))

    def _rarely_not(self, chance: float) -> bool:
        return self._chance.random() < chance
