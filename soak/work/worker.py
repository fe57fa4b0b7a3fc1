"""A worker on a VM of a schedule: it claims, works, dies, hangs, lies, and stops its own VM by the product's rules.

When it stops its VM is decided by ``spot_worker/deciding/stops/own_stop.py``, and in which order it then does so by
``spot_worker/running/stops/own_stop.py``; queue, table and what goes wrong with them are the soak's. Called by
``story.py``.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from spot_worker.deciding.rows import Doing, SlotState, slot_label, slot_row
from spot_worker.deciding.stops.own_stop import TRIED_AGAIN_S, OwnStop, SeenIdle, is_due, seen_idle
from spot_worker.deciding.times import iso
from spot_worker.running.ports import StorageError
from spot_worker.running.stops.own_stop import Idleness, OwnStopRefusedError, stop_vm
from spot_worker.running.stops.stopping import Stopping

from localazure.virtual.work import ASKS_EVERY, LEASE, RENEWED_EVERY, TELLS_AGAIN
from localazure.world.azure_errors import Refused
from localazure.world.machines import PowerState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from datetime import datetime
    from random import Random

    from localazure.virtual.clock import VirtualClock
    from localazure.virtual.work import Job, VirtualWorkQueue
    from localazure.world.machines import Machine
    from localazure.world.world import World
    from soak.responder.faults import Faults
    from spot_responder.intake.work_queue_names import WorkQueueName

MOST_CLAIMS: Final = 5
"""After so many claims that ended in the worker's death, a job is put aside."""

_LATELY: Final = timedelta(minutes=10)
"""As in ``spot_worker/edges/own_vm.py``: so long after its last row another worker counts as running."""

_LEASE_S: Final = round(LEASE.total_seconds())
_LOOKS_EVERY: Final = timedelta(seconds=3)
LONGEST_BOOT_S: Final = 15.0
"""From when its VM runs until the worker begins."""


class DiedError(Exception):
    """The process was killed."""


