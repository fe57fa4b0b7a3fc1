"""When a pool may be tried: probe, open, ramp.

A pool is the spare capacity that VMs of one size compete for in one place. How many starts may be under way in it at
once is its width, and the width follows what comes of them, as a TCP sender's window follows its losses (RFC 5681):

- Where nobody has come up since a VM went down, ``FIRST_STARTS`` are tried first. As soon as one comes up the pool is
  proven for all that went down before, and nobody is held.
- One "no capacity" closes it for everybody, and at the end of the pause one VM probes. If nobody came up since the
  refusal before, each pause is twice the one before; else capacity trickles, and the pause is a first one.
- Each VM that comes up widens the pool by one, which doubles it from round to round; where capacity trickles, by one a
  round.

So an outage of hundreds of VMs costs a handful of start requests, and capacity that comes back little by little is
taken as it comes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spot_responder.decisions.policy import Policy
    from spot_responder.intake.vms import Vm

FIRST_STARTS: Final = 110
"""So many starts show whether there is capacity; if there is none, they are all that a mass eviction costs at once.

Fewer would cost fewer: but in the time that shows it, ARM would let us ask for 400, so each of them counts."""

MOST_UNDER_WAY: Final = 130
"""No pool grows wider: all who hold a place stand in one cell of its row, which holds 32,768 characters. Where their
ids are as long as Azure allows, and share no more than the subscription, each of them takes up to 250."""

NEWS_AFTER: Final = timedelta(seconds=22)
"""A start takes some 20 seconds: who is held for the first ones need not ask before there can be news of them."""

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
    """The gate of one pool.

    Attributes:
        refusals: how often in a row it refused, nobody having come up in between.
        closed_until: the end of the pause after the latest refusal; ``None`` where it never refused.
        width: how many starts may be under way at once.
        trickles: its capacity came back little by little: it grows by one a round.
        round_of: how many came up in this round.
        refused_last: the key of the VM that it refused last.
        proven_at: when a VM last came up here, as long as it never refused.
        under_way: for each VM key that holds a place, until when it is kept.
    """

    pool_id: PoolId
    refusals: int = 0
    closed_until: datetime | None = None
    width: int = FIRST_STARTS
    trickles: bool = False
    round_of: int = 0
    refused_last: str = ""
    proven_at: datetime | None = None
    under_way: Mapping[str, datetime] = field(default_factory=dict)

    def is_closed(self, now: datetime) -> bool:
        """Whether its pause is not over."""
        return self.closed_until is not None and now < self.closed_until

    def is_proven_for(self, down_since: datetime) -> bool:
        """Whether a VM came up here after this one went down, and none was refused."""
        return self.proven_at is not None and down_since < self.proven_at


@dataclass(frozen=True, slots=True)
class Admitted:
    """The VM may start now; ``pool`` is the gate with its place taken."""

    pool: Pool


@dataclass(frozen=True, slots=True)
class Queued:
    """The VM has to wait for its turn, and may ask again at ``until``."""

    until: datetime


def pool_of(vm: Vm) -> PoolId:
    """Name the pool that a VM competes in."""
    return PoolId(vm.vm_id.subscription_id.lower(), vm.location.lower(), (vm.zone or "").lower(), vm.size.lower())


def ask(pool: Pool, vm_key: str, down_since: datetime, now: datetime, turn: timedelta) -> Admitted | Queued:
    """Answer whether a VM that is down since ``down_since`` may be started now.

    ``turn`` is how much later than the pool's own time this VM comes back, so that those who wait do not all come at
    the same instant.
    """
    pool = _as_of(now, pool)
    if pool.is_proven_for(down_since):
        return Admitted(pool)
    if pool.closed_until is not None and pool.is_closed(now):
        return Queued(pool.closed_until + turn)
    under_way = {key: until for key, until in pool.under_way.items() if until > now}
    if vm_key not in under_way and len(under_way) >= pool.width:
        news_at = min(under_way.values()) - PLACE_KEPT + NEWS_AFTER
        return Queued(max(now + turn, news_at) if pool.closed_until is None else now + turn)
    return Admitted(replace(pool, under_way={**under_way, vm_key: now + PLACE_KEPT}))


def refused(pool: Pool, vm_key: str, now: datetime, policy: Policy, jitter: float) -> Pool:
    """Close the pool after "no capacity", for a pause that is a tenth more or less by ``jitter`` (0 to 1).

    VMs that were let in before the pool closed bring late refusals: they say nothing new.
    """
    pool = _as_of(now, pool)
    if pool.is_closed(now):
        return left(pool, vm_key)
    doublings = min(pool.refusals, MOST_DOUBLINGS)
    pause = min(policy.capacity_retry * 2**doublings, policy.capacity_retry_max) * (0.9 + 0.2 * jitter)
    trickles = pool.proven_at is not None or (pool.closed_until is not None and pool.refusals == 0)
    return Pool(
        pool.pool_id,
        refusals=pool.refusals + 1,
        closed_until=now + pause,
        width=1,
        trickles=trickles,
        refused_last=vm_key,
        under_way=left(pool, vm_key).under_way,
    )


def restored(pool: Pool, vm_key: str, now: datetime, policy: Policy) -> Pool:
    """Widen the pool after a VM that held a place in it came up.

    One that was let in before the pool closed shows that there was some capacity: the pause need be no longer than a
    first one.
    """
    if vm_key not in pool.under_way:
        return pool
    freed = left(pool, vm_key)
    if pool.closed_until is None:
        return replace(freed, proven_at=now)
    if pool.is_closed(now):
        return replace(freed, refusals=0, closed_until=min(pool.closed_until, now + policy.capacity_retry))
    wider = min(pool.width + 1, MOST_UNDER_WAY)
    if not pool.trickles:
        return replace(freed, refusals=0, width=wider)
    if pool.round_of + 1 < pool.width:
        return replace(freed, refusals=0, round_of=pool.round_of + 1)
    return replace(freed, refusals=0, width=wider, round_of=0)


def left(pool: Pool, vm_key: str) -> Pool:
    """Give back the place of a VM whose start ended without saying anything about capacity."""
    if vm_key not in pool.under_way:
        return pool
    return replace(pool, under_way={key: until for key, until in pool.under_way.items() if key != vm_key})


def due(pool: Pool, now: datetime) -> Pool:
    """End a closed pool's pause at an operator's word: one VM may probe it now."""
    return replace(pool, closed_until=now) if pool.is_closed(now) else pool


def _as_of(now: datetime, pool: Pool) -> Pool:
    """Give the gate as it counts now: new, where it is a story of long ago."""
    in_use = any(until > now for until in pool.under_way.values())
    last = max((time for time in (pool.closed_until, pool.proven_at) if time), default=None)
    if last is None or in_use or now - last <= STALE_AFTER:
        return pool
    return Pool(pool.pool_id)
