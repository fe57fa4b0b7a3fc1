"""Gather, decide, act: the one way that every signal goes, whoever raised the hand.

Delivery is at least once, late, out of order or never: each step may be repeated, and what somebody else changed
meanwhile is looked at again before anything is done.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import batched
from typing import TYPE_CHECKING, Final

from spot_responder.acting import TRIES, Actor
from spot_responder.decisions import decide, decide_at_the_gate
from spot_responder.doors import AzureRefusedError, ChangedMeanwhileError, Clients, StoreFailedError
from spot_responder.event_paths import WINDOW, event_path
from spot_responder.failures import FailureKind
from spot_responder.gathering import gather_rows, look, recognise
from spot_responder.log_lines import (
    log_decision,
    log_denied,
    log_let_go,
    log_not_ours,
    log_put_back,
    log_sweep,
    log_unreadable,
)
from spot_responder.messages import put_back, sweep_found_event, times_put_back
from spot_responder.put_backs import comes_back
from spot_responder.signals import NotOurs, Signal, SignalKind, UnreadableEvent, parse_body, read_event
from spot_responder.situations import Ignore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from spot_responder.gates import Gates
    from spot_responder.gathering import Gathered
    from spot_responder.pools import Pool
    from spot_responder.settings import Settings
    from spot_responder.situations import Decision, Wait
    from spot_responder.vms import VmId

HINT_HOLDS: Final = timedelta(days=1)
"""A signal that we may not look into is kept for so long: what it tells may matter once we may."""

UNTOLD_AT_MOST: Final = timedelta(days=2)
"""An outcome that could not be published for so long is in the history only."""

REFUSED_AT_MOST: Final = 3
"""So many outcomes in a row that the topic does not take, and the others wait for the next sweep."""

PUT_AT_ONCE: Final = 32
"""So many finds go on the queue at once: one after the other, 10,000 of them would take longer than a call may."""

CLOCKS_DIFFER: Final = timedelta(minutes=15)
"""Our clock may be so far behind Azure's; what is told from later than that is wrong, or forged."""


