"""Gather, decide, act: the one way of every signal, wherever it comes from.

Delivery is at least once, late, out of order or never: each step may be repeated, and a row that another worker changed
meanwhile is gathered anew before anything is done. ``function_app.py`` calls it for each message and each sweep;
``gather.py``, ``decisions/decide.py`` and ``act.py`` are its steps.

Two things lie between them. ``mass_eviction.py`` comes first: it lets VMs wait that need not be read. And where a
decision rests on a pool's gate, it is made while ``pool_gates.py`` has the gate loaded, which saves the VM's place at
the gate before anything is done.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from spot_responder.decisions.decide import decide
from spot_responder.decisions.situations import Ignore, Requeue
from spot_responder.intake.inboxes import read_from
from spot_responder.intake.own_messages import (
    requeued_as_unseen,
    unseen_since,
)
from spot_responder.intake.payloads import NotOurs, UnreadableEvent, parse_body
from spot_responder.intake.signals import Inbox, Source
from spot_responder.responder.act import Actor
from spot_responder.responder.acting.requests import Requests
from spot_responder.responder.acting.resizes import SizeChanger
from spot_responder.responder.acting.save import Saver
from spot_responder.responder.acting.starts import Starter
from spot_responder.responder.agents_word import AgentsWord
from spot_responder.responder.gather import gather_rows, look
from spot_responder.responder.log import (
    log_decision,
    log_not_ours,
    log_unreadable,
)
from spot_responder.responder.mass_eviction import MassEviction
from spot_responder.responder.ports import AzureRefusedError, ChangedMeanwhileError, Ports, StoreFailedError
from spot_responder.responder.publish import Publisher
from spot_responder.responder.remember import remember
from spot_responder.responder.retry_on_change import retry_on_change
from spot_responder.responder.sizes.fallback import FallbackSizes
from spot_responder.responder.sizes.max_prices import MaxPrices
from spot_responder.responder.sweep import Sweep
from spot_responder.responder.unanswered import Unanswered
from spot_responder.responder.work.looks import WorkLooks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from spot_responder.decisions.pools import PoolGate, PoolId
    from spot_responder.decisions.situations import Decision, Situation
    from spot_responder.intake.signals import Signal
    from spot_responder.responder.gather import Gathered
    from spot_responder.responder.pool_gates import Gates
    from spot_responder.responder.sizes.offerings import Offerings
    from spot_responder.responder.sizes.spot_prices import SpotPrices
    from spot_responder.settings import Settings


CLOCKS_DIFFER: Final = timedelta(minutes=15)
"""How far the app's clock may be behind Azure's: a signal dated later than that is wrong or forged."""


@dataclass(frozen=True, slots=True)
class Responder:
    """Answers signals. ``clock`` gives the time in UTC, ``jitter`` a number from 0 to 1, ``new_id`` a fresh id.

    ``prices``: today's Spot prices. ``offerings``: what Azure offers, where sizes may be changed.
    """

    ports: Ports
    gates: Gates
    settings: Settings
    clock: Callable[[], datetime]
    jitter: Callable[[], float]
    new_id: Callable[[], str]
    prices: SpotPrices
    offerings: Offerings | None = None

    async def handle(self, body: str | bytes, *, inbox: Inbox = Inbox.SIGNALS, delivery: int = 1) -> None:
        """Answer one message; ``delivery`` counts how often the host has brought it, ``inbox`` is where from.

        Raises:
            UnreadableEvent: if it is no event, or too large to be requeued when Azure does not answer. The host tries
                again and then puts it on the poison queue.
        """
        try:
            event = parse_body(body)
            signal = read_from(inbox, event)
        except UnreadableEvent as problem:
            if delivery == 1:
                log_unreadable(str(problem), inbox)
            raise
        if isinstance(signal, NotOurs):
            log_not_ours(signal.reason)
            return
        now = self.clock()
        if signal.occurred_at is None:
            # The event is given the time of its first arrival, and keeps it however often it is requeued.
            event = {**event, "time": now.isoformat()}
        signal = _dated(signal, event, inbox, now)
        try:
            has_looked = await self._respond(signal, event)
            if inbox is Inbox.SIGNALS and has_looked:
                await self._unanswered().answered(event)
        except AzureRefusedError as refusal:
            await self._unanswered().refused(signal, event, refusal)
        except StoreFailedError as problem:
            await self._unanswered().store_failed(signal, event, problem)
        except ChangedMeanwhileError as problem:
            await self._unanswered().row_changed(signal, event, problem)

    async def wake(self, body: str | bytes) -> None:
        """Answer one message of the queue ``wakes``: look at the work queue that it names."""
        await self._work_looks().wake(body)

    async def sweep(self) -> int:
        """Sweep once; give for how many VMs a find was put on the queue."""
        tag = self.settings.policy.restart_tag
        try:
            found = await Sweep(self.ports, self._publisher(), tag, self.clock, self.new_id).run()
        except Exception:
            # Work waits for no other trouble, nor does the sweep for that of the queue ``wakes``.
            await self._wake_work()
            raise
        await self._wake_work()
        # Last: no VM waits for prices.
        await MaxPrices(self.ports, self.prices, self._publisher(), tag, self.clock).compare()
        return found

    async def _wake_work(self) -> None:
        if self.ports.work is not None:
            await self._work_looks().wake_all()

    async def _respond(self, signal: Signal, event: Mapping[str, object]) -> bool:
        """Do what a signal asks for; answer whether the VM was looked at for it."""
        if signal.is_only_noted:
            await AgentsWord(self.ports.store, self._publisher(), self.clock).note(signal)
            return False
        decision = await retry_on_change(signal.vm_id, lambda: self._gather_decide_act(signal))
        if isinstance(decision, Requeue):
            await self._requeue(event, decision)
        return decision is not None

    async def _gather_decide_act(self, signal: Signal) -> Decision | None:
        """Gather, decide and act once; ``None`` where the VM was not looked at: nothing new, or not its turn."""
        gathered = await gather_rows(signal, self.ports, self.clock())
        if gathered is None:
            return None
        if not self.settings.dry_run:
            gathered, wait = await self._mass_eviction().wait_unread(gathered)
            if wait is not None:
                await self._actor().act(gathered, wait, self.clock(), self.jitter())
                return None
        gathered = await look(gathered, self.ports, self.settings.policy)
        gathered, decision = await self._decide(gathered)
        await self._act(gathered, decision)
        return decision

    async def _act(self, gathered: Gathered, decision: Decision) -> None:
        if self.settings.dry_run:
            log_decision(gathered.situation, decision, self.clock(), dry_run=True)
            await remember(gathered, decision, self.clock(), self.ports.store, self.new_id)
        else:
            await self._actor().act(gathered, decision, self.clock(), self.jitter())

    async def _decide(self, gathered: Gathered) -> tuple[Gathered, Decision]:
        """Decide on the situation, and on the gate of the VM's pool where the decision rests on that."""
        situation, vm = gathered.situation, gathered.situation.vm
        if gathered.pool_id is None or vm is None:
            return gathered, decide(situation, self.settings.policy, self.clock(), self.jitter())
        if self.offerings is None:
            return gathered, await self._decide_and_save_gate(gathered.pool_id, situation)
        # It may come back as another size, and has a pool for each.
        sizes = FallbackSizes(self.offerings, self.settings.policy, self._decide_and_save_gate)
        situation, decision = await sizes.decide(situation, vm)
        return replace(gathered, situation=situation), decision

    async def _decide_and_save_gate(self, pool_id: PoolId, situation: Situation) -> Decision:
        """Decide with a pool's gate as it is now; the VM's place at it is saved before anything is done."""

        def decide_on(gate: PoolGate) -> tuple[Decision, PoolGate | None]:
            decision = decide(replace(situation, gate=gate), self.settings.policy, self.clock(), self.jitter())
            changed = None if self.settings.dry_run or isinstance(decision, Ignore | Requeue) else decision.gate
            return decision, changed

        return await self.gates.update(pool_id, decide_on)

    async def _requeue(self, event: Mapping[str, object], again: Requeue) -> None:
        message = requeued_as_unseen(event, again.unseen_since)
        await self.ports.queue.put(message, max(again.until - self.clock(), timedelta()))

    def _work_looks(self) -> WorkLooks:
        return WorkLooks(self.ports, self.settings, self.clock, self.jitter, self.new_id)

    def _publisher(self) -> Publisher:
        return Publisher(self.ports.store, self.ports.events_topic, self.clock)

    def _actor(self) -> Actor:
        ports, policy, publisher = self.ports, self.settings.policy, self._publisher()
        saver = Saver(ports.store, ports.queue, publisher, self.clock, self.new_id)
        requests = Requests(ports.store, saver, self.clock)
        starter = Starter(ports.compute, self.gates, saver, requests, policy, self.clock)
        size_changer = SizeChanger(ports.resizing, self.gates, saver, requests, policy, self.clock)
        return Actor(ports.store, saver, starter, size_changer, publisher, self.new_id)

    def _mass_eviction(self) -> MassEviction:
        return MassEviction(self.ports, self.gates, self.settings.policy, self.clock, self.jitter)

    def _unanswered(self) -> Unanswered:
        return Unanswered(self.ports, self._actor(), self.settings, self.clock, self.jitter)


def _dated(signal: Signal, event: Mapping[str, object], inbox: Inbox, now: datetime) -> Signal:
    """Date a signal without a time, or from the future, as of now: otherwise it would outweigh all others.

    Of an agent, no time later than now is believed: the app waits for what it announces. Nor is one of the app's own
    notes, which would be forged; agents' messages have none.
    """
    occurred_at = signal.occurred_at or now
    if signal.source is Source.AGENT:
        occurred_at = min(occurred_at, now)
    elif occurred_at > now + CLOCKS_DIFFER:
        occurred_at = now
    unseen = unseen_since(event) if inbox is Inbox.SIGNALS else None
    return replace(signal, occurred_at=occurred_at, unseen_since=min(unseen, now) if unseen else None)
