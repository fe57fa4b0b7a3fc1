"""The sweep: find VMs that no signal reported, publish again what the topic did not take, delete what is over.

Called by ``responder.py`` at the slow timer. It starts nothing: each find goes onto the queue, and is handled as any
signal.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import batched
from typing import TYPE_CHECKING, Final

from spot_responder.decisions.agents_word import agent_is_silent
from spot_responder.decisions.app_health.app_failures import Activity, Failing
from spot_responder.decisions.app_health.event_path import WINDOW, event_path
from spot_responder.intake.own_messages import sweep_found_event
from spot_responder.responder.agents_word import AgentsWord
from spot_responder.responder.failure_notes import FailureNotes
from spot_responder.responder.log import log_sweep
from spot_responder.responder.ports import StoreFailedError
from spot_responder.responder.sweep_finds import sweep_finds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from spot_responder.decisions.recoveries import Recovery
    from spot_responder.intake.vms import VmId
    from spot_responder.responder.ports import Ports, Stored
    from spot_responder.responder.publish import Publisher

UNPUBLISHED_AT_MOST: Final = timedelta(days=2)
"""How long it is tried to publish an outcome; after that it is in the history only."""

REFUSED_AT_MOST: Final = 3
"""How many outcomes in a row the topic may refuse before the others wait for the next sweep."""

PUT_AT_ONCE: Final = 32
"""How many finds are put on the queue at once: one after the other, 10,000 would take longer than an invocation may."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """One sweep. ``clock`` gives the time in UTC, ``new_id`` a fresh id."""

    ports: Ports
    publisher: Publisher
    restart_tag: str
    clock: Callable[[], datetime]
    new_id: Callable[[], str]

    async def run(self) -> int:
        """Put a find on the queue for each VM that no signal reported; give how many. Delete the rows that are over.

        A sweep that fails, or crashes, leaves a note in the table ``health``: since when none has been completed.
        """
        await self._note_begun()
        try:
            found = await self._find()
        except Exception as problem:
            now = self.clock()
            await FailureNotes(self.ports.store).failing(Failing(Activity.SWEEP, now, now, str(problem)))
            raise
        await FailureNotes(self.ports.store).success(Activity.SWEEP)
        return found

    async def _note_begun(self) -> None:
        """Note that this sweep may not be completed, with the reason that an earlier one has left, if any."""
        now, reason = self.clock(), "the latest one did not come to its end"
        with suppress(StoreFailedError):
            # The sweep goes on without the note: if the tables fail, the sweep itself reports it.
            before = [each.reason for each in await self.ports.store.failing() if each.activity is Activity.SWEEP]
            await self.ports.store.note_failing(Failing(Activity.SWEEP, now, now, next(iter(before), reason)))

    async def _find(self) -> int:
        now, store = self.clock(), self.ports.store
        rows = await store.all_recoveries()
        finds = sweep_finds((row.value for row in rows), now)
        await self._put_finds(finds.overdue, now)
        failed = await self._finish_what_is_over(rows, now)
        # Last, since it may be throttled: what the rows say must not wait for that.
        found = finds.among(await self.ports.graph.deallocated_spot_vms(self.restart_tag))
        await self._put_finds(found, now)
        history = await store.closed_between((now - WINDOW).date(), now.date())
        path = event_path([*history, *(row.value for row in rows)], now)
        log_sweep(len(found), len(finds.overdue), len(finds.busy), path)
        if failed is not None:
            raise failed
        return len(found) + len(finds.overdue)

    async def _finish_what_is_over(self, rows: Sequence[Stored[Recovery]], now: datetime) -> StoreFailedError | None:
        """Do what closings left undone, and delete rows; give what failed: no VM is to wait for that."""
        try:
            for row in rows:
                if not row.value.is_open and not row.value.recorded:
                    await self.publisher.close(row.value, row.etag)
                elif not row.value.is_worth_remembering(now):
                    await self.ports.store.forget(row)
                elif agent_is_silent(row.value, now):
                    await AgentsWord(self.ports.store, self.publisher, self.clock).silent(row.value, row.etag)
            await self._publish_again(now)
        except StoreFailedError as failed:
            return failed
        return None

    async def _publish_again(self, now: datetime) -> None:
        refused = 0
        for closed in await self.ports.store.unpublished(now - UNPUBLISHED_AT_MOST):
            refused = 0 if await self.publisher.outcome(closed) else refused + 1
            if refused == REFUSED_AT_MOST:
                # The topic fails: it would not take the others either.
                return

    async def _put_finds(self, vm_ids: frozenset[VmId], now: datetime) -> None:
        for some in batched(sorted(vm_ids, key=str), PUT_AT_ONCE, strict=False):
            events = [sweep_found_event(vm_id, now, self.new_id()) for vm_id in some]
            await asyncio.gather(*(self.ports.queue.put(event, timedelta()) for event in events))
