"""Publish: write closed recoveries into the history, and publish outcomes and notices on the events topic.

Called by ``act.py``, ``acting/save.py``, and ``sweep.py``, which tries again what the topic did not take. An event may
be published twice, and counts once: its id is derived from the recovery's.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from spot_responder.decisions.app_health.app_failures import Activity, Failing
from spot_responder.decisions.publishing.notices import due_notices
from spot_responder.responder.failure_notes import FailureNotes
from spot_responder.responder.log import log_notice_not_published, log_outcome_not_published
from spot_responder.responder.ports import AzureRefusedError, ChangedMeanwhileError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from spot_responder.decisions.recoveries import Notice, Recovery
    from spot_responder.decisions.situations import Wait
    from spot_responder.offerings.price_alerts import PriceAlert
    from spot_responder.responder.ports import EventsTopic, Store


@dataclass(frozen=True, slots=True)
class Publisher:
    """Writes and publishes. ``clock`` gives the time in UTC."""

    store: Store
    topic: EventsTopic
    clock: Callable[[], datetime]

    async def close(self, closed: Recovery, etag: str | None) -> None:
        """Write a closed recovery into the history, publish its outcome, and note both in its row.

        After a crash before the row says so, the sweep does it again, or the next recovery of this VM, which takes over
        the row.
        """
        await self.record(closed)
        # If a new recovery was opened for the VM just now, the old one is in the history already.
        with suppress(ChangedMeanwhileError):
            await self.store.save(closed.in_the_history(), etag)

    async def record(self, closed: Recovery) -> None:
        """Write a closed recovery into the history and publish its outcome."""
        await self.store.write_history(closed)
        await self.outcome(closed)

    async def outcome(self, closed: Recovery) -> bool:
        """Publish an outcome that is in the history, and answer whether it was; the sweep tries again."""
        try:
            await self.topic.publish_outcome(closed)
        except AzureRefusedError as refusal:
            log_outcome_not_published(closed, str(refusal))
            await self._failed(refusal, self.clock())
            return False
        await self._succeeded()
        await self.store.note_published(closed)
        return True

    async def notices(self, waiting: Recovery, wait: Wait, now: datetime) -> tuple[Recovery, bool]:
        """Publish an open recovery's due notices; give it with that noted, and whether the topic took them all."""
        published, is_taken = waiting.published_notices, True
        for notice in due_notices(waiting, wait, now):
            took = await self.notice(waiting, notice, now)
            is_taken = is_taken and took is not None
            published |= {notice} if took else set()
        if published != waiting.published_notices and is_taken:
            await self._succeeded()
        return replace(waiting, published_notices=published), is_taken

    async def notice(self, recovery: Recovery, notice: Notice, now: datetime) -> bool | None:
        """Publish one notice; answer whether there is a topic, which took it then; ``None`` where it refused."""
        try:
            return await self.topic.publish_notice(recovery, notice, now)
        except AzureRefusedError as refusal:
            log_notice_not_published(recovery, notice, str(refusal))
            await self._failed(refusal, now)
            return None

    async def price_alert(self, alert: PriceAlert) -> bool:
        """Publish that a VM's max price has fallen behind, and answer whether it was; the next sweep tries again."""
        try:
            await self.topic.publish_price_alert(alert)
        except AzureRefusedError as refusal:
            await self._failed(refusal, self.clock())
            return False
        await self._succeeded()
        return True

    async def _failed(self, refusal: AzureRefusedError, now: datetime) -> None:
        await FailureNotes(self.store).failing(Failing(Activity.PUBLISH, now, now, str(refusal)))

    async def _succeeded(self) -> None:
        await FailureNotes(self.store).success(Activity.PUBLISH)
