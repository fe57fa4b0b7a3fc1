"""What befalls the VMs: the same for the responder and for every peer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from localazure.world.durations import Durations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from localazure.virtual.clock import VirtualClock
    from localazure.world.world import World

SECOND: Final = timedelta(seconds=1)
MINUTE: Final = timedelta(minutes=1)
BEGIN: Final = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
TAG: Final = {"AttemptRestartAfterEviction": "true"}

AT_ONCE: Final = Durations(
    until_unavailable=0.1 * SECOND, deallocation=0.1 * SECOND, start=20 * SECOND, failed_start=20 * SECOND
)
"""The VM is deallocated when its event leaves the world, which is when every clock here starts."""

WHILE_DEALLOCATING: Final = Durations(
    until_unavailable=3 * SECOND, deallocation=15 * SECOND, start=20 * SECOND, failed_start=20 * SECOND
)
"""The event comes well before the VM is deallocated, as in the published records (docs/azure-facts.md events-10)."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """``vms`` in so many subscriptions, one pool in each, evicted evenly within ``evicted_within``.

    ``back_after``: from then on ``back_per_minute`` places come back in the pool; until then it has none. ``None`` is
    capacity without end. ``fallback``: the other sizes that each VM may have, with their places. ``patience``: the
    scenario is over then, whoever is still down.
    """

    title: str
    vms: int
    evicted_within: timedelta
    patience: timedelta
    subscriptions: int = 1
    durations: Durations = AT_ONCE
    back_after: timedelta | None = None
    back_per_minute: float = 0.0
    fallback: Mapping[str, int] = field(default_factory=dict)

    def set_up(self, world: World, clock: VirtualClock) -> None:
        """Add the VMs, and let what is to befall them be due."""
        tags = {**TAG, "SpotFallbackSizes": ",".join(self.fallback)} if self.fallback else TAG
        names = [
            world.add_vm(f"vm-{number:06d}", subscription_id=subscription(number % self.subscriptions), tags=tags).vm_id
            for number in range(self.vms)
        ]
        for number, name in enumerate(names):
            clock.call_after(self.evicted_within * number / self.vms, partial(_evict, world, clock, name))
        if self.back_after is not None:
            self._let_capacity_come_back(world, clock)

    def evicted_at(self, number: int) -> datetime:
        """Say when a VM is evicted."""
        return BEGIN + self.evicted_within * number / self.vms

    def _let_capacity_come_back(self, world: World, clock: VirtualClock) -> None:
        pools = {machine.pool for machine in world.machines()}
        for pool in pools:
            world.set_capacity(pool, 0)
            for size, places in self.fallback.items():
                world.set_capacity(pool._replace(size=size), places)

        def one_more() -> None:
            for pool in pools:
                world.set_capacity(pool, (world.market.free(pool) or 0) + 1)

        for number in range(self.vms):
            clock.call_after((self.back_after or timedelta()) + MINUTE * number / self.back_per_minute, one_more)


def subscription(number: int) -> str:
    """Give the id of a subscription."""
    return f"11111111-1111-4111-8111-{number:012d}"


def _evict(world: World, clock: VirtualClock, vm_id: str) -> None:
    clock.settle()
    world.evict(vm_id)
    clock.settle()


IDLE: Final = Scenario("single eviction", vms=300, evicted_within=300 * 97.3 * SECOND, patience=600 * MINUTE)
IDLE_DEALLOCATING: Final = replace(IDLE, title="single eviction, told while deallocating", durations=WHILE_DEALLOCATING)
STORM: Final = Scenario("storm of 1,000", vms=1000, evicted_within=10 * SECOND, patience=12 * 60 * MINUTE)
WIDE_STORM: Final = Scenario(
    "10,000 VMs over 20 subscriptions", vms=10_000, subscriptions=20, evicted_within=10 * SECOND, patience=60 * MINUTE
)
HUGE_STORM: Final = Scenario(
    "100,000 VMs over 500 subscriptions",
    vms=100_000,
    subscriptions=500,
    evicted_within=10 * SECOND,
    patience=60 * MINUTE,
)
OUTAGE: Final = Scenario(
    "outage of 500",
    vms=500,
    evicted_within=10 * SECOND,
    patience=8 * 60 * MINUTE,
    back_after=60 * MINUTE,
    back_per_minute=5,
)
