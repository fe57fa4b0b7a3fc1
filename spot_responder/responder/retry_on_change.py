"""Tries again what another worker's change of a row spoiled.

Each task that loads a row, changes and saves it is called through it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spot_responder.responder.ports import ChangedMeanwhileError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from spot_responder.intake.vms import VmId
    from spot_responder.intake.work_queue_names import WorkQueueName

TRIES: Final = 5
"""How often it is tried: enough for as many workers as may change one row at the same time."""


async def retry_on_change[Result](about: VmId | WorkQueueName, attempt: Callable[[], Awaitable[Result]]) -> Result:
    """Give the result of the first attempt that no change of the row spoils. Each attempt has to load the row.

    Raises:
        ChangedMeanwhileError: if the row was changed by somebody else each time.
    """
    for _ in range(TRIES):
        try:
            return await attempt()
        except ChangedMeanwhileError:
            continue
    message = f"the row of {about} changed {TRIES} times while we looked at it: try again"
    raise ChangedMeanwhileError(message)
