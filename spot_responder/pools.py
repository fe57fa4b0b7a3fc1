"""When a pool may be tried again: probe, open, ramp.

A pool is the spare capacity that VMs of one size compete for in one place. While it has some, it is open and nobody
asks. One "no capacity" closes it for everybody; when the time is over a single VM may probe; if that VM comes up the
pool lets two through, then four, and is open again at the end. So an outage of hundreds of VMs costs a handful of
start requests.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spot_responder.vms import Vm

OPEN_AT_WIDTH: Final = 32
"""A pool that let this many starts be under way at once, and refused none, is open again."""

MOST_DOUBLINGS: Final = 24
"""No delay is doubled more often: six days, the longest that can be set, doubled so often still is a timedelta."""

STALE_AFTER: Final = timedelta(hours=1)
"""A gate that was due so long ago, and that nobody used since, says nothing about the capacity of today."""

PLACE_KEPT: Final = timedelta(minutes=5)
"""How long a VM keeps its place in a pool without news of it, so that a lost start blocks nobody for long."""


@dataclass(frozen=True, slots=True)
class PoolId:
    """What shares one fate: subscription (its spot quota), region, zone and size. Lower case, zone may be ``""``."""

    subscription_id: str
    location: str
    zone: str
    size: str

    def __str__(self) -> str:
        """Name the pool for a sentence: ``standard_d2s_v5 in westeurope, zone 1``."""
        return f"{self.size} in {self.location}" + (f", zone {self.zone}" if self.zone else "")


@dataclass(frozen=True, slots=True)
class Pool:
    """The gate of one pool. ``width`` is how many starts may be under way at once; ``None`` means open, no limit.

    ``under_way`` gives, for each VM key that holds a place, until when it is kept.
    """

    pool_id: PoolId
    refusals: int = 0
    closed_until: datetime | None = None
    width: int | None = None
    under_way: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Admitted:
    """The VM may start now; ``pool`` is the gate with its place taken."""

    pool: Pool


@dataclass(frozen=True, slots=True)
class Held:
    """The VM has to wait for its turn, and may ask again at ``until``."""

    until: datetime


def pool_of(vm: Vm) -> PoolId:
    """Name the pool that a VM competes in."""
    return PoolId(vm.vm_id.subscription_id.lower(), vm.location.lower(), (vm.zone or "").lower(), vm.size.lower())


def ask(pool: Pool, vm_key: str, now: datetime, turn: timedelta) -> Admitted | Held:
    """Answer whether a VM may be started now.

    ``turn`` is how much later than the pool's own time this VM comes back, so that those who wait do not all come at
    the same instant.
    """
    pool = _as_of(now, pool)
    if pool.width is None:
        return Admitted(pool)
    if pool.closed_until is not None and now < pool.closed_until:
        return Held(pool.closed_until + turn)
    under_way = {key: until for key, until in pool.under_way.items() if until > now}
    if vm_key not in under_way and len(under_way) >= pool.width:
        return Held(now + turn)
    return Admitted(replace(pool, under_way={**under_way, vm_key: now + PLACE_KEPT}))


def refused(pool: Pool, now: datetime, first: timedelta, longest: timedelta, roll: float) -> Pool:
    """Close the pool after "no capacity": ``first`` long, doubled with each refusal in a row, ``longest`` at most.

    A tenth more or less by ``roll`` (0 to 1). VMs that were let in before the pool closed bring late refusals; they
    say nothing new, so a pool that is closed already stays as it is.
    """
    pool = _as_of(now, pool)
    if pool.closed_until is not None and now < pool.closed_until:
        return pool
    doublings = min(pool.refusals, MOST_DOUBLINGS)
    delay = min(first * 2**doublings, longest) * (0.9 + 0.2 * roll)
    return Pool(pool.pool_id, refusals=pool.refusals + 1, closed_until=now + delay, width=1)


def restored(pool: Pool, vm_key: str) -> Pool:
    """Widen the pool after a VM that held a place in it came up; at ``OPEN_AT_WIDTH`` it is open again.

    A VM that was let in before the pool closed says nothing about the capacity since then.
    """
    if pool.width is None or vm_key not in pool.under_way:
        return pool
    width = pool.width * 2
    if width >= OPEN_AT_WIDTH:
        return Pool(pool.pool_id)
    under_way = {key: until for key, until in pool.under_way.items() if key != vm_key}
    return replace(pool, refusals=0, width=width, under_way=under_way)


def left(pool: Pool, vm_key: str) -> Pool:
    """Give back the place of a VM whose start ended without saying anything about capacity."""
    if vm_key not in pool.under_way:
        return pool
    return replace(pool, under_way={key: until for key, until in pool.under_way.items() if key != vm_key})


def due(pool: Pool, now: datetime) -> Pool:
    """End a closed pool's pause at an operator's word: one VM may probe it now."""
    is_closed = pool.closed_until is not None and now < pool.closed_until
    return replace(pool, closed_until=now) if is_closed else pool


def _as_of(now: datetime, pool: Pool) -> Pool:
    """Give the gate as it counts now: open, where it is a story of long ago."""
    in_use = any(until > now for until in pool.under_way.values())
    if pool.closed_until is None or in_use or now - pool.closed_until <= STALE_AFTER:
        return pool
    return Pool(pool.pool_id)
