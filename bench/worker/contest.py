"""Plays the evictions to a contender, and waits until nobody has anything left to do."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from typing import TYPE_CHECKING, Any, Final

from bench.worker.brokers import brokered
from bench.worker.contenders import REPOSITORY
from bench.worker.evictions import VMS, draw, jobs
from bench.worker.outcome import outcome
from bench.worker.storage import account
from bench.worker.vms import Vm

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from bench.worker.contenders import Contender
    from bench.worker.outcome import Line, Outcome

QUIET_S: Final = 5.0
"""Nobody has begun, done a step or ended for so long: ten steps."""

PATIENCE_S: Final = 300.0
_START_S: Final = 60.0
_LOOK_S: Final = 0.2


async def play(contender: Contender, folder: Path) -> Outcome:
    """Let three VMs work on the jobs while they are evicted."""
    bodies = jobs()
    async with account() as storage, brokered(contender, storage, fresh(folder)) as (broker, left):
        environment = contender.environment(storage, broker, folder / "log")
        await submit(contender, environment, bodies)
        vms = [Vm(folder / f"vm-{number}", contender.worker, environment) for number in range(VMS)]
        try:
            await _work(vms, folder / "log", left)
        finally:
            await asyncio.gather(*(vm.kill() for vm in vms))
        lines = read(folder / "log")
        return outcome([one["number"] for one in bodies], lines, await _results(contender, environment, lines))


async def _work(vms: Sequence[Vm], log: Path, left: Callable[[], int]) -> None:
    await asyncio.gather(*(vm.begin() for vm in vms))
    await until(lambda: any(line["what"] == "step" for line in read(log)), _START_S)
    evictions = draw()
    await asyncio.gather(
        *(vm.play([one for one in evictions if one.vm == number]) for number, vm in enumerate(vms)),
    )
    await until(lambda: time.time() - read(log)[-1]["at"] > QUIET_S and left() == 0)


def fresh(folder: Path) -> Path:
    """Make the folder, without what an earlier contest left in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


async def submit(contender: Contender, environment: Mapping[str, str], bodies: Sequence[Mapping[str, Any]]) -> None:
    """Put jobs into the contender's queue."""
    await printed(contender.submit, environment, "".join(json.dumps(body) + "\n" for body in bodies))


async def printed(command: Sequence[str], environment: Mapping[str, str], standard_input: str = "") -> str:
    """Run a command to its end; give what it printed."""
    process = await asyncio.create_subprocess_exec(
        *command,
        env=environment,
        cwd=REPOSITORY,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate(standard_input.encode())
    if process.returncode:
        message = f"bench: {' '.join(command)} ended with exit code {process.returncode}"
        raise RuntimeError(message)
    return output.decode()


async def until(is_so: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    """Wait for it.

    Raises:
        TimeoutError: it was not so in that time.
    """
    async with asyncio.timeout(patience_s):
        # The log and the queue tell nobody that they have changed.
        while not await asyncio.to_thread(is_so):  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_S)


def read(log: Path) -> Sequence[Line]:
    """Read what the jobs have told so far."""
    return [json.loads(line) for line in log.read_text("utf-8").splitlines()] if log.exists() else []


async def _results(contender: Contender, environment: Mapping[str, str], lines: Sequence[Line]) -> Sequence[int]:
    if not contender.results:
        return [line["job"] for line in lines if line["what"] == "ended"]
    rows = json.loads(await printed(contender.results, environment))
    return [row["result"]["number"] for row in rows]
