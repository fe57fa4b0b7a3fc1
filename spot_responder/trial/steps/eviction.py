"""Step *eviction*: Azure evicts the VM on request, and it is started again, as the app would start it."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final

from spot_responder.intake.vms import PowerState
from spot_responder.trial.field import COMPUTE, StepFailedError
from spot_responder.trial.steps.machine import RESTART_TAG
from spot_responder.trial.steps.size import change_size, change_with_old_etag
from spot_responder.trial.views.observations import Mark

if TYPE_CHECKING:
    from spot_responder.trial.field import Field

_POLLS: Final = 30
_ANNOTATIONS: Final = (
    "healthresources | where type =~ 'microsoft.resourcehealth/resourceannotations' "
    "| where tostring(properties.targetResourceId) =~ '{vm}' | project id, properties"
)
_RUNNING: Final = 202
_BATCH: Final = 100


async def eviction(field: Field) -> None:
    """Have the VM evicted, look at it from all sides, change its size and change it back, and start it again.

    Raises:
        StepFailedError: if it is not evicted, or does not run again.
    """
    vm = field.plan.vm
    field.mark(Mark.EVICTION)
    asked = await field.ask("simulate eviction", "POST", f"{vm}/simulateEviction", COMPUTE)
    if asked.was_refused:
        message = f"simulateEviction: {asked.told()}"
        raise StepFailedError(message)
    if not await field.until(lambda: field.seen.state() is PowerState.DEALLOCATED, field.waits.eviction):
        message = f"not evicted within {field.waits.eviction:.0f} s"
        raise StepFailedError(message)
    field.mark(Mark.EVICTED)
    field.tell("evicted; waiting for what is told of it")
    shown = lambda: field.seen.shown and field.seen.shown[-1].state is PowerState.DEALLOCATED  # noqa: E731
    await asyncio.gather(asyncio.sleep(field.waits.settle), field.until(shown, field.waits.graph))
    await field.named_query("confirm.kql", "confirm", vm_ids=[vm])
    await field.named_query("confirm.kql of 100", "confirm", vm_ids=[vm] * _BATCH)
    await field.named_query("sweep.kql", "sweep", restart_tag=RESTART_TAG)
    await field.query("id in another casing", f"resources | where id in~ ('{vm.upper()}') | project id")
    annotations = _ANNOTATIONS.format(vm=vm)
    await field.query("annotations after the eviction", annotations)
    await _activity_log(field)
    await change_size(field, annotations)
    await field.ask("VM before the start", "GET", vm, COMPUTE)
    await _start(field)
    await field.query("annotations after the start", annotations)
    await change_with_old_etag(field)


async def _start(field: Field) -> None:
    field.mark(Mark.STARTED)
    start = await field.ask("start", "POST", f"{field.plan.vm}/start", COMPUTE)
    if start.was_refused:
        message = f"start: {start.told()}"
        raise StepFailedError(message)
    for header, name in (("location", "location of the start"), ("azure-asyncoperation", "operation of the start")):
        for _ in range(_POLLS if start.headers.get(header) else 0):
            answer = field.note(name, await field.persistently(partial(field.azure.follow, start.headers[header])))
            if answer.status != _RUNNING:
                break
            await asyncio.sleep(field.waits.look)
    if not await field.until(lambda: field.seen.state() is PowerState.RUNNING, field.waits.created):
        message = f"start: not running within {field.waits.created:.0f} s"
        raise StepFailedError(message)
    field.mark(Mark.RUNS)
    started_at = field.seen.marks[Mark.STARTED]
    boots_again = lambda: any(each.what == "boot" and each.at >= started_at for each in field.seen.heard)  # noqa: E731
    listens = field.until(boots_again, field.waits.listener if field.seen.heard else 0)
    await asyncio.gather(asyncio.sleep(field.waits.settle), listens)


async def _activity_log(field: Field) -> None:
    since = field.seen.marks[Mark.EVICTION].strftime("%Y-%m-%dT%H:%M:%SZ")
    wanted = f"eventTimestamp%20ge%20'{since}'%20and%20resourceUri%20eq%20'{field.plan.vm}'"
    path = f"{field.plan.scope}/providers/Microsoft.Insights/eventtypes/management/values?$filter={wanted}"
    await field.ask("activity log", "GET", path, "2015-04-01")
