"""Asks the pools of a VM's sizes, one after the other, until one admits the VM.

Each pool is asked by the whole decision with its gate, as for a VM with one size only. What Azure offers is looked
up before a size is asked about that the VM neither has nor had at first. Called by ``responder.py``;
``decisions/fallback`` has the rules.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, assert_never

from spot_responder.decisions.attempts import WeighedSize
from spot_responder.decisions.fallback.sizes import is_same, notes_of, order_of
from spot_responder.decisions.pools import pool_of
from spot_responder.decisions.situations import Close, Ignore, Requeue, Resize, Start, Wait
from spot_responder.intake.signals import SignalKind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from spot_responder.decisions.policy import Policy
    from spot_responder.decisions.pools import PoolId
    from spot_responder.decisions.situations import Decision, OfferedSize, Situation
    from spot_responder.intake.vms import Vm
    from spot_responder.responder.sizes.offerings import Offerings

type DecideAtGate = Callable[[PoolId, Situation], Awaitable[Decision]]
"""Decides on a situation with a pool's gate, and saves what that makes of the gate."""


@dataclass(frozen=True, slots=True)
class FallbackSizes:
    """Decides about VMs that may come back as another size."""

    offerings: Offerings
    policy: Policy
    decide_at_gate: DecideAtGate

    async def decide(self, situation: Situation, vm: Vm) -> tuple[Situation, Decision]:
        """Decide; give the situation with what was thought of each size."""
        sizes = order_of(situation, vm, self.policy)
        if len(sizes) == 1:
            return situation, await self.decide_at_gate(pool_of(situation.as_it_was_asked_for(vm)), situation)
        if situation.kind is SignalKind.OPERATOR_ASKED:
            # Their word ends pauses; but a pool that is open needs no such word.
            heeding, answer = await self._go_through(sizes, replace(situation, heeds_pauses=True), vm)
            if answer.is_final:
                return heeding, answer.decision
            situation = replace(situation, offered=heeding.offered)
        situation, answer = await self._go_through(sizes, situation, vm)
        return situation, answer.decision

    async def _go_through(
        self, sizes: Sequence[str], situation: Situation, vm: Vm
    ) -> tuple[Situation, _Final | _NotNow]:
        """Ask one pool after the other until one admits the VM; else give what may be tried first."""
        known = {size.lower() for size in (vm.size, notes_of(situation.recovery).first_of(vm.size))}
        waits: list[_NotNow] = []
        for size in sizes:
            if size.lower() not in known and not situation.offered:
                situation = replace(situation, offered=await self.offerings.of(vm, sizes))
            answer = await self._try(situation, vm, size)
            situation = replace(situation, weighed=(*situation.weighed, answer.told))
            if answer.is_final:
                return situation, answer
            waits.append(answer)
        return situation, min(waits, key=lambda answer: answer.decision.until)

    async def _try(self, situation: Situation, vm: Vm, size: str) -> _Final | _NotNow:
        asked = replace(situation, size_considered=size)
        decision = await self.decide_at_gate(pool_of(vm, size), asked)
        offered = situation.offered.get(size.lower())
        if not isinstance(decision, Wait) or not (decision.in_pool_queue or decision.keeps_from_size):
            return _Final(WeighedSize(size, _verb(decision), _price(offered)), decision)
        told = WeighedSize(size, decision.reason, _price(offered))
        wait = replace(decision, in_pool_queue=False, pool_has_closed=False, keeps_from_size=False)
        is_first = is_same(size, notes_of(situation.recovery).first_of(vm.size))
        # Its own pool has places, and its turn comes: nothing was refused that another size could make up for.
        is_only_queued = is_first and decision.in_pool_queue and not decision.pool_has_closed
        return _Final(told, wait) if is_only_queued else _NotNow(told, wait)


@dataclass(frozen=True, slots=True)
class _Final:
    """The decision about a size is the decision about the VM. ``told`` says so for the row."""

    told: WeighedSize
    decision: Decision
    is_final: Literal[True] = True


@dataclass(frozen=True, slots=True)
class _NotNow:
    """The VM may not come back as this size now; another one may be tried."""

    told: WeighedSize
    decision: Wait
    is_final: Literal[False] = False


def _price(offered: OfferedSize | None) -> str:
    if offered is None:
        return ""
    price = offered.spot_price
    return f"{price:g} USD an hour" if price is not None else "price unknown"


def _verb(decision: Decision) -> str:
    match decision:
        case Resize():
            return "the VM was to be changed to it, then started"
        case Start():
            return "a start with it was to be asked for"
        case Wait() | Close() | Ignore() | Requeue():
            return decision.reason
        case _:
            assert_never(decision)
