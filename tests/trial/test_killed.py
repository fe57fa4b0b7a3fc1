"""A trial that is killed leaves nothing behind that the next one does not take away; one that hears Ctrl-C, nothing.

``TRIAL_KILLS=30`` in the environment kills more of them than one.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Final

import pytest
from aiohttp import web

from localazure.trial.ground import open_beneath
from tests.trial.harness.commanded import command, laptop, left_in, run_words

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


@dataclass
class Late:
    """Kills a trial while its group is being created, which comes to be only after it was looked for, and not found."""

    process: list[asyncio.subprocess.Process] = field(default_factory=list)
    looked_for: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: list[asyncio.Task[web.StreamResponse]] = field(default_factory=list)

    def middleware(self) -> Middleware:
        """Give what stands between the trial and ARM."""

        @web.middleware
        async def middle(request: web.Request, handler: Handler) -> web.StreamResponse:
            is_group = "/resourceGroups/rg-spot-responder-trial-" in request.path and "/providers/" not in request.path
            if is_group and request.method == "PUT" and not self.tasks:
                await request.read()

                async def land() -> web.StreamResponse:
                    await self.looked_for.wait()
                    return await handler(request)

                self.tasks.append(asyncio.create_task(land()))
                self.process[0].send_signal(signal.SIGKILL)
                return await asyncio.shield(self.tasks[0])
            response = await handler(request)
            if is_group and self.tasks and response.status == 404:
                self.looked_for.set()
            return response

        return middle


def test_what_comes_to_be_after_the_trial_was_killed_is_taken_away_too(tmp_path: Path) -> None:
    """The first look of the next run finds nothing: it looks again."""

    async def story() -> None:
        here, late = tmp_path / "here", Late()
        async with open_beneath(tmp_path) as beneath, laptop(here, beneath, late.middleware()) as ground:
            process = await command(here, "--only", "E14")
            late.process.append(process)
            await process.communicate()
            taking = await command(here, "--take-away")
            _, said = await taking.communicate()
            await late.tasks[0]
            assert left_in(ground) == []
            assert taking.returncode == 0, said.decode()
            assert "its creation got no answer" in said.decode()

    asyncio.run(story())


def _evidence(folder: Path) -> dict[str, Any]:
    (file,) = (folder / ".local").glob("trial-laptop-*.json")
    read: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    assert "ended before its time" in file.with_suffix(".md").read_text(encoding="utf-8")
    return read


@pytest.mark.parametrize(
    ("at", "number"),
    [(20, signal.SIGINT), (70, signal.SIGINT), (70, signal.SIGTERM), (70, signal.SIGHUP)],
)
def test_ctrl_c_takes_everything_away_and_writes_what_was_found(
    tmp_path: Path, at: int, number: signal.Signals
) -> None:
    """At once, without another trial; so do a service manager's signal, and a terminal that is closed."""

    async def story() -> None:
        here = tmp_path / "here"
        doom = Doom(at, before=True, number=number)
        async with open_beneath(tmp_path) as beneath, laptop(here, beneath, doom.middleware()) as ground:
            process = await command(here)
            doom.process.append(process)
            _, said = await process.communicate()
            assert process.returncode == 130, said.decode()
            assert "taking away what was created" in said.decode()
            assert left_in(ground) == []
            evidence = _evidence(here)
            verdicts = {each["belief"]: each for each in evidence["beliefs"]}
            assert verdicts["R6"]["verdict"] == "holds"
            assert verdicts["R5"]["verdict"] == "not-seen"
            assert verdicts["R5"]["how"].startswith("step refusals was interrupted")
            assert {each["verdict"] for each in evidence["beliefs"]} == {"holds", "not-seen"}
            assert evidence["unfinished"] is True

    asyncio.run(story())