@dataclass(frozen=True, slots=True)
class Responder:
    """Answers signals. ``clock`` gives the time in UTC, ``roll`` a number from 0 to 1, ``new_id`` a fresh id."""

    clients: Clients
    gates: Gates
    settings: Settings
    clock: Callable[[], datetime]
    roll: Callable[[], float]
    new_id: Callable[[], str]

    async def handle(self, body: str | bytes, *, delivery: int = 1) -> None:
        """Answer one message; ``delivery`` counts how often the host has brought it.

        Raises:
            UnreadableEvent: if it is no event, or too large to be put back when Azure does not answer. The host tries
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
            # From now on it has the time of its first arrival, however often it is put back.
            event = {**event, "time": now.isoformat()}
        try:
            await self._respond(_not_after(now, signal))
        except AzureRefusedError as refusal:
            if signal.kind is SignalKind.STOPPED_BY_OWNER:
                await self._note_the_stop(_not_after(now, signal))
            await self._look_later(signal, event, refusal)
        except StoreFailedError as problem:
            if signal.kind is SignalKind.SWEEP_FOUND:
                log_let_go(signal, str(problem))
            elif not (problem.followed_up and signal.kind is SignalKind.FOLLOW_UP):
                await self._put_back(signal, event, problem)

    async def sweep(self) -> int:
        """Raise a hand for every VM that needs us and that nothing told of; give how many. Forget what is over."""
        now, store = self.clock(), self.clients.store
        rows = await store.all_recoveries()
        overdue = {row.value.vm_id for row in rows if row.value.is_overdue(now)}
        busy = {row.value.vm_id for row in rows if row.value.is_open} - overdue
        await self._raise_hands(overdue, now)
        for row in rows:
            if not row.value.is_open and not row.value.recorded:
                await self._actor().tell(row.value, row.etag)
            elif not row.value.is_worth_remembering(now):
                await store.forget(row)
        await self._publish_what_is_untold(now)
        # Last, since it may be throttled: what we know ourselves must not wait for that.
        candidates = await self.clients.graph.deallocated_spot_vms(self.settings.policy.restart_tag)
        found = set(candidates) - overdue - busy
        await self._raise_hands(found, now)
        history = await store.closed_between((now - WINDOW).date(), now.date())
        path = event_path([*history, *(row.value for row in rows)], now)
        log_sweep(len(found), len(overdue), len(busy), path)
        return len(found) + len(overdue)

    async def _publish_what_is_untold(self, now: datetime) -> None:
        refused = 0
        for closed in await self.clients.store.unpublished(now - UNTOLD_AT_MOST):
            refused = 0 if await self._actor().publish(closed) else refused + 1
            if refused == REFUSED_AT_MOST:
                # The topic is out: it would not take the others either.
                return

    def _actor(self) -> Actor:
        return Actor(self.clients, self.gates, self.settings.policy, self.clock, self.new_id)

    async def _raise_hands(self, vm_ids: set[VmId], now: datetime) -> None:
        for some in batched(sorted(vm_ids, key=str), PUT_AT_ONCE, strict=False):
            events = [sweep_found_event(vm_id, now, self.new_id()) for vm_id in some]
            await asyncio.gather(*(self.clients.queue.put(event, timedelta()) for event in events))

    async def _look_later(self, signal: Signal, event: Mapping[str, object], refusal: AzureRefusedError) -> None:
        """Put a signal back that could not be looked into, ever later.

        What the sweep raises anew is let go: its own finds, and, where we may not look, what says no more than that
        the VM is down. What tells of an eviction or of an owner's wish is kept for a day: nobody says it twice.
        """
        denied = refusal.failure.kind is FailureKind.DENIED
        if denied:
            log_denied(signal, str(refusal))
        if signal.kind is SignalKind.SWEEP_FOUND or (denied and self._is_over(signal)):
            log_let_go(signal, str(refusal))
            return
        await self._put_back(signal, event, refusal, self.settings.policy.slow_retry if denied else None)

    async def _put_back(
        self,
        signal: Signal,
        event: Mapping[str, object],
        problem: AzureRefusedError | StoreFailedError,
        after: timedelta | None = None,
    ) -> None:
        is_stop = signal.kind is SignalKind.STOPPED_BY_OWNER
        later, times = comes_back(times_put_back(event), problem.failure, self.roll(), is_stop=is_stop)
        delay = after or later
        try:
            again = put_back(event, times)
        except UnreadableEvent as too_large:
            log_unreadable(str(too_large))
            raise
        log_put_back(signal, f"{problem}; looking again in {delay.total_seconds():.0f} s")
        await self.clients.queue.put(again, delay)

    async def _note_the_stop(self, signal: Signal) -> None:
        """Write an owner's stop into the VM's row, though it cannot be looked into: no start is to overtake it."""
        try:
            stored = await self.clients.store.load(signal.vm_id)
            if stored.value is not None:
                noted = replace(stored.value, evidence=stored.value.evidence.with_signal(signal))
                if noted != stored.value:
                    await self.clients.store.save(noted, stored.etag)
        except (ChangedMeanwhileError, StoreFailedError) as problem:
            # The message comes back, and tells it again.
            log_put_back(signal, str(problem))

    def _is_over(self, signal: Signal) -> bool:
        """Whether a signal need not be kept: an open case has its row, whose follow-up the sweep replaces."""
        if signal.kind is SignalKind.UNAVAILABLE:
            return True
        return signal.occurred_at is not None and self.clock() - signal.occurred_at > HINT_HOLDS

    async def _respond(self, signal: Signal) -> None:
        for _ in range(TRIES):
            try:
                rows = await gather_rows(signal, self.clients, self.clock())
                if rows is None or await self._is_held(rows):
                    return
                known = await recognise(rows, self.clients, self.settings.policy.restart_tag)
                if known is not rows and await self._is_held(known):
                    return
                await self._decide_and_act(await look(known, self.clients, self.settings.policy.restart_tag))
            except ChangedMeanwhileError:
                continue
            return
        message = f"the row of {signal.vm_id} changed {TRIES} times while we looked at it; the message comes back"
        raise ChangedMeanwhileError(message)

    async def _is_held(self, rows: Gathered) -> bool:
        """Let a VM wait at its pool's gate without a look at it; answer whether it does."""
        if rows.gate is None or self.settings.dry_run:
            return False

        def wait_there(pool: Pool) -> tuple[Wait | None, None]:
            situation = replace(rows.situation, pool=pool)
            return decide_at_the_gate(situation, self.settings.policy, self.clock(), self.roll()), None

        wait = await self.gates.ask(rows.gate, wait_there)
        if wait is not None:
            await self._actor().act(rows, wait, self.clock(), self.roll())
        return wait is not None

    async def _decide_and_act(self, gathered: Gathered) -> None:
        decision = await self._decide(gathered)
        if self.settings.dry_run:
            log_decision(gathered.situation, decision, self.clock(), dry_run=True)
            await self._actor().remember(gathered, decision, self.clock())
        else:
            await self._actor().act(gathered, decision, self.clock(), self.roll())

    async def _decide(self, gathered: Gathered) -> Decision:
        """Decide on what was gathered; where that rests on a pool's gate, on what it is now, and leave it changed."""
        policy = self.settings.policy
        if gathered.gate is None:
            return decide(gathered.situation, policy, self.clock(), self.roll())

        def decide_on(pool: Pool) -> tuple[Decision, Pool | None]:
            decision = decide(replace(gathered.situation, pool=pool), policy, self.clock(), self.roll())
            return decision, None if self.settings.dry_run or isinstance(decision, Ignore) else decision.pool

        return await self.gates.ask(gathered.gate, decide_on)


def _not_after(now: datetime, signal: Signal) -> Signal:
    """Give a signal without a time the present one, and let none come from the future: it would outweigh all others."""
    occurred_at = signal.occurred_at or now
    return replace(signal, occurred_at=now if occurred_at > now + CLOCKS_DIFFER else occurred_at)
