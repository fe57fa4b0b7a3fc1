"""The gate of a pool: when one of its VMs may be started. Pure.

A pool is the spare capacity that VMs of one size compete for in one place. Its gate limits how many starts may be under
way at once (its width), and adapts it to their results, as a TCP sender adapts its window to losses (RFC 5681):

- While no VM has come up since the pool's VMs went down, ``FIRST_STARTS`` are tried. As soon as one comes up, the pool
  is proven for every VM that went down before that, and none of them is queued.
- One "no capacity" closes the pool for all its VMs, and after the pause one VM probes it. If no VM came up since the
  refusal before, each pause is twice the one before; otherwise capacity trickles, and the pause is a first one again.
- Each VM that comes up widens the pool by one, which doubles it from round to round; where capacity trickles, by one a
  round.

So an outage of hundreds of VMs costs a handful of start requests, and capacity that returns little by little is used as
it comes. ``decide.py`` and ``refused_starts.py`` ask it; ``responder/pool_gates.py`` loads and saves it. States:
docs/states.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from spot_responder.decisions.pauses import pause_without_capacity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spot_responder.decisions.policy import Policy
    from spot_responder.intake.vms import Vm

FIRST_STARTS: Final = 110
"""How many starts are tried in a pool that has not refused yet; without capacity, they are the cost of a mass eviction.

A smaller number would cost fewer requests: but in the time until the first result, ARM would accept 400 of them."""

MOST_UNDER_WAY: Final = 130
"""The largest width of a pool: the VMs that hold a place are in one cell of its row, which holds 32,768 characters.
Where their ids are as long as Azure allows, and share no more than the subscription, each takes up to 250."""

NEWS_AFTER: Final = timedelta(seconds=22)
"""How long after the first starts a queued VM asks again: a start takes some 20 seconds, so nothing is known before."""

STALE_AFTER: Final = timedelta(hours=1)
"""How long after its last time a gate that is not in use still counts: an older one says nothing about today's
capacity."""

PLACE_KEPT: Final = timedelta(minutes=5)
"""How long a VM keeps its place in a pool without a result, so that a lost start does not block others for long."""


@dataclass(frozen=True, slots=True)
class PoolId:
    """The name of a pool: subscription (its quota), region, zone and size. Lower case, zone may be ``""``.

    ``is_spot``: regular VMs, which only work queues start, have a pool of their own: Azure keeps capacity for them, and
    counts their quota apart.
    """

    subscription_id: str
    location: str
    zone: str
    size: str
    is_spot: bool = True

    def __str__(self) -> str:
        """Name the pool for a sentence: ``standard_d2s_v5 in westeurope, zone 1``."""
        where = f"{self.size} in {self.location}" + (f", zone {self.zone}" if self.zone else "")
        return where if self.is_spot else f"{where}, not Spot"


@dataclass(frozen=True, slots=True)
class PoolGate:
    """The gate of one pool.

    Attributes:
        refusals: how often in a row it refused, with no VM coming up in between.
        closed_until: the end of the pause after the latest refusal; ``None`` where it never refused.
        width: how many starts may be under way at once.
        trickles: its capacity returned little by little, so its width grows by one a round.
        round_of: how many VMs came up in this round.
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
    """The VM may start now. ``gate`` is the pool's, with the VM's place taken; a proven pool counts no places."""

    gate: PoolGate


@dataclass(frozen=True, slots=True)
class Queued:
    """The VM has to wait for its turn, and may ask again at ``until``."""

    until: datetime


def pool_of(vm: Vm, size: str = "") -> PoolId:
    """Name the pool that a VM competes in, or would with another size."""
    place = vm.vm_id.subscription_id.lower(), vm.location.lower(), (vm.zone or "").lower()
    return PoolId(*place, (size or vm.size).lower(), vm.is_spot)


def admit(gate: PoolGate, vm_key: str, down_since: datetime, now: datetime, turn: timedelta) -> Admitted | Queued:
    """Answer whether a VM that is down since ``down_since`` may be started now.

    ``turn`` is how much later than the pool's own time this VM comes back, so that not all queued VMs come at the same
    instant.
    """
    gate = _as_of(now, gate)
    if gate.is_proven_for(down_since):
        return Admitted(gate)
    if gate.closed_until is not None and gate.is_closed(now):
        return Queued(gate.closed_until + turn)
    under_way = {key: until for key, until in gate.under_way.items() if until > now}
    if vm_key not in under_way and len(under_way) >= gate.width:
        first_admitted_at = min(under_way.values()) - PLACE_KEPT
        return Queued(max(now + turn, first_admitted_at + NEWS_AFTER) if gate.closed_until is None else now + turn)
    return Admitted(replace(gate, under_way={**under_way, vm_key: now + PLACE_KEPT}))


def holds_place(gate: PoolGate, vm_key: str, now: datetime) -> bool:
    """Whether the VM was admitted, and nothing came of it yet: also where others were refused since."""
    return gate.under_way.get(vm_key, now) > now


def refused(gate: PoolGate, vm_key: str, now: datetime, policy: Policy, jitter: float) -> PoolGate:
    """Close the pool after "no capacity", for a pause that is a tenth more or less by ``jitter`` (0 to 1).

    Refusals of VMs that were admitted before the pool closed arrive later, and say nothing new.
    """
    gate = _as_of(now, gate)
    if gate.is_closed(now):
        return left(gate, vm_key)
    pause = pause_without_capacity(gate.refusals, policy, jitter)
    # Refused right after a success: capacity comes back little by little.
    trickles = gate.proven_at is not None or (gate.closed_until is not None and gate.refusals == 0)
    return PoolGate(
        gate.pool_id,
        refusals=gate.refusals + 1,
        closed_until=now + pause,
        width=1,
        trickles=trickles,
        refused_last=vm_key,
        under_way=left(gate, vm_key).under_way,
    )


def restored(gate: PoolGate, vm_key: str, now: datetime, policy: Policy) -> PoolGate:
    """Widen the pool after a VM that held a place in it came up.

    If the pool has closed since that VM was admitted, there is some capacity all the same: the pause becomes no longer
    than a first one.
    """
    if vm_key not in gate.under_way:
        return gate
    freed = left(gate, vm_key)
    if gate.closed_until is None:
        return replace(freed, proven_at=now)
    if gate.is_closed(now):
        return replace(freed, refusals=0, closed_until=min(gate.closed_until, now + policy.capacity_retry))
    wider = min(gate.width + 1, MOST_UNDER_WAY)
    if not gate.trickles:
        return replace(freed, refusals=0, width=wider)
    if gate.round_of + 1 < gate.width:
        return replace(freed, refusals=0, round_of=gate.round_of + 1)
    return replace(freed, refusals=0, width=wider, round_of=0)


def left(gate: PoolGate, vm_key: str) -> PoolGate:
    """Give back the place of a VM whose start ended without saying anything about capacity."""
    if vm_key not in gate.under_way:
        return gate
    return replace(gate, under_way={key: until for key, until in gate.under_way.items() if key != vm_key})


def due(gate: PoolGate, now: datetime) -> PoolGate:
    """End a closed pool's pause for an operator's ``retry``: one VM may probe it now."""
    return replace(gate, closed_until=now) if gate.is_closed(now) else gate


def _as_of(now: datetime, gate: PoolGate) -> PoolGate:
    """Give the gate as it counts now: a new one, if it is stale."""
    in_use = any(until > now for until in gate.under_way.values())
    last = max((time for time in (gate.closed_until, gate.proven_at) if time), default=None)
    if last is None or in_use or now - last <= STALE_AFTER:
        return gate
    return PoolGate(gate.pool_id)
