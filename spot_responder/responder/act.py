"""Act: carry out a decision about one VM.

The order of the steps makes a crash at any line harmless: put the follow-up on the queue, save the row that waits for
it (with the ETag of the row that was decided on), send the request to Azure, put the next follow-up, save the answer. A
follow-up whose row was never saved costs one look too many; a row whose follow-up was never put would wait for the
sweep. Only what such a spare follow-up leads to is saved first (``_save_followed_up``).

A place at the pool's gate was taken before: where the app dies, it is free again after five minutes. What a closing
leaves undone, the sweep does, or the VM's next recovery. A start that Azure accepted may fail later: the next look
reads its operation, and ``decide.py`` goes on as ``_start_refused`` does here.

Called by ``responder.py``, and by ``unanswered.py`` for a VM that cannot be read; ``publish.py`` goes on with closed
recoveries and notices.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, assert_never

from spot_responder.decisions.fallback.refusals import (
    decide_after_refused_size,
    size_is_unfit_until,
    unfit_after_start,
)
from spot_responder.decisions.policy import ANSWER_PATIENCE, LOOK_HOLDS, RESIZE_LOOK_HOLDS, RESIZE_TAKES, Policy
from spot_responder.decisions.pools import pool_of
from spot_responder.decisions.publishing.notices import TELL_AGAIN, can_wait, needs_somebody, noticed_if_it_lasts
from spot_responder.decisions.recoveries import Recovery
from spot_responder.decisions.situations import Close, Decision, Ignore, Requeue, Resize, Situation, Start, Wait
from spot_responder.decisions.start_backoff import counts_as_attempt, decide_after_failure
from spot_responder.intake.azure_errors import NO_ANSWER, OWN_PACE
from spot_responder.intake.own_messages import follow_up_event
from spot_responder.intake.signals import SignalKind
from spot_responder.responder.log import (
    log_decision,
    log_resize_accepted,
    log_resize_refused,
    log_start_accepted,
    log_start_failed,
    log_start_refused,
)
from spot_responder.responder.ports import AzureRefusedError, ChangedMeanwhileError, Ports, Stored, StoreFailedError
from spot_responder.responder.remember import remember
from spot_responder.responder.retry_on_change import retry_on_change

if TYPE_CHECKING:
    from collections.abc import Callable

    from spot_responder.decisions.agent_notes import AgentNotes
    from spot_responder.decisions.attempts import SizeNotes
    from spot_responder.decisions.pools import PoolGate
    from spot_responder.intake.azure_errors import Failure
    from spot_responder.intake.vms import Vm
    from spot_responder.responder.gather import Gathered
    from spot_responder.responder.pool_gates import Gates
    from spot_responder.responder.publish import Publisher


@dataclass(frozen=True, slots=True)
class Actor:
    """Carries out decisions; the pool's gate is saved already.

    ``clock`` gives the time in UTC, ``new_id`` a fresh id.
    """

    ports: Ports
    gates: Gates
    publisher: Publisher
    policy: Policy
    clock: Callable[[], datetime]
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
                await remember(gathered, decision, now, self.ports.store, self.new_id)
                log_decision(gathered.situation, decision, now)
            case Wait():
                await self._wait(gathered, decision, now)
            case Close():
                recovery = self._opened(gathered.situation, now)
                closed = recovery.closed(decision.outcome, now, decision.reason)
                await self.publisher.close(closed, await self._save(closed, gathered, decision, now))
            case Start() | Resize():
                await self._ask(gathered, decision, now, jitter)
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
        return replace(opened, agent=_with_cause(recovery, situation), sizes=_sizes_seen(recovery, situation))

    async def _wait(self, gathered: Gathered, decision: Wait, now: datetime) -> None:
        situation = gathered.situation
        recovery = self._opened(situation, now)
        looked_at = now if situation.vm else recovery.seen_queued_at
        seen_queued_at = looked_at if decision.in_pool_queue else None
        if decision.failure:
            recovery = self._failed(situation, recovery, decision.failure, decision.until, now)
        elif _follow_up_serves(situation, decision, now):
            recovery = replace(recovery, seen_queued_at=seen_queued_at, obstacle_since=decision.obstacle_since)
            if decision.notice is not None:
                recovery = replace(recovery, notice=decision.notice, reason=decision.reason)
            await self._save(await self._notified(recovery, decision, now), gathered, decision, now)
            return
        waiting = _waiting(recovery, decision, seen_queued_at)
        if situation.open_recovery is None:
            await self._open(waiting, gathered, decision, now)
            return
        waiting = await self._with_notices(waiting, decision, now)
        await self._save_followed_up(waiting, gathered, decision, now)

    async def _open(self, waiting: Recovery, gathered: Gathered, decision: Wait, now: datetime) -> None:
        """Save a new recovery before its notices are published: until then, another worker may open one as well."""
        etag = await self._save_followed_up(waiting, gathered, decision, now)
        if can_wait(decision, now):
            return
        notified = await self._notified(waiting, decision, now)
        if notified != waiting:
            await self.ports.store.save(notified, etag)

    async def _notified(self, followed_up: Recovery, decision: Wait, now: datetime) -> Recovery:
        """Publish what is due for a recovery whose follow-up is on the queue; put one that comes sooner, if need be."""
        notified = await self._with_notices(followed_up, decision, now)
        if notified.sequence != followed_up.sequence:
            await self._follow_up(notified)
        return notified

    async def _with_notices(self, waiting: Recovery, decision: Wait, now: datetime) -> Recovery:
        """Publish the notices that are due for an open recovery; give it with that noted.

        If the topic did not take one, the recovery waits for an earlier follow-up, which tries again; the caller puts
        it on the queue. This comes before the row is saved: no request to Azure waits for it, and after a crash before
        the save a notice is published once more, with the same id.
        """
        notified, is_taken = await self.publisher.notices(waiting, decision, now)
        again_at = now + TELL_AGAIN
        if is_taken or waiting.wake_at is None or waiting.wake_at <= again_at:
            return notified
        return notified.with_follow_up(again_at)

    async def _save(self, recovery: Recovery, gathered: Gathered, decision: Decision, now: datetime) -> str | None:
        """Save the row if it changed, and log the decision that now holds; give the row's ETag."""
        etag = gathered.etag
        if recovery != gathered.situation.recovery:
            etag = await self.ports.store.save(recovery, gathered.etag)
        log_decision(gathered.situation, decision, now, recovery)
        return etag

    async def _save_followed_up(
        self, recovery: Recovery, gathered: Gathered, decision: Decision, now: datetime
    ) -> str | None:
        """Put the follow-up that the row waits for on the queue, then save the row: a crash in between loses neither.

        A follow-up that is ahead of its row was put by a look that could not save. What led to that look is tried again
        itself, so this one is spare, and puts no other before it has saved: else they multiply while no row is saved.
        """
        if not _is_ahead(gathered.situation):
            await self._follow_up(recovery)
            return await self._save(recovery, gathered, decision, now)
        try:
            etag = await self._save(recovery, gathered, decision, now)
        except StoreFailedError as problem:
            raise StoreFailedError(problem.failure, problem.what, is_spare=True) from problem
        await self._follow_up(recovery)
        return etag

    async def _follow_up(self, recovery: Recovery) -> None:
        """Put the follow-up that an open recovery waits for on the queue."""
        now = self.clock()
        due_at = recovery.wake_at or now
        event = follow_up_event(recovery.vm_id, recovery.sequence, due_at, self.new_id())
        await self.ports.queue.put(event, max(due_at - now, timedelta()))

    def _failed(
        self, situation: Situation, recovery: Recovery, failure: Failure, until: datetime, now: datetime
    ) -> Recovery:
        """Note that what Azure had accepted failed: a start, or a change of size."""
        vm, attempt = situation.vm, recovery.attempt_under_way
        if attempt is not None and attempt.resize_to:
            log_resize_refused(situation, recovery, failure)
            return recovery.size_refused(failure, until, size_is_unfit_until(failure, self.policy, now))
        refused = recovery.refused(failure, counts=counts_as_attempt(failure), not_before=until)
        log_start_failed(situation, recovery, failure, needs_somebody(refused, now))
        return self._marked(refused, failure, vm, now) if vm else refused

    def _marked(self, refused: Recovery, failure: Failure, vm: Vm, now: datetime) -> Recovery:
        """Mark the size that a VM was given, if its start was refused because of it."""
        until = unfit_after_start(failure, vm, refused, self.policy, now)
        return refused if until is None else replace(refused, sizes=refused.sizes.refused(vm.size, failure.said, until))

    async def _ask(self, gathered: Gathered, decision: Start | Resize, now: datetime, jitter: float) -> None:
        """Ask for a start or another size, after the row says so."""
        answer_by = now + ANSWER_PATIENCE
        asking = _asking(self._opened(gathered.situation, now), decision, now, answer_by)
        etag = await self._save_followed_up(asking, gathered, decision, now)
        holds = LOOK_HOLDS if isinstance(decision, Start) else RESIZE_LOOK_HOLDS
        if self.clock() - gathered.begun_at > holds:
            too_old = f"what we saw was over {holds.seconds} s old before we could ask: looking again"
            await self._withdraw(asking, etag, gathered, self.clock(), too_old)
            return
        try:
            operation_url = await self._send(decision)
        except AzureRefusedError as refusal:
            if refusal.failure.code == OWN_PACE:
                in_turn = self.clock() + (refusal.failure.retry_after or timedelta())
                await self._withdraw(
                    asking, etag, gathered, in_turn, f"its turn has not come: {refusal.failure.message}"
                )
                return
            self._log_refused(gathered.situation, asking, refusal.failure)
            if refusal.failure.code == NO_ANSWER:
                await self._start_unanswered(asking, refusal.failure, answer_by)
            elif isinstance(decision, Resize):
                await self._size_refused(decision, asking, etag, refusal.failure, jitter)
            else:
                await self._start_refused(decision.vm, asking, etag, refusal.failure, jitter)
        else:
            await self._accepted(gathered.situation, decision, asking, etag, operation_url)

    async def _send(self, decision: Start | Resize) -> str | None:
        if isinstance(decision, Start):
            return await self.ports.compute.start(decision.vm.vm_id)
        if self.ports.resizing is None:
            message = "a change of size was decided on, and no identity may ask for it"
            raise AssertionError(message)
        return await self.ports.resizing.resizer.resize(decision.vm, decision.size)

    async def _withdraw(
        self, asking: Recovery, etag: str | None, gathered: Gathered, until: datetime, why: str
    ) -> None:
        recovery = gathered.situation.open_recovery
        before = recovery.attempt if recovery else None
        now = self.clock()
        wait = Wait(until, why, obstacle_since=asking.obstacle_since or now)
        # No look comes before ``until``: what will have lasted by then is told now.
        wait = noticed_if_it_lasts(wait, asking, until)
        await self._record_answer(asking, etag, lambda row: row.withdrawn(before), wait, now)

    def _log_refused(self, situation: Situation, asking: Recovery, failure: Failure) -> None:
        if asking.attempt and asking.attempt.resize_to:
            log_resize_refused(situation, asking, failure)
            return
        refused = asking.refused(failure, counts=True)
        log_start_refused(situation, asking, failure, needs_somebody(refused, self.clock()))

    async def _accepted(
        self,
        situation: Situation,
        decision: Start | Resize,
        asking: Recovery,
        etag: str | None,
        operation_url: str | None,
    ) -> None:
        now = self.clock()
        if isinstance(decision, Start):
            log_start_accepted(situation, asking)
            look_again = Wait(now + self.policy.news_of_a_start, f"start request {asking.attempts} accepted")
        else:
            log_resize_accepted(situation, asking)
            look_again = Wait(now + RESIZE_TAKES, f"its change to {decision.size} was accepted: a start follows")
        await self._record_answer(asking, etag, lambda row: row.accepted(operation_url), look_again, now)

    async def _start_unanswered(self, asking: Recovery, failure: Failure, answer_by: datetime) -> None:
        size = asking.attempt.resize_to if asking.attempt else ""
        request = f"its change to {size}" if size else f"start request {asking.attempts}"
        why = f"{request} was not answered: whether Azure took it is not known yet"
        look_again = Wait(answer_by, why, obstacle_since=asking.obstacle_since)
        # Half a minute has passed: others may have gone on with the row, and nothing is to be told of what is over.
        await self._record_answer(asking, None, lambda row: row.unanswered(failure), look_again, self.clock())

    async def _start_refused(self, vm: Vm, asking: Recovery, etag: str | None, failure: Failure, jitter: float) -> None:
        now = self.clock()
        decision = await self._pool_after(failure, vm, asking, now, jitter)
        counts = counts_as_attempt(failure)

        def refused(row: Recovery) -> Recovery:
            return self._marked(row.refused(failure, counts=counts, not_before=decision.until), failure, vm, now)

        await self._record_answer(asking, etag, refused, decision, now)

    async def _size_refused(
        self, asked: Resize, asking: Recovery, etag: str | None, failure: Failure, jitter: float
    ) -> None:
        now, unfit_until = self.clock(), size_is_unfit_until(failure, self.policy, self.clock())

        def refuse(gate: PoolGate) -> tuple[Wait, PoolGate | None]:
            wait = decide_after_refused_size(asked.size, failure, asked.vm, gate, self.policy, now, jitter)
            return wait, wait.gate

        decision = await self.gates.ask(pool_of(asked.vm, asked.size), refuse)
        await self._record_answer(
            asking, etag, lambda row: row.size_refused(failure, decision.until, unfit_until), decision, now
        )

    async def _record_answer(
        self,
        asking: Recovery,
        etag: str | None,
        answered: Callable[[Recovery], Recovery],
        decision: Wait,
        now: datetime,
    ) -> None:
        """Save Azure's answer, also if another worker added evidence to the row during the request.

        ``etag``: of the row as it was saved before the request; ``None``: it is loaded anew.
        If that fails, the follow-up that was put before the request reads the VM, and asks anew if it is still down.
        """
        latest: Stored[Recovery | None] | None = Stored(asking, etag) if etag else None

        async def save() -> None:
            nonlocal latest
            stored, latest = latest or await self.ports.store.load(asking.vm_id), None
            if stored.value is not None and stored.etag is not None and _is_same_attempt(stored.value, asking):
                await self._save_answer(answered(stored.value), stored.etag, decision, now)

        with suppress(ChangedMeanwhileError):
            await retry_on_change(asking.vm_id, save)

    async def _save_answer(self, recovery: Recovery, etag: str | None, decision: Wait, now: datetime) -> None:
        waiting = _waiting(recovery, decision)
        waiting = await self._with_notices(waiting, decision, now)
        await self._follow_up(waiting)
        await self.ports.store.save(waiting, etag)

    async def _pool_after(self, failure: Failure, vm: Vm, asking: Recovery, now: datetime, jitter: float) -> Wait:
        """Decide how to go on after a refusal, and save what it means for the pool."""

        def refuse(gate: PoolGate) -> tuple[Wait, PoolGate | None]:
            wait = decide_after_failure(failure, vm, asking, gate, self.policy, now, jitter)
            return wait, wait.gate

        return await self.gates.ask(pool_of(vm), refuse)


