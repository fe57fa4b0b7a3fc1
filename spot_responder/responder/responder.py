"""Gather, decide, act: the one way that every signal goes, whatever it came from.

Delivery is at least once, late, out of order or never: each step may be repeated, and what somebody else changed
meanwhile is looked at again before anything is done.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from spot_responder.decisions.decide import decide, decide_in_the_pool_queue
from spot_responder.decisions.situations import Ignore, Requeue
from spot_responder.intake.own_messages import (
    requeued_as_unseen,
    unseen_since,
)
from spot_responder.intake.signals import NotOurs, Signal, UnreadableEvent, parse_body, read_event
from spot_responder.responder.act import TRIES, Actor
from spot_responder.responder.gather import gather_rows, look, peek_at_graph
from spot_responder.responder.log import (
    log_decision,
    log_not_ours,
    log_unreadable,
)
from spot_responder.responder.ports import AzureRefusedError, ChangedMeanwhileError, Ports, StoreFailedError
from spot_responder.responder.refused_looks import Unanswered
from spot_responder.responder.sweep import Sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from spot_responder.decisions.pools import Pool
    from spot_responder.decisions.situations import Decision, Wait
    from spot_responder.responder.gather import Gathered
    from spot_responder.responder.pool_gates import Gates
    from spot_responder.settings import Settings


CLOCKS_DIFFER: Final = timedelta(minutes=15)
"""Our clock may be so far behind Azure's; what is told from later than that is wrong, or forged."""


@dataclass(frozen=True, slots=True)
class Responder:
    """Answers signals. ``clock`` gives the time in UTC, ``jitter`` a number from 0 to 1, ``new_id`` a fresh id."""

    ports: Ports
    gates: Gates
    settings: Settings
    clock: Callable[[], datetime]
    jitter: Callable[[], float]
    new_id: Callable[[], str]

    async def handle(self, body: str | bytes, *, delivery: int = 1) -> None:
        """Answer one message; ``delivery`` counts how often the host has brought it.

        Raises:
            UnreadableEvent: if it is no event, or too large to be requeued when Azure does not answer. The host tries
                again and then puts it on the poison queue.
        """
        try:
            event = parse_body(body)
            signal = read_event(event)
        except UnreadableEvent as problem:
            if delivery == 1:
                log_unreadable(str(problem))
            raise
        if isinstance(signal, NotOurs):
            log_not_ours(signal.reason)
            return
        now = self.clock()
        if signal.occurred_at is None:
            # From now on it has the time of its first arrival, however often it is requeued.
            event = {**event, "time": now.isoformat()}
        unseen = unseen_since(event)
        # What is noted as later than now was not noted by us.
        signal = replace(signal, unseen_since=min(unseen, now) if unseen else None)
        try:
            await self._respond(_not_after(now, signal), event)
            await self._unanswered().answered(event)
        except AzureRefusedError as refusal:
            await self._unanswered().refused(_not_after(now, signal), event, refusal)
        except StoreFailedError as problem:
            await self._unanswered().store_failed(signal, event, problem)

    async def sweep(self) -> int:
        """Sweep once; give for how many VMs a find was put."""
        tag = self.settings.policy.restart_tag
        return await Sweep(self.ports, self._actor(), tag, self.clock, self.new_id).run()

    def _actor(self) -> Actor:
        return Actor(self.ports, self.gates, self.settings.policy, self.clock, self.new_id)

    def _unanswered(self) -> Unanswered:
        return Unanswered(self.ports, self._actor(), self.settings, self.clock, self.jitter)

    async def _requeue(self, event: Mapping[str, object], again: Requeue) -> None:
        message = requeued_as_unseen(event, again.unseen_since)
        await self.ports.queue.put(message, max(again.until - self.clock(), timedelta()))

    async def _respond(self, signal: Signal, event: Mapping[str, object]) -> None:
        for _ in range(TRIES):
            try:
                rows = await gather_rows(signal, self.ports, self.clock())
                if rows is None or await self._waits_in_pool(rows):
                    return
                known = await peek_at_graph(rows, self.ports, self.settings.policy.restart_tag)
                if known is not rows and await self._waits_in_pool(known):
                    return
                gathered = await look(known, self.ports, self.settings.policy.restart_tag)
                decision = await self._decide_and_act(gathered)
            except ChangedMeanwhileError:
                continue
            if isinstance(decision, Requeue):
                await self._requeue(event, decision)
            return
        message = f"the row of {signal.vm_id} changed {TRIES} times while we looked at it; the message comes back"
        raise ChangedMeanwhileError(message)

    async def _waits_in_pool(self, rows: Gathered) -> bool:
        """Let a VM wait at its pool's gate without a look at it; answer whether it does."""
        if rows.gate is None or self.settings.dry_run:
            return False

        def wait_there(pool: Pool) -> tuple[Wait | None, None]:
            situation = replace(rows.situation, pool=pool)
            return decide_in_the_pool_queue(situation, self.settings.policy, self.clock(), self.jitter()), None

        wait = await self.gates.ask(rows.gate, wait_there)
        if wait is not None:
            await self._actor().act(rows, wait, self.clock(), self.jitter())
        return wait is not None

    async def _decide_and_act(self, gathered: Gathered) -> Decision:
        decision = await self._decide(gathered)
        if self.settings.dry_run:
            log_decision(gathered.situation, decision, self.clock(), dry_run=True)
            await self._actor().remember(gathered, decision, self.clock())
        else:
            await self._actor().act(gathered, decision, self.clock(), self.jitter())
        return decision

    async def _decide(self, gathered: Gathered) -> Decision:
        """Decide on what was gathered; where that rests on a pool's gate, on what it is now, and leave it changed."""
        policy = self.settings.policy
        if gathered.gate is None:
            return decide(gathered.situation, policy, self.clock(), self.jitter())

        def decide_on(pool: Pool) -> tuple[Decision, Pool | None]:
            decision = decide(replace(gathered.situation, pool=pool), policy, self.clock(), self.jitter())
            return decision, None if self.settings.dry_run or isinstance(decision, Ignore | Requeue) else decision.pool

        return await self.gates.ask(gathered.gate, decide_on)


def _not_after(now: datetime, signal: Signal) -> Signal:
    """Give a signal without a time the present one, and let none come from the future: it would outweigh all others."""
    occurred_at = signal.occurred_at or now
    return replace(signal, occurred_at=now if occurred_at > now + CLOCKS_DIFFER else occurred_at)
