"""Looks at the work queues as the app does, and changes nothing. ``views/work_queues.py`` says what was seen.

``views/work_figures.py`` has the figures of the last days. Called by ``commands/queues.py``, ``gather.py`` and
``doctor.py``.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from spot_responder.decisions.app_health.event_path import WINDOW
from spot_responder.decisions.work import NoWorkQueue, serves_work, work_queue_of
from spot_responder.demand.decide_demand import work_of
from spot_responder.demand.looks import VmWatch
from spot_responder.demand.own_stops import own_stops_said, unseen_own_stop
from spot_responder.operators.views.explained_work import WorkTold, stopped_itself_at
from spot_responder.operators.views.work_figures import work_figures
from spot_responder.operators.views.work_findings import queue_finding, workers_finding
from spot_responder.operators.views.work_queues import queue_demand, unseen_queue
from spot_responder.responder.ports import AzureRefusedError
from spot_responder.responder.work.looks import WorkLooks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence
    from datetime import datetime

    from spot_responder.decisions.recoveries import Recovery
    from spot_responder.decisions.situations import Situation
    from spot_responder.demand.work_queues import WorkQueue
    from spot_responder.intake.azure_errors import Failure
    from spot_responder.operators.ports import OperatorPorts
    from spot_responder.operators.views.findings import Finding
    from spot_responder.operators.views.work_figures import JobsDone, WorkFigures
    from spot_responder.operators.views.work_queues import QueueDemand
    from spot_responder.responder.ports import Ports
    from spot_responder.settings import Settings


async def gather_queues(ports: Ports, settings: Settings, now: datetime) -> tuple[QueueDemand, ...]:
    """Give what each work queue asks for. One that the login may not read is among them, with the reason."""
    looks = WorkLooks(ports, settings, clock=lambda: now, jitter=float, new_id=str)
    return tuple(await asyncio.gather(*(_demand(queue, looks, now) for queue in settings.work_queues)))


async def _demand(queue: WorkQueue, looks: WorkLooks, now: datetime) -> QueueDemand:
    watch = (await looks.work.table.load(queue.name)).value
    try:
        return queue_demand(await looks.look(queue.name), watch, queue, now)
    except AzureRefusedError as refused:
        return unseen_queue(watch, queue, str(refused))


async def gather_figures(
    ports: OperatorPorts, settings: Settings, recoveries: Sequence[Recovery], now: datetime
) -> tuple[WorkFigures, ...]:
    """Give the figures of each work queue; ``recoveries``: those that are open, and those of the last days."""
    work = ports.app.work
    if work is None:
        return ()

    async def of(queue: WorkQueue) -> WorkFigures:
        stored, done = await asyncio.gather(work.table.load(queue.name), _done(queue, ports, now))
        return work_figures(stored.value, done, recoveries, now)

    return tuple(await asyncio.gather(*map(of, settings.work_queues)))


async def _done(queue: WorkQueue, ports: OperatorPorts, now: datetime) -> JobsDone | str:
    """Count the jobs that are done; where that cannot be, say why: the rest is shown all the same."""
    try:
        done = await ports.results.done_since(queue.name, now - WINDOW)
    except AzureRefusedError as refused:
        return str(refused)
    return done or "no worker has made a table of results yet"


async def work_told(situation: Situation, ports: Ports, settings: Settings, now: datetime) -> WorkTold:
    """Say what its work queue asks of a VM, by the app's latest look, and when the VM stopped itself, if it did."""
    vm, work = situation.vm, ports.work
    if vm is None or work is None or not serves_work(vm, settings.policy):
        return WorkTold()
    name = work_queue_of(vm, settings.policy)
    if isinstance(name, NoWorkQueue):
        return WorkTold(name.reason)
    watch = (await work.table.load(name)).value
    try:
        words = await work.queues.words(name)
    except AzureRefusedError:
        # What the app kept of them is known all the same.
        words = []
    kept = watch.vms.get(vm.vm_id.key, VmWatch())
    said = own_stops_said(vm, words, now)
    unseen = unseen_own_stop(said, situation.evidence.own_stop_at, kept.own_stops, watch.looked_at)
    return WorkTold(work_of(vm.vm_id, watch, now, unseen).reason, stopped_itself_at(situation, vm, words, kept))


async def work_findings(ports: Ports, settings: Settings) -> list[Finding]:
    """Check each work queue for ``doctor``: whether it can be counted, and the words of its workers read."""
    work = ports.work
    if work is None:
        return []

    async def of(queue: WorkQueue) -> list[Finding]:
        counted, said = work.queues.backlog(queue.name), work.queues.words(queue.name)
        backlog, words = await asyncio.gather(_or_failure(counted), _or_failure(said))
        return [queue_finding(queue, backlog), workers_finding(queue, words)]

    return [finding for found in await asyncio.gather(*map(of, settings.work_queues)) for finding in found]


async def _or_failure[T](asked: Awaitable[T]) -> T | Failure:
    try:
        return await asked
    except AzureRefusedError as refused:
        return refused.failure
