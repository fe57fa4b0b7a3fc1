"""Work queues in virtual time: their messages, the workers on VMs, and the doubles by which the app sees both.

A worker begins with its VM's boot, claims one message after the other, and stops its own VM as ``spot_worker`` does.
Used by ``app.py`` for the doubles, and by stories, soak and bench for the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Final

from localazure.virtual.storage import Table
from localazure.virtual.wire import RequestKind
from localazure.world.machines import PowerState
from localazure.world.timestamps import zulu_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from localazure.virtual.clock import VirtualClock
    from localazure.virtual.wire import Wire
    from localazure.world.machines import Machine
    from localazure.world.world import World

LEASE: Final = timedelta(seconds=30)
"""How long a claim lasts that nobody renews: what ``spot-worker run --visibility`` is by default."""

RENEWED_EVERY: Final = LEASE / 3
TELLS_AGAIN: Final = timedelta(minutes=1)
"""How often an idle worker writes its row again."""

ASKS_EVERY: Final = timedelta(seconds=5)
"""How often an idle worker asks for a message."""


@dataclass(eq=False, slots=True)
class Job:
    """A message: how long its work takes, from when on it can be seen, and by whom it was done, if it was."""

    seconds: float
    submitted_at: datetime
    visible_at: datetime
    claimed_at: datetime | None = None
    claims: int = 0
    done_at: datetime | None = None


@dataclass(slots=True)
class VirtualWorkQueue:
    """A work queue, and the table of its workers. ``count_error`` makes Azure's count wrong."""

    now: Callable[[], datetime]
    jobs: list[Job] = field(default_factory=list)
    workers: Table = field(default_factory=lambda: Table("workers"))
    count_error: int = 0

    def submit(self, seconds: float = 60.0) -> Job:
        """Put a job on the queue."""
        job = Job(seconds, self.now(), self.now())
        self.jobs.append(job)
        return job

    @property
    def left(self) -> list[Job]:
        """Give the jobs that are not done."""
        return [job for job in self.jobs if job.done_at is None]

    @property
    def visible(self) -> list[Job]:
        """Give the jobs that can be claimed now."""
        return [job for job in self.left if job.visible_at <= self.now()]

    def claim(self) -> Job | None:
        """Give the first job that can be claimed, and hold it for a lease."""
        job = next(iter(self.visible), None)
        if job is not None:
            job.visible_at = self.now() + LEASE
            job.claimed_at = job.claimed_at or self.now()
            job.claims += 1
        return job


@dataclass(frozen=True, slots=True)
class WorkQueueDouble:
    """A double of ``QueueClient`` for a work queue: it counts and shows, and gives nothing away."""

    queue: VirtualWorkQueue
    wire: Wire
    name: str

    async def get_queue_properties(self) -> object:
        """Count all messages."""
        counted = lambda: SimpleNamespace(  # noqa: E731 - as short as the others
            approximate_message_count=max(len(self.queue.left) + self.queue.count_error, 0)
        )
        return await self.wire.send(RequestKind.WORK_READ, self.name, counted)

    async def peek_messages(self, *, max_messages: int) -> list[Job]:
        """Show the first messages that can be claimed."""
        return await self.wire.send(RequestKind.WORK_READ, self.name, lambda: self.queue.visible[:max_messages])


@dataclass(frozen=True, slots=True)
class WakesDouble:
    """A double of ``QueueClient`` for the queue of wakes."""

    mailbox: Callable[[str, timedelta], None]
    wire: Wire

    async def send_message(self, content: str, *, visibility_timeout: int, time_to_live: int) -> None:
        """Put a wake on the queue."""
        assert time_to_live == -1  # noqa: S101 - the mailbox knows no other
        delay = timedelta(seconds=visibility_timeout)
        await self.wire.send(RequestKind.QUEUE_PUT, "wakes", lambda: self.mailbox(content, delay))


@dataclass(slots=True)
class VirtualWorker:
    """The worker of one VM. ``boots``: whether it begins at all; ``hangs``: it holds what it claimed, and does nothing.

    ``up_at``: when its VM came up this time; ``stopping``: it has written that it stops its VM.
    """

    clock: VirtualClock
    world: World
    machine: Machine
    queue: VirtualWorkQueue
    partition: str
    boot: timedelta = timedelta(seconds=20)
    idle: timedelta = timedelta(minutes=5)
    minimum: timedelta = timedelta(minutes=10)
    boots: bool = True
    hangs: bool = False
    stops_vm: bool = True
    busy_seconds: float = 0.0
    _run: int = 0

    def __post_init__(self) -> None:
        """Wait for the VM to come up."""
        self._was_up = False
        self._watch()

    _was_up: bool = field(default=False, init=False)
    _up_at: datetime | None = field(default=None, init=False)
    _idle_since: datetime | None = field(default=None, init=False)
    _told_at: datetime | None = field(default=None, init=False)

    def _watch(self) -> None:
        """Look each second whether the VM came up, or went down with everything in it."""
        self.clock.settle()
        is_up = self.machine.power_state is PowerState.RUNNING
        if is_up and not self._was_up:
            self._run += 1
            self._up_at, self._idle_since, self._told_at = self.clock.now(), None, None
            if self.boots:
                run = self._run
                self.clock.call_after(self.boot, lambda: self._step(run))
        self._was_up = is_up
        self.clock.call_after(timedelta(seconds=1), self._watch)

    def _lives(self, run: int) -> bool:
        return run == self._run and self.machine.power_state is PowerState.RUNNING

    def _step(self, run: int) -> None:
        """Claim a message, or stop the VM, or ask again soon."""
        if not self._lives(run):
            return
        now = self.clock.now()
        job = self.queue.claim()
        if job is not None:
            self._idle_since = None
            self._tell("busy")
            self._work(run, job, job.seconds)
            return
        self._idle_since = self._idle_since or now
        if self._told_at is None or now - self._told_at >= TELLS_AGAIN:
            self._tell("idle")
        if self.stops_vm and self._up_at and now - self._idle_since >= self.idle and now - self._up_at >= self.minimum:
            self._stop_vm(run)
            return
        self.clock.call_after(ASKS_EVERY, lambda: self._step(run))

    def _work(self, run: int, job: Job, left: float) -> None:
        if not self._lives(run):
            return
        # The renewal of the lease.
        job.visible_at = self.clock.now() + LEASE
        self._tell("busy")
        step = min(left, RENEWED_EVERY.total_seconds())

        def go_on() -> None:
            if not self._lives(run):
                return
            self.busy_seconds += step
            if left > step or self.hangs:
                self._work(run, job, left if self.hangs else left - step)
                return
            job.done_at = self.clock.now()
            self._tell("idle")
            self._step(run)

        self.clock.call_after(timedelta(seconds=step), go_on)

    def _stop_vm(self, run: int) -> None:
        """Say so, look once more, and deallocate: a job that came meanwhile is worked on."""
        self._tell("stopping", stops_vm=True)

        def stop() -> None:
            if not self._lives(run):
                return
            if self.queue.visible:
                self._step(run)
                return
            self.clock.settle()
            self.world.stop_by_owner(self.machine.vm_id, caller=self.machine.vm_id)

        self.clock.call_after(timedelta(seconds=1), stop)

    def _tell(self, state: str, *, stops_vm: bool = False) -> None:
        self._told_at = self.clock.now()
        self.queue.workers.write(
            {
                "PartitionKey": self.partition,
                "RowKey": f"{self.machine.name}:0",
                "state": state,
                "stops_vm": stops_vm,
                "renewed_at": zulu_time(self.clock.now()),
            }
        )
