"""Send one request to Azure about a VM, and note in the VM's row what came of it.

The row has noted the request before it is sent, with a follow-up for the case that no answer comes: a crash in between
is noticed. Called by ``starts.py`` and ``resizes.py``, which know what an answer means.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from spot_responder.decisions.publishing.notices import noticed_if_it_lasts
from spot_responder.decisions.situations import Wait
from spot_responder.intake.azure_errors import OWN_PACE
from spot_responder.responder.acting.save import waiting_for
from spot_responder.responder.ports import AzureRefusedError, ChangedMeanwhileError, Store
from spot_responder.responder.retry_on_change import retry_on_change

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from spot_responder.decisions.recoveries import Recovery
    from spot_responder.intake.azure_errors import Failure
    from spot_responder.responder.acting.save import Saver
    from spot_responder.responder.gather import Gathered


@dataclass(frozen=True, slots=True)
class NotedRequest:
    """A request that the VM's row has noted.

    Attributes:
        gathered: what the decision to send it rests on.
        asking: the row, as it was saved.
        etag: the row's ETag; ``None``: the row has to be loaded before it is changed.
        what: the request, in words.
        holds: how long what was gathered counts: a request that would be sent later is withdrawn.
    """

    gathered: Gathered
    asking: Recovery
    etag: str | None
    what: str
    holds: timedelta


@dataclass(frozen=True, slots=True)
class Accepted:
    """Azure accepted the request. ``operation_url`` is where its operation can be read, if Azure gave that."""

    operation_url: str | None


@dataclass(frozen=True, slots=True)
class Refused:
    """Azure refused the request, or did not answer (``NO_ANSWER``)."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Requests:
    """Sends requests. ``clock`` gives the time in UTC."""

    store: Store
    saver: Saver
    clock: Callable[[], datetime]

    async def send(
        self, noted: NotedRequest, request: Callable[[], Awaitable[str | None]]
    ) -> Accepted | Refused | None:
        """Send a request; ``None``: it was not sent, which the row has noted."""
        if self.clock() - noted.gathered.begun_at > noted.holds:
            too_old = f"what we saw was over {noted.holds.seconds} s old before we could ask: looking again"
            await self._withdraw(noted, self.clock(), too_old)
            return None
        try:
            return Accepted(await request())
        except AzureRefusedError as refusal:
            if refusal.failure.code != OWN_PACE:
                return Refused(refusal.failure)
            in_turn = self.clock() + (refusal.failure.retry_after or timedelta())
            await self._withdraw(noted, in_turn, f"its turn has not come: {refusal.failure.message}")
            return None

    async def _withdraw(self, noted: NotedRequest, until: datetime, why: str) -> None:
        recovery = noted.gathered.situation.open_recovery
        before = recovery.attempt if recovery else None
        now = self.clock()
        wait = Wait(until, why, obstacle_since=noted.asking.obstacle_since or now)
        # No look comes before ``until``: what will have lasted by then is told now.
        wait = noticed_if_it_lasts(wait, noted.asking, until)
        await self.record(noted, lambda row: row.withdrawn(before), wait)

    async def unanswered(self, noted: NotedRequest, failure: Failure) -> None:
        """Note that no answer came, and go on when the follow-up comes that was put before the request."""
        answer_by = noted.asking.wake_at or self.clock()
        why = f"{noted.what} was not answered: whether Azure took it is not known yet"
        wait = Wait(answer_by, why, obstacle_since=noted.asking.obstacle_since)
        # Half a minute has passed: others may have gone on with the row, and nothing is to be told of what is over.
        await self.record(replace(noted, etag=None), lambda row: row.unanswered(failure), wait)

    async def record(self, noted: NotedRequest, answered: Callable[[Recovery], Recovery], wait: Wait) -> None:
        """Note an answer in the row, also if another worker added evidence to the row during the request.

        If it cannot be saved, the follow-up that was put before the request reads the VM, and asks anew if it is still
        down.
        """
        with suppress(ChangedMeanwhileError):
            if noted.etag is not None:
                await self._save(answered(noted.asking), noted.etag, wait)
                return
        with suppress(ChangedMeanwhileError):
            await retry_on_change(noted.asking.vm_id, lambda: self._load_and_save(noted.asking, answered, wait))

    async def _load_and_save(self, asking: Recovery, answered: Callable[[Recovery], Recovery], wait: Wait) -> None:
        row = await self.store.load(asking.vm_id)
        if row.value is not None and row.etag is not None and _is_same_attempt(row.value, asking):
            await self._save(answered(row.value), row.etag, wait)

    async def _save(self, recovery: Recovery, etag: str, wait: Wait) -> None:
        waiting = await self.saver.with_notices(waiting_for(recovery, wait), wait, self.clock())
        await self.saver.follow_up(waiting)
        await self.store.save(waiting, etag)


def _is_same_attempt(recovery: Recovery, asking: Recovery) -> bool:
    # When it was asked tells it from every other attempt, also from those of another recovery.
    return recovery.is_open and recovery.attempt == asking.attempt
