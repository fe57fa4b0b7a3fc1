"""Tries anew what rests on a row that somebody else may change meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spot_responder.responder.ports import ChangedMeanwhileError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from spot_responder.intake.vms import VmId

TRIES: Final = 5
"""How often it is tried: as many workers as that may change one row at a time, and each comes to its turn."""


async def retry_on_change[Result](vm_id: VmId, attempt: Callable[[], Awaitable[Result]]) -> Result:
    """Give what the first attempt gives that nobody's change of the VM's row spoils. Each one has to load the row.

    Raises:
        ChangedMeanwhileError: if the row was changed by somebody else each time.
    """
    for _ in range(TRIES):
        try:
            return await attempt()
        except ChangedMeanwhileError:
            continue
    message = f"the row of {vm_id} changed {TRIES} times while we looked at it: try again"
    raise ChangedMeanwhileError(message)
