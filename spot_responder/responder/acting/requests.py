"""Request a start or another size of Azure, and note the answer in the VM's row and at its pool's gate.

Called by ``act.py``. The row is saved before the request is sent, so that a crash in between is noticed.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from spot_responder.decisions.fallback.refusals import (
    decide_after_refused_size,
    goes_on_with_another_size,
    size_is_unfit_until,
    unfit_after_start,
)
from spot_responder.decisions.fallback.sizes import asks_in_vain, is_same
from spot_responder.decisions.policy import ANSWER_PATIENCE, LOOK_HOLDS, RESIZE_LOOK_HOLDS, RESIZE_TAKES, Policy
from spot_responder.decisions.pools import pool_of
from spot_responder.decisions.publishing.notices import needs_somebody, noticed_if_it_lasts
from spot_responder.decisions.refused_starts import counts_as_attempt, decide_after_failure
from spot_responder.decisions.situations import Resize, Situation, Start, Wait
from spot_responder.intake.azure_errors import NO_ANSWER, OWN_PACE, FailureKind
from spot_responder.responder.acting.save import waiting_for
from spot_responder.responder.log import (
    log_resize_accepted,
    log_resize_refused,
    log_start_accepted,
    log_start_failed,
    log_start_refused,
)
from spot_responder.responder.ports import AzureRefusedError, ChangedMeanwhileError, Ports, Stored
from spot_responder.responder.retry_on_change import retry_on_change

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from spot_responder.decisions.attempts import Attempt
    from spot_responder.decisions.pools import PoolGate
    from spot_responder.decisions.recoveries import Recovery
    from spot_responder.intake.azure_errors import Failure
    from spot_responder.intake.vms import Vm
    from spot_responder.responder.acting.save import Saver
    from spot_responder.responder.gather import Gathered
    from spot_responder.responder.pool_gates import Gates


@dataclass(frozen=True, slots=True)
class Requester:
    """Sends requests; a start's place at its pool's gate is saved already. ``clock`` gives the time in UTC."""

    ports: Ports
    gates: Gates
    saver: Saver
    policy: Policy
    clock: Callable[[], datetime]

    async def request(
        self, opened: Recovery, gathered: Gathered, decision: Start | Resize, now: datetime, jitter: float
    ) -> None:
        """Request a start or another size, after the row has noted that, and until when an answer is due.

        ``opened``: the VM's open recovery, not saved yet.
        """
        asking = _asking(opened, decision, now, answer_by=now + ANSWER_PATIENCE)
        etag = await self.saver.save_followed_up(asking, gathered, decision, now)
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
                why = f"its turn has not come: {refusal.failure.message}"
                await self._withdraw(asking, etag, gathered, in_turn, why)
                return
            self._log_refused(gathered.situation, asking, refusal.failure)
            before = gathered.situation.attempt
            await self._refused(decision, asking, etag, refusal.failure, jitter, before)
        else:
            await self._accepted(gathered.situation, decision, asking, etag, operation_url)

    async def _send(self, decision: Start | Resize) -> str | None:
        if isinstance(decision, Start):
            return await self.ports.compute.start(decision.vm.vm_id)
        if self.ports.resizing is None:
            message = "a change of size was decided on, and no identity may ask for it"
            raise AssertionError(message)
        return await self.ports.resizing.resizer.resize(decision.vm, decision.size)

    async def _refused(  # noqa: PLR0913, PLR0917 - what was asked, and what came of it
        self,
        decision: Start | Resize,
        asking: Recovery,
        etag: str | None,
        failure: Failure,
        jitter: float,
        before: Attempt | None,
    ) -> None:
        if failure.code == NO_ANSWER:
            await self._unanswered(asking, failure)
        elif isinstance(decision, Resize):
            await self._size_refused(decision, asking, etag, failure, jitter, before)
        else:
            await self._start_refused(decision.vm, asking, etag, failure, jitter)

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
        log_start_refused(
            situation, asking, failure, needs_somebody(refused, self.clock()), in_vain=self._in_vain(situation)
        )

    def _in_vain(self, situation: Situation) -> bool:
        return situation.vm is not None and asks_in_vain(situation.vm, self.policy)

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

    async def _unanswered(self, asking: Recovery, failure: Failure) -> None:
        size = asking.attempt.resize_to if asking.attempt else ""
        request = f"its change to {size}" if size else f"start request {asking.attempts}"
        why = f"{request} was not answered: whether Azure took it is not known yet"
        # When the follow-up comes that was put before the request.
        answer_by = asking.wake_at or self.clock()
        look_again = Wait(answer_by, why, obstacle_since=asking.obstacle_since)
        # Half a minute has passed: others may have gone on with the row, and nothing is to be told of what is over.
        await self._record_answer(asking, None, lambda row: row.unanswered(failure), look_again, self.clock())

    async def _start_refused(self, vm: Vm, asking: Recovery, etag: str | None, failure: Failure, jitter: float) -> None:
        now = self.clock()
        decision = await self._pool_after(failure, vm, asking, now, jitter)
        counts = counts_as_attempt(failure)

        def refused(row: Recovery) -> Recovery:
            return self._marked(row, row.refused(failure, counts=counts, not_before=decision.until), failure, vm, now)

        await self._record_answer(asking, etag, refused, decision, now)

    async def _pool_after(self, failure: Failure, vm: Vm, asking: Recovery, now: datetime, jitter: float) -> Wait:
        """Decide how to go on after a refusal, and save what it means for the pool."""

        def refuse(gate: PoolGate) -> tuple[Wait, PoolGate | None]:
            wait = decide_after_failure(failure, vm, asking, gate, self.policy, now, jitter)
            return wait, wait.gate

        return await self.gates.ask(pool_of(vm), refuse)

    async def _size_refused(  # noqa: PLR0913, PLR0917 - what was asked, and what came of it
        self,
        asked: Resize,
        asking: Recovery,
        etag: str | None,
        failure: Failure,
        jitter: float,
        before: Attempt | None,
    ) -> None:
        asked_before = before is not None and is_same(before.resize_to, asked.size)
        now, unfit_until = self.clock(), size_is_unfit_until(failure, self.policy, self.clock())

        def refuse(gate: PoolGate) -> tuple[Wait, PoolGate | None]:
            wait = decide_after_refused_size(asked.size, failure, asked.vm, gate, self.policy, now, jitter)
            return wait, wait.gate

        decision = await self.gates.ask(pool_of(asked.vm, asked.size), refuse)

        def refused(row: Recovery) -> Recovery:
            answered = row.size_refused(failure, decision.until, unfit_until)
            # It may have the size by us all the same: of an error inside Azure, or of an earlier request for it.
            if failure.kind is FailureKind.UNKNOWN or asked_before:
                return answered
            return replace(answered, sizes=answered.sizes.not_given(asked.size))

        await self._record_answer(asking, etag, refused, decision, now)

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
        waiting = waiting_for(recovery, decision)
        waiting = await self.saver.with_notices(waiting, decision, now)
        await self.saver.follow_up(waiting)
        await self.ports.store.save(waiting, etag)

    def failed(
        self, situation: Situation, recovery: Recovery, failure: Failure, until: datetime, now: datetime
    ) -> Recovery:
        """Note that what Azure had accepted failed: a start, or a change of size."""
        vm, attempt = situation.vm, recovery.attempt_under_way
        if attempt is not None and attempt.resize_to:
            log_resize_refused(situation, recovery, failure)
            return recovery.size_refused(failure, until, size_is_unfit_until(failure, self.policy, now))
        refused = recovery.refused(failure, counts=counts_as_attempt(failure), not_before=until)
        log_start_failed(situation, recovery, failure, needs_somebody(refused, now), in_vain=self._in_vain(situation))
        asked = situation.as_it_was_asked_for(vm) if vm else None
        return self._marked(recovery, refused, failure, asked, now) if asked else refused

    def _marked(self, before: Recovery, refused: Recovery, failure: Failure, vm: Vm, now: datetime) -> Recovery:
        """Mark the size with which a start was refused, if it was refused because of the size: others are next."""
        if not goes_on_with_another_size(failure, vm, before, self.policy, now):
            return refused
        until, sizes = unfit_after_start(failure, vm, before, self.policy, now), refused.sizes.trying(vm.size)
        return replace(refused, sizes=sizes if until is None else sizes.refused(vm.size, failure.said, until))


def _asking(recovery: Recovery, decision: Start | Resize, now: datetime, answer_by: datetime) -> Recovery:
    """Note what is asked for, and the size that the VM has now."""
    if isinstance(decision, Resize):
        return recovery.asking_for_size(decision.vm, decision.size, now, answer_by, decision.reason)
    return recovery.asking(now, answer_by, decision.reason, decision.vm.size)


def _is_same_attempt(recovery: Recovery, asking: Recovery) -> bool:
    # When it was asked tells it from every other attempt, also from those of another recovery.
    return recovery.is_open and recovery.attempt == asking.attempt
