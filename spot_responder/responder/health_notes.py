"""Notes in the table ``health`` what the app as a whole is kept from doing, for status page, commands and alarms."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spot_responder.responder.log import log_lasting
from spot_responder.responder.ports import StoreFailedError

if TYPE_CHECKING:
    from spot_responder.decisions.health import Activity, Failing
    from spot_responder.responder.ports import Store


@dataclass(frozen=True, slots=True)
class HealthNotes:
    """What is noted here is no reason to do or not to do anything: a table that fails is logged where it matters."""

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
        """Forget that an activity failed; where that cannot be written, the next success does."""
        with suppress(StoreFailedError):
            await self.store.note_success(activity)
