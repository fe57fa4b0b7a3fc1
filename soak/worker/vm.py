"""A VM in virtual time, and the worker's process on it: the real worker, behind ports of our own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from spot_worker.deciding.names import places
from spot_worker.deciding.record.budgets import Budgets
from spot_worker.deciding.stops.stop_notice import Notice
from spot_worker.running.ports import Ports, WarmUpError
from spot_worker.running.settings import Settings
from spot_worker.running.stops.stopping import Stopping
from spot_worker.running.worker import work

from soak.worker.faults import Doom
from soak.worker.function import VirtualChildren
from soak.worker.outside import (
    VISIBILITY_S,
    Line,
    VirtualBlobs,
    VirtualClock,
    VirtualInputs,
    VirtualLog,
    VirtualNotices,
    VirtualQueue,
    VirtualTables,
)
from soak.worker.promises import QUEUE
from soak.worker.wire import Wire

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from random import Random

    from soak.worker.account import Account
    from soak.worker.faults import Weather
    from soak.worker.promises import Judge
    from soak.worker.wire import Request

_SIGNAL_BY_S: Final = 10.0
_HURRY_S: Final = 0.05
"""For the last steps of the loop, which take no time by themselves."""


@dataclass(slots=True)
class World:
    """What all VMs share."""

    loop: asyncio.AbstractEventLoop
    account: Account
    weather: Weather
    judge: Judge
    chance: Random
    max_failures: int
    told: Callable[[str], None]
    end_of_time: asyncio.Future[None]
    tasks: set[asyncio.Task[None]] = field(default_factory=set)


@dataclass(slots=True)
class Process:
    """One run of the worker."""

    who: str
    wire: Wire
    doom: Doom
    children: VirtualChildren
    stopping: Stopping
    line: Line
    faults_at_start: int
    is_over: bool = False
    is_killed: bool = False
    faults_at_stop: int | None = None
    was_frozen: bool = False


@dataclass(slots=True)
class Vm:
    """A VM. ``notice`` is what its metadata service shows until ``notice_ends``."""

    world: World
    name: str
    slots: int
    process: Process | None = None
    notice: Notice | None = None
    gone_at: float = 0.0
    breaks: bool = False
    """Whether the function cannot be imported."""
    disk: dict[str, bytes] = field(default_factory=dict)
    _boots: int = 0

    def starts(self) -> None:
        """Let the worker start, if it does not run."""
        if self.process is not None:
            return
        self._boots += 1
        world, who = self.world, f"{self.name}#{self._boots}"
        doom = Doom(world.weather, world.chance)
        wire = Wire(doom, world.end_of_time, self.is_killed)
        children = VirtualChildren(who, wire, self.disk, world.judge, lambda: self.breaks)
        clock = VirtualClock(world.loop)
        line = Line(world.account, wire, who)
        process = Process(who, wire, doom, children, Stopping(clock), line, world.weather.faults)
        ports = Ports(
            queue=VirtualQueue(line, QUEUE, world.judge),
            blobs=VirtualBlobs(line, self.disk),
            inputs=VirtualInputs(line, self.disk),
            tables=VirtualTables(line, f"{QUEUE}results"),
            children=children,
            notices=VirtualNotices(wire, lambda: self._shown(who), lambda _: self._is_told(process)),
            clock=clock,
            log=VirtualLog(clock, who, world.told),
            new_id=lambda: f"{world.chance.getrandbits(64):016x}",
        )
        settings = Settings(
            places(QUEUE),
            self.name,
            f"boot-{self._boots}",
            self.slots,
            VISIBILITY_S,
            Budgets(failures=world.max_failures),
        )
        self.process = process
        world.tasks.add(world.loop.create_task(self._runs(process, ports, settings)))

    async def _runs(self, process: Process, ports: Ports, settings: Settings) -> None:
        try:
            await work(ports, settings, process.stopping)
        except WarmUpError:
            pass
        except Exception as error:  # noqa: BLE001 - what the worker must not raise is a broken promise, not the soak's end
            if not process.is_killed:
                self.world.judge.breaks("lost", f"{process.who} raised {error!r}")
        process.is_over = True
        if process.is_killed:
            return
        self.process = None
        process.wire.is_dead = True
        process.children.die()
        self._judges_exit(process)
        self.world.loop.call_later(1.0, self.starts)

    def _judges_exit(self, process: Process) -> None:
        """Look whether a worker that ended by itself keeps a message, though storage was fine all the time."""
        if process.faults_at_start != self.world.weather.faults or process.was_frozen:
            return
        for queue in self.world.account.queues.values():
            for message in queue.values():
                is_kept = message.held_by == process.who and message.visible_at > self.world.account.now()
                if is_kept and self.world.judge.is_held_up(process.who, message):
                    self.world.judge.breaks("noticed", f"{process.who} ended and kept {message.text[:60]}")

    def _shown(self, who: str) -> Notice | None:
        if self.notice is None:
            self.world.judge.resumes(who)
            return None
        left = self.gone_at - self.world.loop.time()
        return Notice(self.notice.event_type, self.notice.event_id, max(left, 0.0))

    def _is_told(self, process: Process) -> None:
        self.world.judge.stops_at(process.who)
        if process.faults_at_stop is None:
            process.faults_at_stop = self.world.weather.faults

    def is_noticed(self, in_s: float) -> None:
        """Let the metadata service tell that the VM goes in so many seconds; then it does, for a while."""
        if self.notice is not None:
            return
        self.world.judge.findings.notices += 1
        self.gone_at = self.world.loop.time() + in_s
        notice = self.notice = Notice("Preempt", f"event-{self.gone_at}", in_s)
        self.world.loop.call_later(in_s, lambda: self._goes(notice))

    def _goes(self, notice: Notice) -> None:
        if self.notice is not notice:
            return  # it was cancelled
        process, weather = self.process, self.world.weather
        has_worked = process is not None and process.who in self.world.judge.asked
        if process and has_worked and process.faults_at_stop == weather.faults and not process.was_frozen:
            self.world.judge.breaks("noticed", f"{process.who} is still there when its VM goes")
        self.is_killed()
        self.notice = None

    def is_spared(self) -> None:
        """Let the notice go away, and the VM stay."""
        self.notice = None

    def is_killed(self, down_s: float | None = None) -> None:
        """End the worker without a word; it starts again after a while, on this disk or on a new one."""
        chance = self.world.chance
        if self.process is None:
            return
        self.process.wire.is_dead = self.process.is_killed = True
        self.process.children.die()
        self.process = None
        self.world.judge.findings.ends += 1
        if chance.random() < 1 / 2:
            self.disk.clear()
        self.world.loop.call_later(down_s or chance.choice((0.5, 3.0, 12.0)), self.starts)

    def is_frozen(self, seconds: float) -> None:
        """Let the VM stand still."""
        if self.process is not None:
            self.process.was_frozen = True
            self.process.wire.frozen_until = self.world.loop.time() + seconds

    def is_in_trouble_soon(self, in_requests: int, kinds: frozenset[Request], frozen_s: float = 0.0) -> None:
        """Let the worker die, or its VM stand still, at one of its next requests of these kinds."""
        if self.process is not None:
            self.process.was_frozen = self.process.was_frozen or frozen_s > 0
            doom = self.process.doom
            doom.in_requests, doom.kinds, doom.frozen_s = in_requests, kinds, frozen_s

    def is_terminated(self) -> None:
        """Ask the worker to end, and look that it does."""
        process = self.process
        if process is None:
            return
        self.world.judge.findings.ends += 1
        self.world.judge.stops_at(process.who)
        process.faults_at_stop = self.world.weather.faults
        process.stopping.signal()
        self.world.loop.call_later(_SIGNAL_BY_S + _HURRY_S, lambda: self._judges_end(process))

    def _judges_end(self, process: Process) -> None:
        if not (process.is_over or process.is_killed or process.was_frozen):
            self.world.judge.breaks("noticed", f"{process.who} runs {_SIGNAL_BY_S:.0f} s after it was asked to end")
