"""The command ``trial`` in a process of its own, against a laptop Azure in real time."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from localazure.demo.az_env import leave_login
from localazure.demo.trial import LOCATION, furnish
from localazure.laptop import REPOSITORY
from localazure.resource_manager.limits import LOW_COST_GET
from localazure.trial.ground import trial_ground
from localazure.world.world import SUBSCRIPTION
from tests.trial.harness.trials import FAST

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from aiohttp.typedefs import Middleware

    from localazure.trial.ground import Beneath, Ground

WORDS: Final = ("trial", "--local", "--yes", "--subscription", SUBSCRIPTION, "--location", LOCATION)


@asynccontextmanager
async def laptop(folder: Path, beneath: Beneath, between: Middleware | None = None) -> AsyncIterator[Ground]:
    """Open a laptop Azure that a command in this folder finds by ``--local``."""
    async with trial_ground(folder, durations=FAST, between=between, beneath=beneath) as ground:
        furnish(ground)
        ground.access.limits.spared = frozenset({LOW_COST_GET})
        (folder / ".local").mkdir(parents=True)
        leave_login(folder / ".local", "operator", ground.environment)
        yield ground


async def command(folder: Path, *more: str, stdout: int = asyncio.subprocess.DEVNULL) -> asyncio.subprocess.Process:
    """Begin a trial in this folder."""
    return await _begun(folder, (*WORDS, *more), stdout)


async def run_words(folder: Path, words: Sequence[str]) -> int | None:
    """Run a command in this folder, as it was named in an advice; give its exit code."""
    process = await _begun(folder, words, asyncio.subprocess.DEVNULL)
    await process.communicate()
    return process.returncode


async def _begun(folder: Path, words: Sequence[str], stdout: int) -> asyncio.subprocess.Process:
    environment = {"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": str(REPOSITORY)}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "spot_responder", *words),
        cwd=folder,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=stdout,
        stderr=asyncio.subprocess.PIPE,
    )


async def outcome(folder: Path, *more: str) -> tuple[int | None, str]:
    """Run a trial in this folder to its end; give its exit code, and what it said."""
    process = await command(folder, *more)
    _, said = await process.communicate()
    return process.returncode, said.decode()


async def said_to_the_end(folder: Path, *more: str) -> tuple[int | None, str]:
    """Run a trial in this folder to its end; give its exit code, and its result."""
    process = await command(folder, *more, stdout=asyncio.subprocess.PIPE)
    result, _ = await process.communicate()
    return process.returncode, result.decode()


def left_in(ground: Ground) -> list[str]:
    """Give all that a trial has created and is still there."""
    machines = [one.vm_id for one in ground.world.machines() if "witness-" in one.vm_id and one.deleted_at is None]
    rights = [each["id"] for each in ground.deployed.assignments]
    hanging = [one["id"] for each in ground.deployed.subscriptions.values() for one in each]
    return [*ground.made.bodies, *machines, *ground.deployed.topics, *rights, *hanging]
