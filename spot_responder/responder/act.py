"""Act: carry out a decision about one VM.

The order of the steps makes a crash at any line harmless: put the follow-up on the queue, save the row that waits for
it (with the ETag of the row that was decided on), send the request to Azure, put the next follow-up, save the answer. A
follow-up whose row was never saved costs a look at most; a row whose follow-up was never put would wait for the
sweep. One exception, so that follow-ups do not multiply while no row can be saved: a look to which a follow-up without
a saved row has led saves its row first, and puts the next follow-up then (``Saver.save_followed_up``).

A place at the pool's gate was taken before: where the app dies, it is free again after five minutes. What a closing
leaves undone, the sweep does, or the VM's next recovery. A start that Azure accepted may fail later: the next look
reads its operation, and ``decide.py`` goes on as ``acting/starts.py`` does where one is refused at once.

Called by ``responder.py``, and by ``unanswered.py`` for a VM that cannot be read. ``acting/save.py`` saves rows,
``acting/starts.py`` and ``resizes.py`` send requests, ``publish.py`` goes on with closed recoveries and notices.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, assert_never

from spot_responder.decisions.pools import pool_of
from spot_responder.decisions.publishing.notices import can_wait
from spot_responder.decisions.recoveries import Recovery
from spot_responder.decisions.situations import Close, Decision, Ignore, Requeue, Resize, Situation, Start, Wait
from spot_responder.intake.signals import SignalKind
from spot_responder.responder.acting.save import waiting_for
from spot_responder.responder.log import log_decision
from spot_responder.responder.remember import remember

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from spot_responder.decisions.agent_notes import AgentNotes
    from spot_responder.decisions.attempts import SizeNotes
    from spot_responder.responder.acting.resizes import SizeChanger
    from spot_responder.responder.acting.save import Saver
    from spot_responder.responder.acting.starts import Starter
    from spot_responder.responder.gather import Gathered
    from spot_responder.responder.ports import Store
    from spot_responder.responder.publish import Publisher


@dataclass(frozen=True, slots=True)
class Actor:
    """Carries out decisions; the pool's gate is saved already. ``new_id`` gives a fresh id."""

    store: Store
    saver: Saver
    starter: Starter
    size_changer: SizeChanger
    publisher: Publisher
    new_id: Callable[[], str]

    async def act(self, gathered: Gathered, decision: Decision, now: datetime, jitter: float) -> None:
        """Carry out one decision.

        Raises:
            ChangedMeanwhileError: if the row that it rests on was changed by somebody else; nothing was started then.
        """
        before = gathered.situation.recovery
        if not isinstance(decision, Ignore | Requeue) and before and not before.is_open and not before.recorded:
            # The next recovery of this VM is about to take this row.
            await self.publisher.record(before)
        match decision:
            case Ignore() | Requeue():
                await remember(gathered, decision, now, self.store, self.new_id)
                log_decision(gathered.situation, decision, now)
            case Wait():
                await self._wait(gathered, decision, now)
            case Close():
                recovery = self._opened(gathered.situation, now)
                closed = recovery.closed(decision.outcome, now, decision.reason)
                await self.publisher.close(closed, await self.saver.save(closed, gathered, decision, now))
            case Start():
                await self.starter.start(self._opened(gathered.situation, now), gathered, decision, now, jitter)
            case Resize():
                await self.size_changer.change(self._opened(gathered.situation, now), gathered, decision, now, jitter)
            case _:
                assert_never(decision)

    def _opened(self, situation: Situation, now: datetime) -> Recovery:
        """Give the open recovery, with all the evidence in it; open one if there is none."""
        recovery = situation.recovery
        if recovery is None:
            recovery = Recovery(situation.vm_id, self.new_id(), now, situation.kind)
        elif not recovery.is_open:
            recovery = recovery.reopened(self.new_id(), now, situation.kind)
        seen = situation.vm or situation.shown
        pool = pool_of(seen) if seen else recovery.pool
        opened = replace(recovery, evidence=situation.evidence, pool=pool, absence=situation.absence)
        return replace(opened, agent=_with_cause(recovery, situation), sizes=_sizes_seen(recovery, situation, now))

    async def _wait(self, gathered: Gathered, decision: Wait, now: datetime) -> None:
        situation = gathered.situation
        recovery = self._opened(situation, now)
        looked_at = now if situation.vm else recovery.seen_queued_at
        seen_queued_at = looked_at if decision.in_pool_queue else None
        if decision.failure is None and _follow_up_serves(situation, decision, now):
            recovery = replace(recovery, seen_queued_at=seen_queued_at, obstacle_since=decision.obstacle_since)
            if decision.notice is not None:
                recovery = replace(recovery, notice=decision.notice, reason=decision.reason)
            await self.saver.save(await self.saver.notified(recovery, decision, now), gathered, decision, now)
            return
        if decision.failure is not None:
            attempt = recovery.attempt_under_way
            request = self.size_changer if attempt and attempt.resize_to else self.starter
            recovery = request.failed(situation, recovery, decision.failure, decision.until, now)
        waiting = waiting_for(recovery, decision, seen_queued_at)
        if situation.open_recovery is None:
            await self._open(waiting, gathered, decision, now)
            return
        waiting = await self.saver.with_notices(waiting, decision, now)
        await self.saver.save_followed_up(waiting, gathered, decision, now)

    async def _open(self, waiting: Recovery, gathered: Gathered, decision: Wait, now: datetime) -> None:
        """Save a new recovery before its notices are published: until then, another worker may open one as well."""
        etag = await self.saver.save_followed_up(waiting, gathered, decision, now)
        if can_wait(decision, now):
            return
        notified = await self.saver.notified(waiting, decision, now)
        if notified != waiting:
            await self.store.save(notified, etag)


def _with_cause(recovery: Recovery, situation: Situation) -> AgentNotes:
    """Note which notice opened the recovery, or that Azure told of the eviction as well."""
    report = situation.signal.report if situation.signal else None
    if report is not None:
        return replace(recovery.agent, notice_id=report.message_id)
    is_news = recovery.opened_by is SignalKind.AGENT_NOTICED and situation.kind.is_event_of_azure
    return replace(recovery.agent, is_told_by_azure=True) if is_news else recovery.agent


def _sizes_seen(recovery: Recovery, situation: Situation, now: datetime) -> SizeNotes:
    """Note what was thought of the VM's sizes, and that it has its first one again."""
    notes, vm = recovery.sizes, situation.vm
    if situation.weighed:
        notes = notes.weighing(situation.weighed, now)
    attempt = recovery.attempt_under_way
    is_changing = attempt is not None and bool(attempt.resize_to)
    return notes if vm is None or is_changing else notes.seen_as(vm.size)


def _follow_up_serves(situation: Situation, decision: Wait, now: datetime) -> bool:
    """Whether the follow-up that is on the queue already comes in time."""
    recovery = situation.open_recovery
    if recovery is None or recovery.wake_at is None or situation.kind is SignalKind.FOLLOW_UP:
        return False
    return now < recovery.wake_at <= decision.until
