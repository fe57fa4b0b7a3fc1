"""Step *stop*: the VM's owner stops it, and a start in the middle of that is refused."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from spot_responder.intake.vms import PowerState
from spot_responder.trial.field import COMPUTE, StepFailedError
from spot_responder.trial.views.observations import Mark

if TYPE_CHECKING:
    from spot_responder.trial.field import Field


async def stop(field: Field) -> None:
    """Deallocate the VM.

    Raises:
        StepFailedError: if it does not go down.
    """
    field.mark(Mark.STOP)
    asked = await field.ask("stop", "POST", f"{field.plan.vm}/deallocate", COMPUTE)
    if asked.was_refused:
        message = f"deallocate: {asked.told()}"
        raise StepFailedError(message)
    start = await field.ask_once("start while it deallocates", "POST", f"{field.plan.vm}/start", COMPUTE)
    if not start.was_refused:
        # It came too late, or Azure takes a start then, or nobody knows: the VM is to be down all the same.
        await field.until(lambda: field.seen.state() is PowerState.RUNNING, field.waits.created)
        await field.ask("stop again", "POST", f"{field.plan.vm}/deallocate", COMPUTE)
    if not await field.until(lambda: field.seen.state() is PowerState.DEALLOCATED, field.waits.created):
        message = f"not stopped within {field.waits.created:.0f} s"
        raise StepFailedError(message)
    field.mark(Mark.STOPPED)
    field.tell("stopped; waiting for what is told of it")
    await asyncio.sleep(field.waits.settle)
    field.mark(Mark.END)
