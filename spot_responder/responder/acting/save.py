"""Save the rows of open recoveries, with the follow-ups and the notices that belong to them.

Called by ``act.py`` and ``requests.py``. Why a follow-up comes before its row: ``act.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from spot_responder.decisions.publishing.notices import TELL_AGAIN
from spot_responder.intake.own_messages import follow_up_event
from spot_responder.responder.log import log_decision
from spot_responder.responder.ports import StoreFailedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from spot_responder.decisions.recoveries import Recovery
    from spot_responder.decisions.situations import Decision, Situation, Wait
    from spot_responder.responder.gather import Gathered
    from spot_responder.responder.ports import Queue, Store
    from spot_responder.responder.publish import Publisher


@dataclass(frozen=True, slots=True)
class Saver:
    """Saves rows. ``clock`` gives the time in UTC, ``new_id`` a fresh id."""

    store: Store
    queue: Queue
    publisher: Publisher
    clock: Callable[[], datetime]
    new_id: Callable[[], str]

    async def notified(self, followed_up: Recovery, decision: Wait, now: datetime) -> Recovery:
        """Publish what is due for a recovery whose follow-up is on the queue; put one that comes sooner, if need be."""
        notified = await self.with_notices(followed_up, decision, now)
        if notified.sequence != followed_up.sequence:
            await self.follow_up(notified)
        return notified

    async def with_notices(self, waiting: Recovery, decision: Wait, now: datetime) -> Recovery:
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

    async def save(self, recovery: Recovery, gathered: Gathered, decision: Decision, now: datetime) -> str | None:
        """Save the row if it changed, and log the decision that now holds; give the row's ETag."""
        etag = gathered.etag
        if recovery != gathered.situation.recovery:
            etag = await self.store.save(recovery, gathered.etag)
        log_decision(gathered.situation, decision, now, recovery)
        return etag

    async def save_followed_up(
        self, recovery: Recovery, gathered: Gathered, decision: Decision, now: datetime
    ) -> str | None:
        """Put the follow-up that the row waits for on the queue, then save the row: a crash in between loses neither.

        Except after a follow-up that is ahead of its row (``_is_spare``): there the row is saved first.
        """
        if _is_spare(gathered.situation):
            return await self._save_then_follow_up(recovery, gathered, decision, now)
        await self.follow_up(recovery)
        return await self.save(recovery, gathered, decision, now)

    async def _save_then_follow_up(
        self, recovery: Recovery, gathered: Gathered, decision: Decision, now: datetime
    ) -> str | None:
        """Put no other follow-up before the row is saved: else they multiply while no row is saved."""
        try:
            etag = await self.save(recovery, gathered, decision, now)
        except StoreFailedError as problem:
            raise StoreFailedError(problem.failure, problem.what, is_spare=True) from problem
        await self.follow_up(recovery)
        return etag

    async def follow_up(self, recovery: Recovery) -> None:
        """Put the follow-up that an open recovery waits for on the queue."""
        now = self.clock()
        due_at = recovery.wake_at or now
        event = follow_up_event(recovery.vm_id, recovery.sequence, due_at, self.new_id())
        await self.queue.put(event, max(due_at - now, timedelta()))


def waiting_for(recovery: Recovery, wait: Wait, seen_queued_at: datetime | None = None) -> Recovery:
    """Give the recovery that waits as was decided."""
    return recovery.waiting(
        wait.until,
        wait.reason,
        seen_queued_at=seen_queued_at,
        notice=wait.notice,
        obstacle_since=wait.obstacle_since,
    )


def _is_spare(situation: Situation) -> bool:
    """Whether the signal is a follow-up of a look that could not save the row: the follow-up is ahead of its row.

    What led to that look is tried again itself, so this follow-up is not needed.
    """
    sequence, recovery = situation.signal.sequence if situation.signal else None, situation.open_recovery
    return sequence is not None and recovery is not None and sequence > recovery.sequence
