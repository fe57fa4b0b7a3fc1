"""Notes in the table ``health`` what the app as a whole fails to do (``decisions/app_health/app_failures.py``).

Status page, commands and alarms read it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spot_responder.responder.log import log_lasting
from spot_responder.responder.ports import StoreFailedError

if TYPE_CHECKING:
    from spot_responder.decisions.app_health.app_failures import Activity, Failing
    from spot_responder.responder.ports import Store


@dataclass(frozen=True, slots=True)
class FailureNotes:
    """Writes the notes. They never change what the app does: a table that fails is logged elsewhere."""

    store: Store

    async def failing(self, failing: Failing) -> None:
        """Note that an activity fails, and log it once that has lasted."""
        try:
            noted = await self.store.note_failing(failing)
        except StoreFailedError:
            return
        if noted.lasts(failing.latest_at):
            log_lasting(noted.activity, noted.since, noted.reason)

    async def success(self, activity: Activity) -> None:
        """Delete the note that an activity failed; if that cannot be written, the next success does it."""
        with suppress(StoreFailedError):
            await self.store.note_success(activity)
