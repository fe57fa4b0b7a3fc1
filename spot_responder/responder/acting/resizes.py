"""Request another size for a VM, and note the answer in the VM's row and at that size's gate. Called by ``act.py``.

A start follows once the VM has the size.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, assert_never

from spot_responder.decisions.fallback.refusals import decide_after_refused_size, size_is_unfit_until
from spot_responder.decisions.fallback.sizes import is_same
from spot_responder.decisions.policy import ANSWER_PATIENCE, RESIZE_LOOK_HOLDS, RESIZE_TAKES, Policy
from spot_responder.decisions.pools import pool_of
from spot_responder.decisions.situations import Resize, Situation, Wait
from spot_responder.intake.azure_errors import NO_ANSWER, FailureKind
from spot_responder.responder.acting.requests import Accepted, NotedRequest, Refused, Requests
from spot_responder.responder.log import log_resize_accepted, log_resize_refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from spot_responder.decisions.pools import PoolGate
    from spot_responder.decisions.recoveries import Recovery
    from spot_responder.intake.azure_errors import Failure
    from spot_responder.responder.acting.save import Saver
    from spot_responder.responder.gather import Gathered
    from spot_responder.responder.pool_gates import Gates
    from spot_responder.responder.ports import Resizing


@dataclass(frozen=True, slots=True)
class SizeChanger:
    """Requests other sizes; the VM's place at that size's gate is saved already. ``clock`` gives the time in UTC."""

    resizing: Resizing | None
    gates: Gates
    saver: Saver
    requests: Requests
    policy: Policy
    clock: Callable[[], datetime]

    async def change(
        self, opened: Recovery, gathered: Gathered, decision: Resize, now: datetime, jitter: float
    ) -> None:
        """Request another size, after the row has noted that. ``opened``: the VM's open recovery, not saved yet."""
        if self.resizing is None:
            message = "a change of size was decided on, and no identity may ask for it"
            raise AssertionError(message)
        resizer, vm, size = self.resizing.resizer, decision.vm, decision.size
        asking = opened.asking_for_size(vm, size, now, now + ANSWER_PATIENCE, decision.reason)
        etag = await self.saver.save_followed_up(asking, gathered, decision, now)
        noted = NotedRequest(gathered, asking, etag, f"its change to {size}", RESIZE_LOOK_HOLDS)
        answer = await self.requests.send(noted, lambda: resizer.resize(vm, size))
        match answer:
            case Accepted():
                log_resize_accepted(gathered.situation, asking)
                wait = Wait(self.clock() + RESIZE_TAKES, f"{noted.what} was accepted: a start follows")
                await self.requests.record(noted, lambda row: row.accepted(answer.operation_url), wait)
            case Refused():
                log_resize_refused(gathered.situation, asking, answer.failure)
                await self._refused(noted, answer.failure, decision, jitter)
            case None:
                pass
            case _:
                assert_never(answer)

    async def _refused(self, noted: NotedRequest, failure: Failure, asked: Resize, jitter: float) -> None:
        if failure.code == NO_ANSWER:
            await self.requests.unanswered(noted, failure)
            return
        before = noted.gathered.situation.attempt_under_way
        asked_before = before is not None and is_same(before.resize_to, asked.size)
        now, unfit_until = self.clock(), size_is_unfit_until(failure, self.policy, self.clock())

        def decide_on(gate: PoolGate) -> tuple[Wait, PoolGate | None]:
            wait = decide_after_refused_size(asked.size, failure, asked.vm, gate, self.policy, now, jitter)
            return wait, wait.gate

        wait = await self.gates.update(pool_of(asked.vm, asked.size), decide_on)

        def refused(row: Recovery) -> Recovery:
            answered = row.size_refused(failure, wait.until, unfit_until)
            # It may have the size by us all the same: of an error inside Azure, or of an earlier request for it.
            if failure.kind is FailureKind.UNKNOWN or asked_before:
                return answered
            return replace(answered, sizes=answered.sizes.not_given(asked.size))

        await self.requests.record(noted, refused, wait)

    def failed(
        self, situation: Situation, recovery: Recovery, failure: Failure, until: datetime, now: datetime
    ) -> Recovery:
        """Note that a change of size failed that Azure had accepted."""
        log_resize_refused(situation, recovery, failure)
        return recovery.size_refused(failure, until, size_is_unfit_until(failure, self.policy, now))
