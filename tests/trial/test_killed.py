"""A trial that is killed leaves nothing behind that the next one does not take away; one that hears Ctrl-C, nothing.

``TRIAL_KILLS=30`` in the environment kills more of them than one.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Final

import pytest
from aiohttp import web

from localazure.demo.az_env import leave_login
from localazure.demo.trial import LOCATION, furnish
from localazure.laptop import REPOSITORY
from localazure.resource_manager.limits import LOW_COST_GET
from localazure.trial.ground import open_beneath, trial_ground
from localazure.world.world import SUBSCRIPTION
from tests.trial.trials import FAST

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aiohttp.typedefs import Handler

    from localazure.trial.ground import Beneath, Ground

KILLS: Final = int(os.environ.get("TRIAL_KILLS", "1"))
AT_ONCE: Final = 5
REQUESTS: Final = 150
"""About as many requests go from a trial to ARM and Resource Graph."""
WORDS: Final = ("trial", "--local", "--yes", "--subscription", SUBSCRIPTION, "--location", LOCATION)


@dataclass
class Doom:
    """Sends a signal to a process at one of its requests: before it is done, or before its answer is heard."""

    at: int
    before: bool
    number: signal.Signals
    process: list[asyncio.subprocess.Process] = field(default_factory=list)
    seen: int = 0

    def middleware(self) -> object:
        """Give what stands between the trial and ARM."""

        @web.middleware
        async def middle(request: web.Request, handler: Handler) -> web.StreamResponse:
            self.seen += 1
            is_it = self.seen == self.at and bool(self.process)
            if is_it and self.before:
                self.process[0].send_signal(self.number)
            response = await handler(request)
            if is_it and not self.before:
                self.process[0].send_signal(self.number)
            return response

        return middle


@asynccontextmanager
async def _laptop(folder: Path, beneath: Beneath, doom: Doom) -> AsyncIterator[Ground]:
    middle = doom.middleware()
    async with trial_ground(folder, durations=FAST, between=middle, beneath=beneath) as ground:  # type: ignore[arg-type]
        furnish(ground)
        ground.access.limits.spared = frozenset({LOW_COST_GET})
        (folder / ".local").mkdir(parents=True)
        leave_login(folder / ".local", "operator", ground.environment)
        yield ground


async def _trial(folder: Path, *more: str) -> asyncio.subprocess.Process:
    environment = {"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": str(REPOSITORY)}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "spot_responder", *WORDS, *more),
        cwd=folder,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )


def _left(ground: Ground) -> list[str]:
    """Give all that a trial has created and is still there."""
    machines = [one.vm_id for one in ground.world.machines() if "witness-" in one.vm_id and one.deleted_at is None]
    rights = [each["id"] for each in ground.deployed.assignments]
    hanging = [one["id"] for each in ground.deployed.subscriptions.values() for one in each]
    return [*ground.made.bodies, *machines, *ground.deployed.topics, *rights, *hanging]


async def _killed_once(folder: Path, beneath: Beneath, seed: int) -> str:
    """Kill a trial, then run another one; say what is left."""
    chance = Random(seed)  # noqa: S311 - no secret
    doom = Doom(chance.randint(1, REQUESTS), chance.random() < 0.5, signal.SIGKILL)
    async with _laptop(folder, beneath, doom) as ground:
        process = await _trial(folder)
        doom.process.append(process)
        await process.communicate()
        doom.process.clear()
        before = len(_left(ground))
        second = await _trial(folder, "--only", "R6")
        _, said = await second.communicate()
        left = _left(ground)
        told = f"seed {seed}, request {doom.at}: {process.returncode}, {before} left, then {second.returncode}, {left}"
        return "" if second.returncode == 0 and not left else f"{told}: {said.decode()}"


def test_what_a_killed_trial_leaves_behind_the_next_one_takes_away(tmp_path: Path) -> None:
    """Killed outright, at whatever moment."""

    async def story() -> list[str]:
        turns = asyncio.Semaphore(AT_ONCE)
        async with open_beneath(tmp_path) as beneath:

            async def one(seed: int) -> str:
                async with turns:
                    return await _killed_once(tmp_path / str(seed), beneath, seed)

            return await asyncio.gather(*(one(seed) for seed in range(KILLS)))

    assert [each for each in asyncio.run(story()) if each] == []


@pytest.mark.parametrize("at", [20, 70])
def test_ctrl_c_takes_everything_away(tmp_path: Path, at: int) -> None:
    """At once, without another trial."""

    async def story() -> None:
        doom = Doom(at, before=True, number=signal.SIGINT)
        async with open_beneath(tmp_path) as beneath, _laptop(tmp_path / "here", beneath, doom) as ground:
            process = await _trial(tmp_path / "here")
            doom.process.append(process)
            _, said = await process.communicate()
            assert process.returncode == 130, said.decode()
            assert "taking away what was created" in said.decode()
            assert _left(ground) == []

    asyncio.run(story())


def test_ctrl_c_ends_a_watch(tmp_path: Path) -> None:
    """In order, with its evidence."""

    async def story() -> None:
        doom = Doom(6, before=False, number=signal.SIGINT)
        async with open_beneath(tmp_path) as beneath, _laptop(tmp_path / "here", beneath, doom) as ground:
            process = await _trial(tmp_path / "here", "--watch")
            doom.process.append(process)
            _, said = await process.communicate()
            assert process.returncode == 0, said.decode()
            assert said.decode().count("\n") == 1
            assert len(list((tmp_path / "here" / ".local").glob("watch-*.json"))) == 1
            assert _left(ground) == []

    asyncio.run(story())
