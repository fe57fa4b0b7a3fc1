"""Foretells what the app would decide about a VM now, by the app's own look and rules, and changes nothing.

A VM that may come back as another size has several pools; their gates are read and not saved, and what Azure offers is
not noted. Called by ``gather.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from spot_responder.decisions.decide import decide
from spot_responder.decisions.fallback.sizes import order_of
from spot_responder.decisions.situations import Wait
from spot_responder.intake.signals import Signal, SignalKind, Source
from spot_responder.responder.gather import gather_rows, look
from spot_responder.responder.sizes.answers import Answers
from spot_responder.responder.sizes.fallback import FallbackSizes
from spot_responder.responder.sizes.offerings import Offerings
from spot_responder.responder.sizes.spot_prices import SpotPrices

if TYPE_CHECKING:
    from datetime import datetime

    from spot_responder.decisions.pools import PoolGate, PoolId
    from spot_responder.decisions.situations import Decision, Situation
    from spot_responder.intake.vms import VmId
    from spot_responder.offerings.noted import Noted
    from spot_responder.responder.ports import Arm, Notes, Ports
    from spot_responder.settings import Settings

_MIDDLE: Final = 0.5
"""The jitter of a foretold decision: the app's own is random, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Foretelling:
    """Foretells decisions as of one time. ``offerings``: ``None`` where the app changes no sizes."""

    ports: Ports
    settings: Settings
    now: datetime
    offerings: Offerings | None

    async def of(self, vm_id: VmId, kind: SignalKind = SignalKind.SWEEP_FOUND) -> tuple[Situation, Decision]:
        """Read a VM as the app does for a find, or for an operator's request: both signals have only its id."""
        source = Source.OPERATOR if kind is SignalKind.OPERATOR_ASKED else Source.SWEEP
        rows = await gather_rows(Signal(vm_id, kind, None, source, ""), self.ports, self.now)
        if rows is None:
            message = "only a stale follow-up gathers nothing"
            raise AssertionError(message)
        looked = await look(rows, self.ports, self.settings.policy)
        situation, vm = looked.situation, looked.situation.vm
        if looked.pool_id is None or vm is None:
            return situation, self.decided(situation)
        situation = replace(situation, gate=await self._gate(looked.pool_id))
        own = self.decided(situation)
        if self.offerings is None or len(order_of(situation, vm, self.settings.policy)) == 1:
            return situation, own
        situation, decision = await FallbackSizes(self.offerings, self.settings.policy, self._at_gate).decide(
            situation, vm
        )
        if isinstance(own, Wait) and own.in_pool_queue and isinstance(decision, Wait):
            # The app lets such a VM be read each time, for another pool may open; queued it is all the same.
            decision = replace(decision, in_pool_queue=True)
        return situation, decision

    def decided(self, situation: Situation) -> Decision:
        """Decide on a situation."""
        return decide(situation, self.settings.policy, self.now, _MIDDLE)

    async def _at_gate(self, pool_id: PoolId, situation: Situation) -> Decision:
        return self.decided(replace(situation, gate=await self._gate(pool_id)))

    async def _gate(self, pool_id: PoolId) -> PoolGate:
        return (await self.ports.store.load_gate(pool_id)).value


def foretelling(ports: Ports, settings: Settings, now: datetime, offers: Arm | None) -> Foretelling:
    """Begin to foretell. ``offers``: whom to ask what Azure offers; ``None``: of a VM's own size only is foretold."""
    if offers is None or not settings.policy.resizes:
        return Foretelling(ports, settings, now, None)
    answers = Answers(_ReadOnly(ports.pricing.notes), lambda: now)
    prices = SpotPrices(ports.pricing.price_list, answers)
    return Foretelling(ports, settings, now, Offerings(offers, answers, prices, not_read=lambda _vm_id, _failure: None))


@dataclass(frozen=True, slots=True)
class _ReadOnly:
    """What the app noted of Azure's offerings. What is told now is not noted: operators need not write tables."""

    notes: Notes

    async def load(self, key: str) -> Noted | None:
        """Load what was noted. Raises ``StoreFailedError``."""
        return await self.notes.load(key)

    async def save(self, key: str, noted: Noted) -> None:
        """Note nothing."""