def _waiting(recovery: Recovery, wait: Wait, seen_queued_at: datetime | None = None) -> Recovery:
    return recovery.waiting(
        wait.until,
        wait.reason,
        seen_queued_at=seen_queued_at,
        notice=wait.notice,
        obstacle_since=wait.obstacle_since,
    )


def _with_cause(recovery: Recovery, situation: Situation) -> AgentNotes:
    """Note which notice opened the recovery, or that Azure told of the eviction as well."""
    report = situation.signal.report if situation.signal else None
    if report is not None:
        return replace(recovery.agent, notice_id=report.message_id)
    is_news = recovery.opened_by is SignalKind.AGENT_NOTICED and situation.kind.is_event_of_azure
    return replace(recovery.agent, is_told_by_azure=True) if is_news else recovery.agent


def _asking(recovery: Recovery, decision: Start | Resize, now: datetime, answer_by: datetime) -> Recovery:
    """Note what is asked for, and the size with which a VM is started that may come back as another one."""
    vm = decision.vm
    if isinstance(decision, Resize):
        return recovery.asking_for_size(decision.size, vm.size, now, answer_by, decision.reason)
    asking = recovery.asking(now, answer_by, decision.reason)
    return replace(asking, sizes=asking.sizes.trying(vm.size)) if recovery.sizes.weighed else asking


