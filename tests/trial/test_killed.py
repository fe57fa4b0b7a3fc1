"""A trial that is killed leaves nothing behind that the next one does not take away; one that hears Ctrl-C, nothing.

``TRIAL_KILLS=30`` in the environment kills more of them than one.
"""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Final

import pytest
from aiohttp import web

from localazure.trial.ground import open_beneath
from tests.trial.commanded import command, laptop, left_in

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp.typedefs import Handler, Middleware

    from localazure.trial.ground import Beneath

KILLS: Final = int(os.environ.get("TRIAL_KILLS", "1"))
AT_ONCE: Final = 5
REQUESTS: Final = 150
"""About as many requests go from a trial to ARM and Resource Graph."""


@dataclass
class Doom:
    """Sends a signal to a process at one of its requests: before it is done, or before its answer is heard."""

    at: int
    before: bool
    number: signal.Signals
    process: list[asyncio.subprocess.Process] = field(default_factory=list)
    seen: int = 0

    def middleware(self) -> Middleware:
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


async def _killed_once(folder: Path, beneath: Beneath, seed: int) -> str:
    """Kill a trial, then run another one; say what is left."""
    chance = Random(seed)  # noqa: S311 - no secret
    doom = Doom(chance.randint(1, REQUESTS), chance.random() < 0.5, signal.SIGKILL)
    async with laptop(folder, beneath, doom.middleware()) as ground:
        process = await command(folder)
        doom.process.append(process)
        await process.communicate()
        doom.process.clear()
        before = len(left_in(ground))
        second = await command(folder, "--only", "R6")
        _, said = await second.communicate()
        left = left_in(ground)
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
        async with open_beneath(tmp_path) as beneath, laptop(tmp_path / "here", beneath, doom.middleware()) as ground:
            process = await command(tmp_path / "here")
            doom.process.append(process)
            _, said = await process.communicate()
            assert process.returncode == 130, said.decode()
            assert "taking away what was created" in said.decode()
            assert left_in(ground) == []

    asyncio.run(story())


def test_ctrl_c_ends_a_watch(tmp_path: Path) -> None:
    """In order, with its evidence."""

    async def story() -> None:
        doom = Doom(6, before=False, number=signal.SIGINT)
        async with open_beneath(tmp_path) as beneath, laptop(tmp_path / "here", beneath, doom.middleware()) as ground:
            process = await command(tmp_path / "here", "--watch")
            doom.process.append(process)
            _, said = await process.communicate()
            assert process.returncode == 0, said.decode()
            assert said.decode().count("\n") == 1
            assert len(list((tmp_path / "here" / ".local").glob("watch-*.json"))) == 1
            assert left_in(ground) == []

    asyncio.run(story())
