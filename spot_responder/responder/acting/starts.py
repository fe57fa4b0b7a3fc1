"""Request the start of a VM, and note the answer in the VM's row and at its pool's gate. Called by ``act.py``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, assert_never

from spot_responder.decisions.fallback.refusals import goes_on_with_another_size, unfit_after_start
from spot_responder.decisions.fallback.sizes import asks_in_vain
from spot_responder.decisions.policy import ANSWER_PATIENCE, LOOK_HOLDS, Policy
from spot_responder.decisions.pools import pool_of
from spot_responder.decisions.publishing.notices import needs_somebody
from spot_responder.decisions.refused_starts import counts_as_attempt, decide_after_failure
from spot_responder.decisions.situations import Situation, Start, Wait
from spot_responder.intake.azure_errors import NO_ANSWER
from spot_responder.responder.acting.requests import Accepted, NotedRequest, Refused, Requests
from spot_responder.responder.log import log_start_accepted, log_start_failed, log_start_refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from spot_responder.decisions.pools import PoolGate
    from spot_responder.decisions.recoveries import Recovery
    from spot_responder.intake.azure_errors import Failure
    from spot_responder.intake.vms import Vm
    from spot_responder.responder.acting.save import Saver
    from spot_responder.responder.gather import Gathered
    from spot_responder.responder.pool_gates import Gates
    from spot_responder.responder.ports import Compute


@dataclass(frozen=True, slots=True)
class Starter:
    """Requests starts; the VM's place at its pool's gate is saved already. ``clock`` gives the time in UTC."""

    compute: Compute
    gates: Gates
    saver: Saver
    requests: Requests
    policy: Policy
    clock: Callable[[], datetime]

    async def start(self, opened: Recovery, gathered: Gathered, decision: Start, now: datetime, jitter: float) -> None:
        """Request a start, after the row has noted that. ``opened``: the VM's open recovery, not saved yet."""
        vm = decision.vm
        asking = opened.asking(now, now + ANSWER_PATIENCE, decision.reason, vm.size)
        etag = await self.saver.save_followed_up(asking, gathered, decision, now)
        noted = NotedRequest(gathered, asking, etag, f"start request {asking.attempts}", LOOK_HOLDS)
        answer = await self.requests.send(noted, lambda: self.compute.start(vm.vm_id))
        match answer:
            case Accepted():
                await self._accepted(noted, answer)
            case Refused():
                await self._refused(noted, answer.failure, vm, jitter)
            case None:
                pass
            case _:
                assert_never(answer)

    async def _accepted(self, noted: NotedRequest, answer: Accepted) -> None:
        log_start_accepted(noted.gathered.situation, noted.asking)
        wait = Wait(self.clock() + self.policy.news_of_a_start, f"{noted.what} accepted")
        await self.requests.record(noted, lambda row: row.accepted(answer.operation_url), wait)

    async def _refused(self, noted: NotedRequest, failure: Failure, vm: Vm, jitter: float) -> None:
        self._log_refused(noted, failure)
        if failure.code == NO_ANSWER:
            await self.requests.unanswered(noted, failure)
            return
        now, counts = self.clock(), counts_as_attempt(failure)
        wait = await self._wait_after(failure, noted.asking, vm, now, jitter)

        def refused(row: Recovery) -> Recovery:
            return self._with_unfit_size(
                row, row.refused(failure, counts=counts, not_before=wait.until), failure, vm, now
            )

        await self.requests.record(noted, refused, wait)

    async def _wait_after(self, failure: Failure, asking: Recovery, vm: Vm, now: datetime, jitter: float) -> Wait:
        """Decide how to go on after a refusal, and save what it means for the pool."""

        def decide_on(gate: PoolGate) -> tuple[Wait, PoolGate | None]:
            wait = decide_after_failure(failure, vm, asking, gate, self.policy, now, jitter)
            return wait, wait.gate

        return await self.gates.update(pool_of(vm), decide_on)

    def failed(
        self, situation: Situation, recovery: Recovery, failure: Failure, until: datetime, now: datetime
    ) -> Recovery:
        """Note that a start failed that Azure had accepted."""
        refused = recovery.refused(failure, counts=counts_as_attempt(failure), not_before=until)
        log_start_failed(situation, recovery, failure, needs_somebody(refused, now), in_vain=self._in_vain(situation))
        asked = situation.as_it_was_asked_for(situation.vm) if situation.vm else None
        return self._with_unfit_size(recovery, refused, failure, asked, now) if asked else refused

    def _log_refused(self, noted: NotedRequest, failure: Failure) -> None:
        situation, refused = noted.gathered.situation, noted.asking.refused(failure, counts=True)
        lasts = needs_somebody(refused, self.clock())
        log_start_refused(situation, noted.asking, failure, lasts, in_vain=self._in_vain(situation))

    def _in_vain(self, situation: Situation) -> bool:
        return situation.vm is not None and asks_in_vain(situation.vm, self.policy)

    def _with_unfit_size(
        self, before: Recovery, refused: Recovery, failure: Failure, vm: Vm, now: datetime
    ) -> Recovery:
        """Mark the size with which a start was refused, if it was refused because of the size: others are next."""
        if not goes_on_with_another_size(failure, vm, before, self.policy, now):
            return refused
        until, sizes = unfit_after_start(failure, vm, before, self.policy, now), refused.sizes.trying(vm.size)
        return replace(refused, sizes=sizes if until is None else sizes.refused(vm.size, failure.said, until))
