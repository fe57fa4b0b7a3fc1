"""Looks at work queues: at each wake, each minute while a queue has messages or a VM of it is up, and at each sweep.

A wake only shortens the wait: what is to run is found out anew each time, from the queue, the VMs and what their
workers wrote. A look starts nothing itself. It puts a message for each VM that is to be started on the queue
``signals``, which is answered as any signal: with pools, brake, budget and holds. Called by ``responder.py``.

The order makes a crash at any line harmless: the follow-up is put first, then the row is saved, then the VMs are asked
for; what somebody has to know is told before the save, so that it is told twice rather than never.
A follow-up is a wake like any other, with nothing in it but the queue's name. One that comes while another is
still due looks, and puts none: so they do not multiply.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from spot_responder.decisions.policy import LASTS
from spot_responder.decisions.work import work_queue_of
from spot_responder.demand.decide_demand import LOOK_EVERY, decide_demand
from spot_responder.demand.looks import Look, QueueVm
from spot_responder.demand.wakes import NotAWakeError, read_wake
from spot_responder.intake.own_messages import work_waits_event
from spot_responder.responder.log import (
    log_odd_wake,
    log_work_look,
    log_work_queue_not_read,
    log_work_trouble,
    log_work_waits,
)
from spot_responder.responder.ports import AzureRefusedError, ChangedMeanwhileError, OddRowError, StoreFailedError
from spot_responder.responder.retry_on_change import retry_on_change

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from spot_responder.decisions.recoveries import Recovery
    from spot_responder.demand.looks import Demand, Watch, Word
    from spot_responder.demand.work_queues import WorkQueue
    from spot_responder.intake.vms import Vm
    from spot_responder.intake.work_queue_names import WorkQueueName
    from spot_responder.responder.ports import Ports, WorkPorts
    from spot_responder.settings import Settings

WAKES_JOIN: Final = timedelta(seconds=1)
"""How long after a look another wake waits, and a second more: of jobs that come at once, each with a wake, the first
starts a VM, and the next look sees all others. A stream of wakes costs a look each two seconds."""

LOOK_TAKES: Final = timedelta(seconds=5)
"""How long a look that has begun counts as under way, where nothing was saved of it yet."""

DUE_SOON: Final = timedelta(seconds=15)
"""A follow-up that is due so soon counts as come: the clocks of storage and app differ a little."""

SPREAD: Final = timedelta(seconds=1)
"""Over how long the starts of one look are spread."""


@dataclass(frozen=True, slots=True)
class WorkLooks:
    """Looks at work queues. ``clock`` gives the time in UTC, ``jitter`` a number from 0 to 1, ``new_id`` a fresh id."""

    ports: Ports
    settings: Settings
    clock: Callable[[], datetime]
    jitter: Callable[[], float]
    new_id: Callable[[], str]

    async def wake(self, body: str | bytes) -> None:
        """Answer a wake: look at its work queue, unless that was looked at a moment ago.

        Nothing but which work queue it is for is read of it. What names none is logged and dropped: whoever submits
        work may write to this queue, and is not to fill the poison queue.
        """
        try:
            name = read_wake(body, self.settings.work_queues)
        except NotAWakeError as problem:
            log_odd_wake(str(problem))
            return
        try:
            await retry_on_change(name, lambda: self._answer(name))
        except StoreFailedError as problem:
            log_work_queue_not_read(name, str(problem))
            await self.work.wakes.put(name, LOOK_EVERY)

    async def wake_all(self) -> None:
        """Put a wake for each work queue: a sweep finds what no wake told of, and follow-ups that were lost."""
        puts = (self.work.wakes.put(queue.name, timedelta()) for queue in self.settings.work_queues)
        await asyncio.gather(*puts)

    @property
    def work(self) -> WorkPorts:
        """Give the ports to work queues."""
        if self.ports.work is None:
            message = "this deployment has no work queues: see WORK_QUEUES"
            raise LookupError(message)
        return self.ports.work

    async def _answer(self, name: WorkQueueName) -> None:
        stored, now = await self.work.table.load(name), self.clock()
        watch = stored.value
        if _joins(watch, now):
            await self._join(watch, stored.etag, now)
            return
        # Saved before anything is read: of the wakes that come at once, one looks and the others join it.
        watch = replace(watch, began_at=now)
        etag = await self.work.table.save(watch, stored.etag)
        try:
            look = await self.look(name)
        except AzureRefusedError as refusal:
            # What cannot be read starts and ends nothing.
            failing = replace(watch, failing_since=watch.failing_since or now)
            lasts = failing.failing_since if now - (failing.failing_since or now) >= LASTS else None
            log_work_queue_not_read(name, str(refusal), lasts)
            await self._save(await self._followed_up(failing, now), etag)
            return
        demand = decide_demand(look, replace(watch, failing_since=None), self._queue(name), now)
        after = await self._followed_up(demand.watch, now) if demand.goes_on else replace(demand.watch, due_at=None)
        for vm_id, trouble in demand.troubles:
            log_work_trouble(name, vm_id, trouble)
        if demand.waits_since is not None:
            log_work_waits(demand.watch, demand.waits_since)
        await self._save(after, etag)
        log_work_look(after, len(demand.start))
        await self._carry_out(demand, now)

    async def _save(self, after: Watch, etag: str) -> None:
        """Save what a look decided, also where a wake that joins it has noted that meanwhile.

        Raises:
            ChangedMeanwhileError: if another look has begun.
        """
        try:
            await self.work.table.save(after, etag)
        except ChangedMeanwhileError:
            stored = await self.work.table.load(after.name)
            if stored.value.began_at != after.began_at:
                raise
            await self.work.table.save(replace(after, joins_at=stored.value.joins_at), stored.etag)

    async def _join(self, watch: Watch, etag: str | None, now: datetime) -> None:
        """Let a wake that comes right after a look wait: it may tell of a message that the look did not see."""
        if watch.joins_at is not None and watch.joins_at > now:
            return
        # Saved first, so that of many wakes one comes again; after a crash in between, the host brings this one again.
        await self.work.table.save(replace(watch, joins_at=now + WAKES_JOIN), etag)
        # A second later than noted: one that came early would wait for itself.
        await self.work.wakes.put(watch.name, WAKES_JOIN + timedelta(seconds=1))

    async def _followed_up(self, watch: Watch, now: datetime) -> Watch:
        """Put a follow-up, unless one is due anyway."""
        if watch.due_at is not None and watch.due_at - now > DUE_SOON:
            return watch
        await self.work.wakes.put(watch.name, LOOK_EVERY)
        return replace(watch, due_at=now + LOOK_EVERY)

    def _queue(self, name: WorkQueueName) -> WorkQueue:
        return next(queue for queue in self.settings.work_queues if queue.name == name)

    async def look(self, name: WorkQueueName) -> Look:
        """See the queue, its VMs and what their workers wrote. Raises ``AzureRefusedError``."""
        backlog, words, vms = await asyncio.gather(
            self.work.queues.backlog(name), self.work.queues.words(name), self.work.vms.vms_for_work()
        )
        ours = [vm for vm in vms if work_queue_of(vm, self.settings.policy) == name]
        rows = await asyncio.gather(*(self._recovery(vm) for vm in ours))
        return Look(backlog, tuple(_queue_vm(vm, row, words) for vm, row in zip(ours, rows, strict=True)))

    async def _recovery(self, vm: Vm) -> Recovery | None:
        try:
            return (await self.ports.store.load(vm.vm_id)).value
        except OddRowError:
            # It is logged, and the VM itself is not started while its row cannot be read.
            return None

    async def _carry_out(self, demand: Demand, now: datetime) -> None:
        for vm_id in demand.start:
            event = work_waits_event(vm_id, now, self.new_id())
            await self.ports.queue.put(event, SPREAD * self.jitter())


def _joins(watch: Watch, now: datetime) -> bool:
    """Whether a wake is to wait: a look has just begun, or is under way still."""
    if watch.began_at is None:
        return False
    is_over = watch.looked_at == watch.began_at
    return timedelta() <= now - watch.began_at < (WAKES_JOIN if is_over else LOOK_TAKES)


def _queue_vm(vm: Vm, recovery: Recovery | None, words: Sequence[Word]) -> QueueVm:
    name = vm.vm_id.name.lower()
    return QueueVm(vm, recovery, tuple(word for word in words if word.vm_name.lower() == name))
