"""Act: carry out a decision about one VM.

The order of the steps makes a crash at any line harmless: put the follow-up on the queue, save the row that waits for
it (with the ETag of the row that was decided on), send the request to Azure, put the next follow-up, save the answer. A
follow-up whose row was never saved costs one look too many; a row whose follow-up was never put would wait for the
sweep. A place at the pool's gate was taken before: where the app dies, it is free again after five minutes. What a
closing leaves undone, the sweep does, or the VM's next recovery.

Called by ``responder.py``, and by ``unanswered.py`` for a VM that cannot be read; ``publish.py`` goes on with closed
recoveries and notices.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, assert_never

from spot_responder.decisions.absences import is_gone
from spot_responder.decisions.evidence import Evidence
from spot_responder.decisions.notices import TELL_AGAIN, can_wait, needs_somebody, noticed_if_it_lasts
from spot_responder.decisions.policy import ANSWER_PATIENCE, LOOK_HOLDS, Policy
from spot_responder.decisions.pools import pool_of
from spot_responder.decisions.recoveries import Recovery, note
from spot_responder.decisions.situations import Close, Decision, Ignore, Requeue, Situation, Start, Wait
from spot_responder.decisions.start_backoff import counts_as_attempt, decide_after_failure
from spot_responder.intake.azure_errors import NO_ANSWER, OWN_PACE
from spot_responder.intake.own_messages import follow_up_event
from spot_responder.intake.signals import SignalKind
from spot_responder.responder.log import (
    log_decision,
    log_start_accepted,
    log_start_failed,
    log_start_refused,
)
from spot_responder.responder.ports import AzureRefusedError, ChangedMeanwhileError, Ports, Stored, StoreFailedError
from spot_responder.responder.retry_on_change import retry_on_change

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from spot_responder.decisions.pools import PoolGate
    from spot_responder.intake.azure_errors import Failure
    from spot_responder.intake.signals import Signal
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
                await self.remember(gathered, decision, now)
                log_decision(gathered.situation, decision, now)
            case Wait():
                await self._wait(gathered, decision, now)
            case Close():
                recovery = self._opened(gathered.situation, now)
                closed = recovery.closed(decision.outcome, now, decision.reason)
                await self.publisher.close(closed, await self._save(closed, gathered, decision, now))
            case Start():
                await self._start(gathered, decision, now, jitter)
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
        return replace(recovery, evidence=situation.evidence, pool=pool, absence=situation.absence)

    def note_of_a_stop(self, signal: Signal, now: datetime) -> Recovery:
        """Make the row of a VM that its owner stopped, as a signal says, and that has no row yet."""
        noted = note(signal.vm_id, self.new_id(), now, signal.kind, "its owner stopped it, as an event told")
        return replace(noted, evidence=Evidence().with_signal(signal))

    async def remember(self, gathered: Gathered, decision: Decision, now: datetime) -> None:
        """Keep the evidence about an owner's wish, whatever else is done. Writes only what is new."""
        situation = gathered.situation
        is_covered = not isinstance(decision, Ignore) or decision.remember
        row_now = situation.recovery
        if situation.vm is not None and not is_covered and row_now is not None and row_now.is_note_of_an_unseen_vm:
            await self.ports.store.forget(Stored(row_now, gathered.etag))
            return
        if situation.recovery is not None:
            # A new VM of this name must not inherit the wish of the old one's owner.
            evidence = Evidence() if is_gone(situation, now) else situation.evidence
            row = replace(situation.recovery, evidence=evidence)
        elif not is_covered:
            return
        elif situation.evidence.owner_stopped_at is not None and _is_kept(situation, decision):
            noted = note(situation.vm_id, self.new_id(), now, situation.kind, decision.reason)
            seen = situation.vm or situation.shown
            row = replace(noted, evidence=situation.evidence, pool=pool_of(seen) if seen else None)
        else:
            return
        if row != situation.recovery:
            await self.ports.store.save(row, gathered.etag)

    async def _wait(self, gathered: Gathered, decision: Wait, now: datetime) -> None:
        situation = gathered.situation
        recovery = self._opened(situation, now)
        looked_at = now if situation.vm else recovery.seen_queued_at
        seen_queued_at = looked_at if decision.in_pool_queue else None
        if decision.failure:
            before, counts = recovery, counts_as_attempt(decision.failure)
            recovery = recovery.refused(decision.failure, counts=counts, not_before=decision.until)
            log_start_failed(situation, before, decision.failure, needs_somebody(recovery, now))
        elif _follow_up_serves(situation, decision, now):
            recovery = replace(recovery, seen_queued_at=seen_queued_at, obstacle_since=decision.obstacle_since)
            if decision.notice is not None:
                recovery = replace(recovery, notice=decision.notice, reason=decision.reason)
            await self._save(await self._with_notices(recovery, decision, now), gathered, decision, now)
            return
        waiting = replace(_waiting(recovery, decision), seen_queued_at=seen_queued_at)
        if situation.open_recovery is None:
            await self._open(waiting, gathered, decision, now)
            return
        await self._follow_up(waiting, decision.until, now)
        waiting = await self._with_notices(waiting, decision, now)
        with _followed_up():
            await self._save(waiting, gathered, decision, now)

    async def _open(self, waiting: Recovery, gathered: Gathered, decision: Wait, now: datetime) -> None:
        """Save a new recovery before its notices are published: until then, another worker may open one as well."""
        await self._follow_up(waiting, decision.until, now)
        with _followed_up():
            etag = await self._save(waiting, gathered, decision, now)
            if can_wait(decision, now):
                return
            notified = await self._with_notices(waiting, decision, now)
            if notified != waiting:
                await self.ports.store.save(notified, etag)

    async def _with_notices(self, waiting: Recovery, decision: Wait, now: datetime) -> Recovery:
        """Publish the notices that are due for an open recovery; give it with that noted.

        Between follow-up and save: no request to Azure waits for it, and after a crash before the save a notice is
        published once more, with the same id.
        """
        notified, is_taken = await self.publisher.notices(waiting, decision, now)
        again_at = now + TELL_AGAIN
        if is_taken or waiting.wake_at is None or waiting.wake_at <= again_at:
            return notified
        sooner = notified.with_follow_up(again_at)
        await self._follow_up(sooner, again_at, now)
        return sooner

    async def _save(self, recovery: Recovery, gathered: Gathered, decision: Decision, now: datetime) -> str | None:
        """Save the row if it changed, and log the decision that now holds; give the row's ETag."""
        etag = gathered.etag
        if recovery != gathered.situation.recovery:
            etag = await self.ports.store.save(recovery, gathered.etag)
        log_decision(gathered.situation, decision, now, recovery)
        return etag

    async def _follow_up(self, recovery: Recovery, due_at: datetime, now: datetime) -> None:
        event = follow_up_event(recovery.vm_id, recovery.sequence, due_at, self.new_id())
        await self.ports.queue.put(event, max(due_at - now, timedelta()))

    async def _start(self, gathered: Gathered, decision: Start, now: datetime, jitter: float) -> None:
        answer_by = now + ANSWER_PATIENCE
        asking = self._opened(gathered.situation, now).asking(now, answer_by, decision.reason)
        await self._follow_up(asking, answer_by, now)
        with _followed_up():
            etag = await self._save(asking, gathered, decision, now)
        if self.clock() - gathered.begun_at > LOOK_HOLDS:
            too_old = f"what we saw was over {LOOK_HOLDS.seconds} s old before we could ask: looking again"
            await self._withdraw(asking, etag, gathered, self.clock(), too_old)
            return
        try:
            operation_url = await self.ports.compute.start(asking.vm_id)
        except AzureRefusedError as refusal:
            if refusal.failure.code == OWN_PACE:
                in_turn = self.clock() + (refusal.failure.retry_after or timedelta())
                await self._withdraw(
                    asking, etag, gathered, in_turn, f"its turn has not come: {refusal.failure.message}"
                )
                return
            refused = asking.refused(refusal.failure, counts=True)
            log_start_refused(gathered.situation, asking, refusal.failure, needs_somebody(refused, self.clock()))
            if refusal.failure.code != NO_ANSWER:
                await self._start_refused(decision.vm, asking, etag, refusal.failure, jitter)
        else:
            log_start_accepted(gathered.situation, asking)
            await self._start_accepted(asking, etag, operation_url)

    async def _withdraw(
        self, asking: Recovery, etag: str | None, gathered: Gathered, until: datetime, why: str
    ) -> None:
        recovery = gathered.situation.open_recovery
        before = recovery.attempt if recovery else None
        wait = Wait(until, why, obstacle_since=asking.obstacle_since or self.clock())
        await self._record_answer(asking, etag, lambda row: row.withdrawn(before), wait, self.clock())

    async def _start_accepted(self, asking: Recovery, etag: str | None, operation_url: str | None) -> None:
        now = self.clock()
        look_again = Wait(now + self.policy.news_of_a_start, f"start request {asking.attempts} accepted")
        await self._record_answer(asking, etag, lambda row: row.accepted(operation_url), look_again, now)

    async def _start_refused(self, vm: Vm, asking: Recovery, etag: str | None, failure: Failure, jitter: float) -> None:
        now = self.clock()
        decision = await self._pool_after(failure, vm, asking, now, jitter)
        counts = counts_as_attempt(failure)
        await self._record_answer(
            asking, etag, lambda row: row.refused(failure, counts=counts, not_before=decision.until), decision, now
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

        If that fails, the follow-up that was put before the request reads the VM, and asks anew if it is still down.
        """
        latest: Stored[Recovery | None] | None = Stored(asking, etag)

        async def save() -> None:
            nonlocal latest
            stored, latest = latest or await self.ports.store.load(asking.vm_id), None
            if stored.value is not None and stored.etag is not None and _is_same_attempt(stored.value, asking):
                await self._save_answer(answered(stored.value), stored.etag, decision, now)

        with suppress(ChangedMeanwhileError):
            await retry_on_change(asking.vm_id, save)

    async def _save_answer(self, recovery: Recovery, etag: str | None, decision: Wait, now: datetime) -> None:
        decision = noticed_if_it_lasts(decision, recovery, now)
        waiting = _waiting(recovery, decision)
        await self._follow_up(waiting, decision.until, now)
        waiting = await self._with_notices(waiting, decision, now)
        with _followed_up():
            await self.ports.store.save(waiting, etag)

    async def _pool_after(self, failure: Failure, vm: Vm, asking: Recovery, now: datetime, jitter: float) -> Wait:
        """Decide how to go on after a refusal, and save what it means for the pool."""

        def refuse(gate: PoolGate) -> tuple[Wait, PoolGate | None]:
            wait = decide_after_failure(failure, vm, asking, gate, self.policy, now, jitter)
            return wait, wait.gate

        return await self.gates.ask(pool_of(vm), refuse)


@contextmanager
def _followed_up() -> Iterator[None]:
    """Mark an error as one after which the follow-up is on the queue: each retry must not add another message."""
    try:
        yield
    except StoreFailedError as problem:
        raise StoreFailedError(problem.failure, problem.what, followed_up=True) from problem


def _waiting(recovery: Recovery, wait: Wait) -> Recovery:
    return recovery.waiting(wait.until, wait.reason, notice=wait.notice, obstacle_since=wait.obstacle_since)


def _is_kept(situation: Situation, decision: Decision) -> bool:
    """Whether a stop gets a row of its own: of a VM that is shown, or that is asked for again (``Requeue``)."""
    return situation.vm is not None or situation.shown is not None or isinstance(decision, Requeue)


def _is_same_attempt(recovery: Recovery, asking: Recovery) -> bool:
    is_same_recovery = recovery.is_open and recovery.recovery_id == asking.recovery_id
    return is_same_recovery and recovery.attempt == asking.attempt


def _follow_up_serves(situation: Situation, decision: Wait, now: datetime) -> bool:
    """Whether the follow-up that is on the queue already comes in time."""
    recovery = situation.open_recovery
    if recovery is None or recovery.wake_at is None or situation.kind is SignalKind.FOLLOW_UP:
        return False
    return now < recovery.wake_at <= decision.until
