"""Tells the table ``workers`` what a slot does, beside the work: a table that does not answer holds nobody up."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from spot_worker.deciding.rows import Doing, SlotState, slot_label, slot_row
from spot_worker.deciding.times import iso
from spot_worker.running.ports import StorageError

if TYPE_CHECKING:
    from spot_worker.running.ports import Ports
    from spot_worker.running.settings import Settings

_AFTER_FAILURE_S: Final = 5.0
_IDLE_AGAIN_S: Final = 60.0


class Telling:
    """What one slot tells. Only the newest is written: what is overtaken is of no use."""

    def __init__(self, ports: Ports, settings: Settings, slot: int) -> None:
        """Nothing is told yet."""
        self._ports = ports
        queue, boot_id = settings.places.queue, settings.boot_id
        label = slot_label(settings.name, slot)
        self._state = SlotState(queue, settings.vm, label, boot_id, Doing.IDLE, "", "", "", settings.visibility_s)
        self._news = asyncio.Event()
        self._putting: asyncio.Future[None] | None = None
        self._idle_again_at = 0.0

    def idle(self) -> None:
        """Tell that there is nothing to do; now and then again, so that it is seen that we live."""
        now = self._ports.clock.monotonic()
        if self._state.doing is not Doing.IDLE or now >= self._idle_again_at:
            self._idle_again_at = now + _IDLE_AGAIN_S
            self._tell(Doing.IDLE, "")

    def busy(self, job_id: str) -> None:
        """Tell that a job is claimed."""
        self._tell(Doing.BUSY, job_id)

    def stopping(self, *, has_job: bool) -> None:
        """Tell that nothing more is claimed."""
        self._tell(Doing.STOPPING, self._state.job_id if has_job else "")

    def renewed(self) -> None:
        """Tell that the job is still worked on."""
        self._state = replace(self._state, renewed_at=iso(self._ports.clock.now()))
        self._news.set()

    async def keep(self) -> None:
        """Write what is told."""
        while True:
            await self._news.wait()
            self._news.clear()
            self._putting = asyncio.ensure_future(self._ports.tables.put_worker(slot_row(self._state)))
            self._putting.add_done_callback(lambda put: put.cancelled() or put.exception())
            try:
                await asyncio.shield(self._putting)
            except StorageError as error:
                self._ports.log.say("table of workers not written", error=str(error))
                await asyncio.sleep(_AFTER_FAILURE_S)

    async def last(self, within_s: float) -> None:
        """Write what was told last, if that takes no longer. What is under way must not come after it."""
        try:
            await asyncio.wait_for(self._last(), within_s)
        except (StorageError, asyncio.TimeoutError) as error:
            self._ports.log.say("table of workers not written", error=str(error) or "no answer")

    async def _last(self) -> None:
        if self._putting:
            await asyncio.wait({self._putting})
        await self._ports.tables.put_worker(slot_row(self._state))

    def _tell(self, doing: Doing, job_id: str) -> None:
        state, now = self._state, iso(self._ports.clock.now())
        claimed_at = "" if not job_id else (state.claimed_at if job_id == state.job_id else now)
        self._state = replace(state, doing=doing, job_id=job_id, claimed_at=claimed_at, renewed_at=now)
        self._news.set()
