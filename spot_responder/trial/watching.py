"""Looks at the VM from all sides while the steps go on.

ARM's instance view, Resource Graph, the witness queue, and its serial console, to which the listener inside prints.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from spot_responder.intake.payloads import text_field
from spot_responder.intake.vms import PowerState
from spot_responder.trial.field import COMPUTE
from spot_responder.trial.views.observations import Sample

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from spot_responder.trial.field import Field
    from spot_responder.trial.views.observations import Answered

_POWER: Final = re.compile(r"PowerState/(\w+)", re.IGNORECASE)
_NOT_FOUND: Final = 404
_SHOWN: Final = (
    "resources | where type =~ 'microsoft.compute/virtualmachines' | where id =~ '{vm}' "
    "| project id, power = tostring(properties.extended.instanceView.powerState.code)"
)


@asynccontextmanager
async def watching(field: Field) -> AsyncIterator[None]:
    """Watch until the context ends; what happens inside the watch itself ends it with its error."""
    async with asyncio.TaskGroup() as group:
        looks = ((_look_at_arm, 1), (_look_at_graph, 2), (_drain, 1), (_listen, 2))
        tasks = [group.create_task(_again(look, field, times)) for look, times in looks]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


async def _again(look: Callable[[Field], Awaitable[None]], field: Field, times: int) -> None:
    while True:
        await look(field)
        await asyncio.sleep(field.waits.look * times)


async def _look_at_arm(field: Field) -> None:
    if not field.seen.vm_id:
        return
    answer = await field.azure.ask("GET", f"{field.seen.vm_id}/instanceView", COMPUTE)
    if answer.is_good:
        field.seen.powers.append(Sample(answer.at, _state(str(answer.body))))
    elif answer.status == _NOT_FOUND:
        field.seen.powers.append(Sample(answer.at, None))


async def _look_at_graph(field: Field) -> None:
    if not field.seen.vm_id:
        return
    answer = await field.azure.query(field.plan.subscription, _SHOWN.format(vm=field.seen.vm_id))
    if answer.is_good:
        state = _shown(answer)
        field.seen.shown.append(Sample(answer.at, state))


def _shown(answer: Answered) -> PowerState | None:
    return PowerState.parse(text_field(answer.rows[0], "power")) if answer.rows else None


def _state(text: str) -> PowerState:
    found = _POWER.search(text)
    return PowerState.parse(found[0]) if found else PowerState.UNKNOWN


async def _listen(field: Field) -> None:
    if not field.seen.vm_id:
        return
    answer = await field.azure.serial_log(field.seen.vm_id)
    if not answer.is_good:
        # Where it was read before, something refuses it now: a lock does.
        field.seen.answers.setdefault("serial log", [answer])
        field.seen.missed["listener"] = f"the serial log was not read: {answer.told()}"
        return
    field.seen.answers["serial log"] = [replace(answer, body=None)]
    # Nothing may have been printed yet.
    field.seen.hear(str(answer.body or ""))


async def _drain(field: Field) -> None:
    if not field.seen.endpoints or "event subscription without rights" not in field.seen.answers:
        return
    answer, arrived = await field.azure.storage(field.seen.endpoints).drain(field.plan.queue)
    field.seen.arrived.extend(arrived)
    if answer.is_good:
        field.seen.drained_at = answer.at
    else:
        field.seen.answers["witness queue"] = [answer]