@dataclass(eq=False, slots=True)
class Farm:
    """What all workers of a schedule share.

    Attributes:
        poison: the jobs that kill the process which works on them.
        holders: who claimed a job last.
        own_stops: for each VM's id, when Azure accepted that it deallocates itself.
        broken: what was seen to be wrong as it happened.
        trouble: the chance that a request of a worker fails, or its process dies over it.
        asks_every: how often an idle worker asks for a message.
    """

    clock: VirtualClock
    world: World
    faults: Faults
    chance: Random
    queues: Mapping[WorkQueueName, VirtualWorkQueue]
    trouble: float = 0.0
    asks_every: timedelta = ASKS_EVERY
    poison: set[Job] = field(default_factory=set)
    holders: dict[Job, Worker] = field(default_factory=dict)
    own_stops: dict[str, list[datetime]] = field(default_factory=dict)
    workers: list[Worker] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Look each few seconds which VMs came up, or went down with everything in them."""
        for worker in self.workers:
            worker.look_at_vm()
        self.clock.call_after(_LOOKS_EVERY, self.watch)

    def strikes(self, chance: float) -> bool:
        """Whether something goes wrong that does so with this chance."""
        if self.faults.is_calm or self.chance.random() >= chance:
            return False
        self.faults.injected += 1
        return True

    def on(self, machine: Machine) -> list[Worker]:
        """Give the workers of a VM."""
        return [worker for worker in self.workers if worker.machine is machine]


@dataclass(eq=False, slots=True)
class Worker:
    """The worker of one VM and one queue.

    Attributes:
        boots: whether its VM's image is whole; ``False``: no process ever begins.
        may_stop: whether the VM's identity was ever given the right to deallocate it.
        is_denied: Azure refuses that for a while.
        is_ignored: Azure accepts that, and nothing happens.
        stuck_until: until when the process hangs.
        clock_error: how far the VM's clock is ahead.
        held: the job that it works on.
    """

    farm: Farm
    machine: Machine
    name: WorkQueueName
    rule: OwnStop
    boots: bool = True
    may_stop: bool = True
    is_denied: bool = False
    is_ignored: bool = False
    clock_error: timedelta = timedelta()
    stuck_until: datetime | None = None
    held: Job | None = None
    _booted_at: datetime | None = None
    _process: asyncio.Future[float] | None = None

    def __post_init__(self) -> None:
        """Be one of the farm's."""
        self.farm.workers.append(self)

    @property
    def queue(self) -> VirtualWorkQueue:
        """Give its queue."""
        return self.farm.queues[self.name]

    @property
    def is_busy(self) -> bool:
        """Whether it holds a message that nobody else can take."""
        job = self.held
        if job is None or job not in self.queue.jobs or self.farm.holders.get(job) is not self:
            return False
        return job.visible_at > self.farm.clock.now()

    @property
    def is_known(self) -> bool:
        """Whether the table of workers has a row of it that is not old: others of its VM see it by that alone."""
        where = self.name.queue, self._row_key
        return where in self.queue.workers.rows and self._wrote_lately(*where)

    def kill(self) -> None:
        """End its process; systemd starts another one within a minute."""
        if self._process is not None:
            self._process.cancel()

    def lie(self, state: Doing, *, stops_vm: bool) -> None:
        """Write what is not so."""
        self._put(state, stops_vm=stops_vm)

    def monotonic(self) -> float:
        """Give the seconds since the VM's boot."""
        return (self.farm.clock.now() - (self._booted_at or self.farm.clock.now())).total_seconds()

    def now(self) -> datetime:
        """Give the time by the VM's clock."""
        return self.farm.clock.now() + self.clock_error

    def say(self, event: str, **fields: object) -> None:
        """Log nothing."""

    def claim(self, name: str, attributes: Mapping[str, str | int]) -> AbstractContextManager[None]:
        """Trace nothing."""
        raise NotImplementedError

    async def other_workers(self) -> list[str]:
        """Name the other workers of this VM that have written of late."""

        def ask() -> list[str]:
            mine = (self.name.queue, self._row_key)
            rows = [key for queue in self.farm.queues.values() for key in queue.workers.rows]
            names = [(part, key) for part, key in rows if key.startswith(f"{self.machine.name}:")]
            return [f"{part} {key}" for part, key in names if (part, key) != mine and self._wrote_lately(part, key)]

        return await self._ask(ask)

    async def say_stopping(self) -> None:
        """Write that this VM is about to be stopped by its worker."""
        await self._ask(lambda: self._put(Doing.STOPPING, stops_vm=True))

    async def has_message(self) -> bool:
        """Whether the queue has a message that can be claimed."""
        return await self._ask(lambda: bool(self.queue.visible))

    async def deallocate(self) -> None:
        """Ask Azure to deallocate this VM. Raises ``OwnStopRefusedError``."""
        if self.is_denied or not self.may_stop:
            message = "403"
            raise OwnStopRefusedError(message)
        try:
            with suppress(StorageError):  # no answer is taken for a yes
                await self._ask(self._deallocate)
        except Refused as error:
            raise OwnStopRefusedError(str(error)) from error

    def _deallocate(self) -> None:
        if self.is_ignored:
            return
        self.farm.clock.settle()
        if self.machine.deleted_at is not None:
            # Its owner deleted it in the same moment: nobody is left who could ask.
            return
        self.farm.world.stop_by_owner(self.machine.vm_id, caller=self.machine.vm_id)
        now = self.farm.clock.now()
        self.farm.own_stops.setdefault(self.machine.vm_id, []).append(now)
        busy = [worker.name for worker in self.farm.on(self.machine) if worker.is_busy and worker.is_known]
        if busy:
            self.farm.broken.append(f"busy: {self.machine.name} stopped itself at {now:%d %H:%M:%S}, busy with {busy}")

    def look_at_vm(self) -> None:
        """See whether the VM came up, or went down."""
        clock = self.farm.clock
        is_up = self.machine.power_state is PowerState.RUNNING and self.machine.deleted_at is None
        if not is_up:
            self._booted_at, self.held, self.stuck_until = None, None, None
            self.kill()
        elif self._booted_at is None:
            self._booted_at = clock.now()
            if self.boots:
                clock.spawn(self._life())

    async def _life(self) -> None:
        """Be started by systemd, again and again, until the VM goes down."""
        booted_at, not_before_s = self._booted_at, 0.0
        boot_s = LONGEST_BOOT_S if self.farm.faults.is_calm else self.farm.chance.uniform(3, LONGEST_BOOT_S)
        ready_at = (self.machine.running_at or self.farm.clock.now()) + timedelta(seconds=boot_s)
        await asyncio.sleep((ready_at - self.farm.clock.now()).total_seconds())
        while self._booted_at == booted_at:
            process = asyncio.ensure_future(self._run(max(self.rule.minimum_s, not_before_s)))
            self._process = process
            await asyncio.wait({process})
            self.held = None
            if not process.cancelled() and process.exception() is None:
                not_before_s = process.result()
                continue
            if not process.cancelled() and not isinstance(process.exception(), DiedError):
                self.farm.broken.append(f"crash: the worker of {self.machine.name} ended with {process.exception()!r}")
            not_before_s = 0.0
            await asyncio.sleep(self.farm.chance.uniform(2, 60))

    async def _run(self, minimum_s: float) -> float:
        """Run one process until it has tried to stop the VM; give how long after the boot it may try again."""
        rule, idleness = OwnStop(self.rule.idle_s, minimum_s), Idleness(self)
        seen: SeenIdle | None = None
        told_at: float | None = None
        while True:
            await self._hang()
            job = await self._claimed()
            if job is not None:
                idleness.begin()
                await self._work(job)
                idleness.end()
                told_at = None
                continue
            now = self.monotonic()
            if told_at is None or now - told_at >= TELLS_AGAIN.total_seconds():
                told_at = now if await self._told(Doing.IDLE) else None
            seen = seen_idle(rule, idleness.since_s, now, now, seen)
            if is_due(seen, now):
                asks_again = await stop_vm(self, Stopping(self), self)
                return 0.0 if asks_again else self.monotonic() + TRIED_AGAIN_S
            await asyncio.sleep(self.farm.asks_every.total_seconds())

    async def _claimed(self) -> Job | None:
        try:
            return await self._ask(self._claim)
        except StorageError:
            return None

    def _claim(self) -> Job | None:
        job = self.queue.claim()
        if job is not None:
            self.farm.holders[job] = self
        return job

    async def _work(self, job: Job) -> None:
        """Work on a message, and renew it; a renewal that fails may lose it."""
        self.held = job
        if job in self.farm.poison:
            if job.claims > MOST_CLAIMS:
                self._finish(job)
                return
            await self._told(Doing.BUSY)
            await asyncio.sleep(1)
            raise DiedError
        left = job.seconds
        while left > 0:
            await self._told(Doing.BUSY)
            step = min(left, RENEWED_EVERY.total_seconds())
            await asyncio.sleep(step)
            left -= step
            if not self.is_busy:
                # It expired, or somebody else has it by now.
                self.held = None
                return
            job.visible_at = self.farm.clock.now() + LEASE
            await self._hang()
        self._finish(job)

    def _finish(self, job: Job) -> None:
        if self.is_busy:
            job.done_at = self.farm.clock.now()
        self.held = None

    async def _hang(self) -> None:
        while self._is_stuck:  # noqa: ASYNC110 - by the world's clock
            await asyncio.sleep(self.farm.asks_every.total_seconds())
        if self.held is not None and not self.is_busy:
            self.held = None

    @property
    def _is_stuck(self) -> bool:
        is_still = self.stuck_until is not None and self.farm.clock.now() < self.stuck_until
        return is_still and not self.farm.faults.is_calm

    async def _told(self, state: Doing) -> bool:
        try:
            await self._ask(lambda: self._put(state))
        except StorageError:
            return False
        return True

    async def _ask[T](self, effect: Callable[[], T]) -> T:
        """Carry a request: it may be slow or lost, its answer too, and the process may die over it."""
        chance, trouble = self.farm.chance, self.farm.trouble
        await asyncio.sleep(chance.uniform(0.5, 20) if self.farm.strikes(trouble) else 0.05)
        if self.farm.strikes(trouble / 4):
            raise DiedError
        if self.farm.strikes(trouble):
            message = "lost"
            raise StorageError(message)
        result = effect()
        if self.farm.strikes(trouble / 4):
            raise DiedError
        if self.farm.strikes(trouble):
            message = "no answer"
            raise StorageError(message)
        return result

    @property
    def _row_key(self) -> str:
        return f"{self.machine.name}:{slot_label('', 0)}"

    def _put(self, state: Doing, *, stops_vm: bool = False) -> None:
        at = iso(self.now())
        row = slot_row(
            SlotState(self.name.queue, self.machine.name, slot_label("", 0), "boot", state, "", "", at, _LEASE_S)
        )
        self.queue.workers.write({**row, "stops_vm": True} if stops_vm else row)

    def _wrote_lately(self, part: str, key: str) -> bool:
        queue = next(each for name, each in self.farm.queues.items() if name.queue == part)
        row, _ = queue.workers.rows[part, key]
        return iso(self.now() - _LATELY) < str(row["renewed_at"])
