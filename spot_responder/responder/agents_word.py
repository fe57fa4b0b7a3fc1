"""Notes what an agent tells besides a notice in time: a workload that goes on, maintenance, a notice of the past.

It reads and writes the VM's row and its history, and asks nothing of Azure. Called by ``responder.py`` and, for agents
that are silent, by ``sweep.py``; ``decisions/agents_word.py`` has the rules.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from spot_responder.decisions.agents_word import SILENT, noted
from spot_responder.decisions.outcomes import Outcome
from spot_responder.decisions.recoveries import Notice
from spot_responder.decisions.recovery_times import was_ready_when_closed
from spot_responder.intake.signals import SignalKind
from spot_responder.responder.log import log_agent_silent, log_agents_word, log_not_ours, log_workload_ready
from spot_responder.responder.ports import ChangedMeanwhileError, Stored
from spot_responder.responder.retry_on_change import retry_on_change

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from spot_responder.decisions.recoveries import Recovery
    from spot_responder.intake.signals import Signal
    from spot_responder.responder.ports import Store
    from spot_responder.responder.publish import Publisher


@dataclass(frozen=True, slots=True)
class AgentsWord:
    """Notes it. ``clock`` gives the time in UTC."""

    store: Store
    publisher: Publisher
    clock: Callable[[], datetime]

    async def note(self, signal: Signal) -> None:
        """Note what an agent tells in the VM's row, in the history and in the log; publish that a workload goes on.

        Each step may be repeated: a message that comes again changes and publishes nothing.

        Raises:
            ChangedMeanwhileError: if the recovery is closed, and not in the history yet.
            AzureRefusedError: if the topic did not take the event.
        """
        if signal.kind is SignalKind.AGENT_MAINTENANCE:
            log_agents_word(signal)
        stored = await retry_on_change(signal.vm_id, lambda: self._save(signal))
        row = stored.value
        if row is None:
            if signal.kind is not SignalKind.AGENT_MAINTENANCE:
                log_not_ours(f"The agent of {signal.vm_id} tells of a recovery that is not kept ({signal.kind}).")
            return
        if row.is_open or signal.kind is SignalKind.AGENT_MAINTENANCE:
            return
        if not row.recorded:
            message = f"recovery {row.recovery_id} of {row.vm_id} is not in the history yet"
            raise ChangedMeanwhileError(message)
        await self.store.note_agent(row)
        if signal.kind is SignalKind.WORKLOAD_READY and row.outcome is Outcome.RESTORED:
            await self._publish_ready(row, stored.etag)

    async def silent(self, row: Recovery, etag: str | None) -> None:
        """Log that a restored VM's agent does not report, and publish it once."""
        log_agent_silent(row)
        if Notice.AGENT_SILENT in row.published_notices:
            return
        now = self.clock()
        if await self.publisher.notice(replace(row, reason=SILENT), Notice.AGENT_SILENT, now):
            await self._save_published(row, Notice.AGENT_SILENT, etag)

    async def _save(self, signal: Signal) -> Stored[Recovery | None]:
        stored = await self.store.load(signal.vm_id)
        row = noted(stored.value, signal, self.clock())
        if row is None or row == stored.value:
            return Stored(row, stored.etag)
        etag = await self.store.save(row, stored.etag)
        if signal.kind is SignalKind.WORKLOAD_READY:
            log_workload_ready(row)
        return Stored(row, etag)

    async def _publish_ready(self, row: Recovery, etag: str | None) -> None:
        """Publish it, unless the outcome has said so, or it was published before."""
        is_told = was_ready_when_closed(row) or Notice.WORKLOAD_READY in row.published_notices
        if not is_told and await self.publisher.topic.publish_notice(row, Notice.WORKLOAD_READY, self.clock()):
            await self._save_published(row, Notice.WORKLOAD_READY, etag)

    async def _save_published(self, row: Recovery, notice: Notice, etag: str | None) -> None:
        # Where the row was changed meanwhile, it may be published once more, with the same id.
        with suppress(ChangedMeanwhileError):
            await self.store.save(replace(row, published_notices=row.published_notices | {notice}), etag)
