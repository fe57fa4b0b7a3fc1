"""VMs of the contest: groups of real processes that end by SIGKILL, as an evicted VM does."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.worker.contenders import REPOSITORY
from bench.worker.evictions import AWAY_S, NOTICE_S

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from bench.worker.evictions import Eviction


@dataclass(slots=True)
class Vm:
    """A VM whose disk, ``folder``, outlives its evictions."""

    folder: Path
    commands: Sequence[Sequence[str]]
    environment: Mapping[str, str]
    _processes: list[asyncio.subprocess.Process] = field(default_factory=list)

    async def begin(self) -> None:
        """Start the worker's processes, each in a group of its own."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for command in self.commands:
            with (self.folder / "output").open("ab") as output:
                process = await asyncio.create_subprocess_exec(
                    *(word.format(vm=self.folder) for word in command),
                    env=self.environment,
                    cwd=REPOSITORY,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=asyncio.subprocess.STDOUT,
                    process_group=0,
                )
            self._processes.append(process)

    async def play(self, evictions: Sequence[Eviction]) -> None:
        """Be evicted, and come back, again and again. It begins when the contest's clock does."""
        began = asyncio.get_running_loop().time()
        for eviction in evictions:
            await asyncio.sleep(began + eviction.at_s - asyncio.get_running_loop().time())
            if eviction.is_noticed:
                self._signal_main_processes()
                await asyncio.sleep(NOTICE_S)
            await self.kill()
            await asyncio.sleep(AWAY_S)
            await self.begin()

    async def kill(self) -> None:
        """End all processes as a VM's end does."""
        for process in self._processes:
            # The group may outlive the process that it is named after.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        self._processes.clear()

    def _signal_main_processes(self) -> None:
        for process in self._processes:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
