"""One real ``spot-worker run``, which dies where it is told to, and is started again."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from localazure.laptop import REPOSITORY
from soak.worker.kills.killed_job import LOG_VARIABLE
from soak.worker.kills.killing_proxy import Asked

if TYPE_CHECKING:
    from random import Random

    from soak.worker.kills.killing_proxy import KillingProxy

VISIBILITY_S: Final = 9
_FROZEN_S: Final = VISIBILITY_S + 3.0
_WITHIN_S: Final = 40.0
_ORPHANS_S: Final = 4.0
_LOOK_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Point:
    """When a worker dies: right before or right after a request; or, without one, as ``what`` says."""

    asked: Asked | None = None
    is_after: bool = False
    what: str = ""

    def __str__(self) -> str:
        """Put it into words."""
        return f"{'after' if self.is_after else 'before'} {self.asked}" if self.asked else self.what


CHILD: Final = Point(what="alone, the function's process")
FREEZE: Final = Point(what="never: it stood still beyond its lease")
RANDOM: Final = Point(what="at random")
NOTICED: Final = Point(what="of an eviction that was announced")
TERMINATED: Final = Point(what="as it was asked to")
_NOTICE_S: Final = 15.0
_ASKED_S: Final = 10.0


@dataclass(slots=True)
class KilledWorker:
    """A worker with its own disk and its own proxy. ``orphans``: what was seen of its processes that must not be."""

    name: str
    folder: Path
    log: Path
    queue: str
    results: str
    chance: Random
    connection: str = ""
    orphans: list[str] = field(default_factory=list)
    _process: asyncio.subprocess.Process | None = None
    _children: list[int] = field(default_factory=list)
    _proxy: KillingProxy | None = None

    @property
    def proxy(self) -> KillingProxy:
        """What stands between it and storage."""
        assert self._proxy is not None, "the proxy is set before the first start"  # noqa: S101 - of our own making
        return self._proxy

    @proxy.setter
    def proxy(self, proxy: KillingProxy) -> None:
        self._proxy = proxy

    async def dies_at(self, point: Point) -> bool:
        """Work until this point, and die there; give whether it came."""
        await self._works()
        if point is CHILD:
            return await self._child_dies()
        if point is FREEZE:
            return await self._stands_still()
        if point in {NOTICED, TERMINATED}:
            return await self._ends_in_order(is_noticed=point is NOTICED)
        if point.asked is None:
            await asyncio.sleep(self.chance.uniform(0.5, 6.0))
            self.kill()
        elif not await self.proxy.hits(point.asked, _WITHIN_S, is_after=point.is_after):
            return False
        await self._is_buried()
        return True

    async def works_until_empty(self) -> None:
        """Work in peace until the queue is empty."""
        await self.ends()
        await self._start("--until-empty")
        assert self._process is not None  # noqa: S101 - just started
        await self._process.wait()

    def kill(self) -> None:
        """End the worker's own process; its children are its own affair."""
        if self._process is not None and self._process.returncode is None:
            self._children = children_of(self._process.pid)
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGKILL)

    async def ends(self) -> None:
        """Ask it to end, and wait."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), 15.0)
            except TimeoutError:
                self.orphans.append(f"ended: {self.name} did not exit within 15 s after SIGTERM")
                self.kill()
                await self._process.wait()

    async def _works(self) -> None:
        if self._process is None or self._process.returncode is not None:
            if self.chance.random() < 1 / 3:
                shutil.rmtree(self._state, ignore_errors=True)
            await self._start()

    @property
    def _state(self) -> Path:
        return self.folder / f"state-{self.name}"

    async def _start(self, *more: str) -> None:
        words = ["run", "soak.worker.kills.killed_job:work", "--queue", self.queue, "--results", self.results]
        words += [
            "--imds",
            self.proxy.imds,
            "--visibility",
            str(VISIBILITY_S),
            "--slots",
            "1",
            "--state",
            str(self._state),
            *more,
        ]
        environment = {**os.environ, "AZURE_STORAGE_CONNECTION_STRING": self.connection, LOG_VARIABLE: str(self.log)}
        with (self.folder / f"{self.name}.log").open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "spot_worker",
                *words,
                cwd=REPOSITORY,
                env=environment,
                stdout=output,
                stderr=output,
                process_group=0,
            )

    async def _child_dies(self) -> bool:
        """Kill the process of the function once it works."""
        assert self._process is not None  # noqa: S101 - it works
        if not await self.proxy.comes(Asked.CLAIM, _WITHIN_S):
            return False
        await asyncio.sleep(self.chance.uniform(0.0, 0.8))
        for child in children_of(self._process.pid):
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        return True

    async def _stands_still(self) -> bool:
        """Stop the worker amid a job until its lease has run out, and let it go on."""
        assert self._process is not None  # noqa: S101 - it works
        if not await self.proxy.comes(Asked.CLAIM, _WITHIN_S):
            return False
        await asyncio.sleep(self.chance.uniform(0.0, 0.6))
        self._process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(_FROZEN_S)
        self._process.send_signal(signal.SIGCONT)
        return True

    async def _ends_in_order(self, *, is_noticed: bool) -> bool:
        """Announce an eviction, or ask the worker to end, amid a job; it must be gone in time, with exit code 0."""
        assert self._process is not None  # noqa: S101 - it works
        if not await self.proxy.comes(Asked.CLAIM, _WITHIN_S):
            return False
        await asyncio.sleep(self.chance.uniform(0.0, 0.8))
        if is_noticed:
            self.proxy.event = _eviction(self.name)
        else:
            self._process.terminate()
        try:
            code = await asyncio.wait_for(self._process.wait(), _NOTICE_S if is_noticed else _ASKED_S)
        except TimeoutError:
            self.orphans.append(f"noticed: {self.name} is still there when it should be gone")
            self.kill()
        else:
            if code:
                self.orphans.append(f"noticed: {self.name} ended with exit code {code}")
        self.proxy.event = None
        await self._is_buried()
        return True

    async def _is_buried(self) -> None:
        """Wait until it has ended, and look whether its children have."""
        assert self._process is not None  # noqa: S101 - it was started
        await self._process.wait()
        for _ in range(int(_ORPHANS_S / _LOOK_S)):
            if not any(_lives(child) for child in self._children):
                break
            await asyncio.sleep(_LOOK_S)
        left = [child for child in self._children if _lives(child)]
        self.orphans += [f"orphan: process {child} of {self.name} lives on without its worker" for child in left]


def _eviction(name: str) -> dict[str, Any]:
    """Write the scheduled event of an eviction."""
    at = datetime.now(UTC) + timedelta(seconds=_NOTICE_S)
    return {
        "EventId": f"{name}-{at.timestamp()}",
        "EventType": "Preempt",
        "ResourceType": "VirtualMachine",
        "Resources": [name],
        "EventStatus": "Scheduled",
        "NotBefore": f"{at:%a, %d %b %Y %H:%M:%S} GMT",
        "EventSource": "Platform",
    }


def children_of(process: int) -> list[int]:
    """Give the processes that a process has begun and not yet buried."""
    return [child for child in _processes() if _parent(child) == process]


def _processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]


def _status(process: int) -> tuple[str, int]:
    """Give the state letter and the parent, as ``/proc`` has them."""
    try:
        words = Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return "X", 0
    return words[0], int(words[1])


def _parent(process: int) -> int:
    return _status(process)[1]


def _lives(process: int) -> bool:
    return _status(process)[0] not in {"X", "Z"}