def _sizes_seen(recovery: Recovery, situation: Situation) -> SizeNotes:
    """Note what was thought of the VM's sizes, and that it has its first one again."""
    notes, vm = recovery.sizes, situation.vm
    if situation.weighed:
        notes = notes.weighing(situation.weighed)
    attempt = recovery.attempt_under_way
    is_changing = attempt is not None and bool(attempt.resize_to)
    return notes if vm is None or is_changing else notes.seen_as(vm.size)


def _is_same_attempt(recovery: Recovery, asking: Recovery) -> bool:
    # When it was asked tells it from every other attempt, also from those of another recovery.
    return recovery.is_open and recovery.attempt == asking.attempt


def _is_ahead(situation: Situation) -> bool:
    """Whether the signal is a follow-up of a look that could not save the row."""
    sequence, recovery = situation.signal.sequence if situation.signal else None, situation.open_recovery
    return sequence is not None and recovery is not None and sequence > recovery.sequence


def _follow_up_serves(situation: Situation, decision: Wait, now: datetime) -> bool:
    """Whether the follow-up that is on the queue already comes in time."""
    recovery = situation.open_recovery
    if recovery is None or recovery.wake_at is None or situation.kind is SignalKind.FOLLOW_UP:
        return False
    return now < recovery.wake_at <= decision.until
