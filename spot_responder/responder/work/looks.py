"""Looks at work queues: at each wake, each minute while a queue has messages or a VM of it is up, and at each sweep.

A wake only shortens the wait: what is to run is found out anew each time, from the queue, the VMs and what their
workers wrote. A look starts nothing itself. It puts a message for each VM that is to be started on the queue
``signals``, which is answered as any signal: with pools, brake, budget and holds. Called by ``responder.py``.

The order makes a crash at any line harmless: the follow-up is put first, then the row is saved, then the VMs are asked
for; what somebody has to know is told before the save, so that it is told twice rather than never.

A follow-up is a wake with a number. The one whose number the row has puts the next one; any other wake looks, and puts
none while one is due. So they neither multiply nor end, whatever the clocks of the app's instances say.
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
from spot_responder.demand.wakes import NotAWakeError, Wake, read_wake
from spot_responder.intake.own_messages import work_waits_event
from spot_responder.responder.ports import AzureRefusedError, ChangedMeanwhileError, OddRowError, StoreFailedError
from spot_responder.responder.retry_on_change import retry_on_change
from spot_responder.responder.work.log import (
    log_odd_wake,
    log_work_look,
    log_work_queue_not_read,
    log_work_trouble,
    log_work_waits,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from spot_responder.demand.looks import Demand, Watch, Word
    from spot_responder.demand.work_queues import WorkQueue
    from spot_responder.intake.vms import Vm
    from spot_responder.intake.work_queue_names import WorkQueueName
    from spot_responder.responder.ports import Ports, WorkPorts
    from spot_responder.settings import Settings

WAKES_JOIN: Final = timedelta(seconds=1)
"""How long after a look another wake waits, and a second more: of jobs that come at once, each with a wake, the first
starts a VM, and the next look sees all others. A stream of wakes costs a look each two seconds."""

LOOK_WITHIN: Final = timedelta(seconds=40)
"""How long the queue, its VMs and their rows may take to be read; then it counts as not read."""

LOOK_TAKES: Final = timedelta(seconds=60)
"""How long a look that has begun counts as under way, where nothing was saved of it yet: longer than any look takes,
or looks would overtake each other without end."""

LOST_AFTER: Final = timedelta(minutes=5)
"""How long after its time a follow-up that has not come counts as lost. The clocks of two instances may differ."""

FOLLOW_UPS_AHEAD: Final = 8
"""How far a follow-up's number may be ahead of the row's: it is put before the row is saved, and a save may fail."""

SAVE_TRIES: Final = 10
"""How often a look's result is saved anew that a wake or another look has overtaken."""

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

        What names no work queue is logged and dropped: whoever submits work may write to this queue, and is not to fill
        the poison queue.
        """
        try:
            wake = read_wake(body, self.settings.work_queues)
        except NotAWakeError as problem:
            log_odd_wake(str(problem))
            return
        try:
            await retry_on_change(wake.queue, lambda: self._answer(wake))
        except StoreFailedError as problem:
            log_work_queue_not_read(wake.queue, str(problem))
            await self.work.wakes.put(wake, LOOK_EVERY)

    async def wake_all(self) -> None:
        """Put a wake for each work queue: a sweep finds what no wake told of, and follow-ups that were lost."""
        puts = (self.work.wakes.put(Wake(queue.name), timedelta()) for queue in self.settings.work_queues)
        await asyncio.gather(*puts)

    @property
    def work(self) -> WorkPorts:
        """Give the ports to work queues."""
        if self.ports.work is None:
            message = "this deployment has no work queues: see WORK_QUEUES"
            raise LookupError(message)
        return self.ports.work

    async def _answer(self, wake: Wake) -> None:
        name = wake.queue
        stored, now = await self.work.table.load(name), self.clock()
        watch = stored.value
        if _joins(watch, now):
            await self._join(wake, watch, stored.etag, now)
            return
        watch = _without_follow_up(watch, wake, now)
        # Saved before anything is read: of the wakes that come at once, one looks and the others join it.
        etag = await self.work.table.save(replace(stored.value, began_at=now, under_way=True), stored.etag)
        watch = replace(watch, began_at=now, under_way=False)
        try:
            async with asyncio.timeout(LOOK_WITHIN.total_seconds()):
                look = await self.look(name)
        except (AzureRefusedError, StoreFailedError, TimeoutError) as refusal:
            # What cannot be read starts and ends nothing.
            failing = replace(watch, failing_since=watch.failing_since or now)
            lasts = failing.failing_since if now - (failing.failing_since or now) >= LASTS else None
            why = str(refusal) or f"it was not read within {LOOK_WITHIN.seconds} s"
            log_work_queue_not_read(name, why, lasts)
            await self._save(await self._followed_up(failing, now), watch.looked_at, etag)
            return
        demand = decide_demand(look, replace(watch, failing_since=None), self._queue(name), now)
        after = await self._followed_up(demand.watch, now) if demand.goes_on else replace(demand.watch, due_at=None)
        for vm_id, trouble in demand.troubles:
            log_work_trouble(name, vm_id, trouble)
        if demand.waits_since is not None:
            log_work_waits(demand.watch, demand.waits_since)
        if await self._save(after, watch.looked_at, etag):
            log_work_look(after, len(demand.start))
            await self._carry_out(demand, now)

    async def _save(self, after: Watch, looked_at: datetime | None, etag: str) -> bool:
        """Save what a look came to; answer whether it counts: of looks that overlap, the first that is over does.

        Another look may have begun meanwhile, in an instance with another clock, or a wake may have joined this one.
        ``looked_at``: as it was when this look began.
        """
        own_began_at = after.began_at
        for _ in range(SAVE_TRIES):
            try:
                await self.work.table.save(after, etag)
            except ChangedMeanwhileError:
                stored = await self.work.table.load(after.name)
                latest, etag = stored.value, stored.etag or ""
                if latest.looked_at != looked_at:
                    return False
                # Where a wake has joined, what is under way is this look, which is over now.
                other_is_under_way = latest.under_way and latest.began_at != own_began_at
                after = replace(after, began_at=latest.began_at, under_way=other_is_under_way, joins_at=latest.joins_at)
            else:
                return True
        return False

    async def _join(self, wake: Wake, watch: Watch, etag: str | None, now: datetime) -> None:
        """Let a wake that comes right after a look wait: it may tell of a message that the look did not see.

        The follow-up that is due waits as itself; of all others, one waits for all.
        """
        # A second later than noted: one that came early would wait for itself.
        later = WAKES_JOIN + timedelta(seconds=1)
        if _is_due(wake, watch):
            await self.work.wakes.put(wake, later)
            return
        # A time further ahead is of an instance whose clock is fast.
        if watch.joins_at is not None and now < watch.joins_at <= now + WAKES_JOIN:
            return
        # Saved first, so that of many wakes one comes again; after a crash in between, the host brings this one again.
        await self.work.table.save(replace(watch, joins_at=now + WAKES_JOIN), etag)
        await self.work.wakes.put(Wake(watch.name), later)

    async def _followed_up(self, watch: Watch, now: datetime) -> Watch:
        """Put a follow-up, unless one is due anyway."""
        if watch.due_at is not None:
            return watch
        number = watch.follow_up + 1
        await self.work.wakes.put(Wake(watch.name, number), LOOK_EVERY)
        return replace(watch, due_at=now + LOOK_EVERY, follow_up=number)

    def _queue(self, name: WorkQueueName) -> WorkQueue:
        return next(queue for queue in self.settings.work_queues if queue.name == name)

    async def look(self, name: WorkQueueName) -> Look:
        """See the queue, its VMs and what their workers wrote. Raises ``AzureRefusedError``."""
        backlog, words, vms = await asyncio.gather(
            self.work.queues.backlog(name), self.work.queues.words(name), self.work.vms.vms_for_work()
        )
        ours = [vm for vm in vms if work_queue_of(vm, self.settings.policy) == name]
        return Look(backlog, tuple(await asyncio.gather(*(self._queue_vm(vm, words) for vm in ours))))

    async def _queue_vm(self, vm: Vm, words: Sequence[Word]) -> QueueVm:
        name = vm.vm_id.name.lower()
        theirs = tuple(word for word in words if word.vm_name.lower() == name)
        try:
            recovery = (await self.ports.store.load(vm.vm_id)).value
        except OddRowError:
            # It is logged by who reads it.
            return QueueVm(vm, None, theirs, row_is_odd=True)
        return QueueVm(vm, recovery, theirs)

    async def _carry_out(self, demand: Demand, now: datetime) -> None:
        for vm_id in demand.start:
            event = work_waits_event(vm_id, now, self.new_id())
            await self.ports.queue.put(event, SPREAD * self.jitter())


def _joins(watch: Watch, now: datetime) -> bool:
    """Whether a wake is to wait: a look has just begun, or is under way still."""
    if watch.began_at is None:
        return False
    return timedelta() <= now - watch.began_at < (LOOK_TAKES if watch.under_way else WAKES_JOIN)


def _is_due(wake: Wake, watch: Watch) -> bool:
    """Whether a wake is the follow-up that is due, or one whose row could not be saved."""
    return wake.follow_up is not None and 0 <= wake.follow_up - watch.follow_up <= FOLLOW_UPS_AHEAD


def _without_follow_up(watch: Watch, wake: Wake, now: datetime) -> Watch:
    """Note that the follow-up has come that was due, or is lost."""
    if wake.follow_up is not None and _is_due(wake, watch):
        return replace(watch, due_at=None, follow_up=wake.follow_up)
    is_lost = watch.due_at is not None and now - watch.due_at > LOST_AFTER
    return replace(watch, due_at=None) if is_lost else watch