def test_a_terminal_that_is_closed_does_not_cut_the_removal_short(tmp_path: Path) -> None:
    """It sends its signal more than once, and nothing can be written to it any more."""

    async def story() -> None:
        here = tmp_path / "here"
        dooms = [Doom(number, before=True, number=signal.SIGHUP) for number in (70, 71, 73)]
        async with open_beneath(tmp_path) as beneath, laptop(here, beneath, all_of(dooms)) as ground:
            process = await command(here)
            assert process.stderr is not None
            await process.stderr.readline()
            for doom in dooms:
                doom.process.append(process)
            # The terminal is gone: whoever writes to it has an error.
            process._transport.get_pipe_transport(2).close()  # type: ignore[attr-defined]  # noqa: SLF001
            assert await process.wait() == 130
            assert left_in(ground) == []
            assert _evidence(here)["unfinished"] is True

    asyncio.run(story())


def all_of(dooms: list[Doom]) -> Middleware:
    """Give what stands between a trial and ARM, of several."""
    middles = [doom.middleware() for doom in dooms]

    @web.middleware
    async def middle(request: web.Request, handler: Handler) -> web.StreamResponse:
        for each in middles:
            handler = partial(each, handler=handler)
        return await handler(request)

    return middle


@dataclass
class Guard:
    """Refuses deletions of resource groups while it is up."""

    up: bool = True

    def middleware(self, doom: Doom) -> Middleware:
        """Give what stands between the trial and ARM."""
        doomed = doom.middleware()

        @web.middleware
        async def middle(request: web.Request, handler: Handler) -> web.StreamResponse:
            if self.up and request.method == "DELETE" and "/providers/" not in request.path:
                return web.json_response({"error": {"code": "ScopeLocked", "message": "Locked."}}, status=409)
            return await doomed(request, handler)

        return middle


def test_what_ctrl_c_could_not_take_away_is_said_with_the_command_that_does_it(tmp_path: Path) -> None:
    """The group goes on costing: somebody has locked it."""

    async def story() -> None:
        here, guard, doom = tmp_path / "here", Guard(), Doom(70, before=True, number=signal.SIGINT)
        async with open_beneath(tmp_path) as beneath, laptop(here, beneath, guard.middleware(doom)) as ground:
            process = await command(here, stdout=asyncio.subprocess.PIPE)
            doom.process.append(process)
            out, _ = await process.communicate()
            assert process.returncode == 130
            (left,) = re.findall(r"^left behind: (.*)$", out.decode(), re.MULTILINE)
            assert re.fullmatch(r"/subscriptions/\S+/rg-spot-responder-trial-\w+: 409 ScopeLocked: Locked\.", left)
            (named,) = re.findall(r"To take it away: .venv/bin/spot-responder (.*)", out.decode())
            assert left_in(ground) != []
            guard.up = False
            assert await run_words(here, named.split()) == 0
            assert left_in(ground) == []

    asyncio.run(story())


def test_a_second_ctrl_c_ends_the_removal_and_says_what_is_left(tmp_path: Path) -> None:
    """With the command that takes it away."""

    async def story() -> None:
        here = tmp_path / "here"
        dooms = [Doom(number, before=True, number=signal.SIGINT) for number in (70, 74)]
        async with open_beneath(tmp_path) as beneath, laptop(here, beneath, all_of(dooms)) as ground:
            process = await command(here)
            for doom in dooms:
                doom.process.append(process)
            _, said = await process.communicate()
            assert process.returncode == 130
            assert "Traceback" not in said.decode()
            assert re.search(
                r"^left behind: /subscriptions/\S+/rg-spot-responder-trial-\w+$", said.decode(), re.MULTILINE
            )
            (named,) = re.findall(r"To take it away: .venv/bin/spot-responder (.*)", said.decode())
            assert _evidence(here)["unfinished"] is True
            assert await run_words(here, named.split()) == 0
            assert left_in(ground) == []

    asyncio.run(story())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_a_watch(tmp_path: Path, number: signal.Signals) -> None:
    """In order, with its evidence."""

    async def story() -> None:
        doom = Doom(6, before=False, number=number)
        async with open_beneath(tmp_path) as beneath, laptop(tmp_path / "here", beneath, doom.middleware()) as ground:
            process = await command(tmp_path / "here", "--watch")
            doom.process.append(process)
            _, said = await process.communicate()
            assert process.returncode == 0, said.decode()
            assert said.decode().count("\n") == 1
            assert len(list((tmp_path / "here" / ".local").glob("watch-*.json"))) == 1
            assert left_in(ground) == []

    asyncio.run(story())
