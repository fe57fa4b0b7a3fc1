"""A person moves the running world: what is asked is done, or refused in a line."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from localazure.demo.control import control_application
from localazure.world.machines import PowerState
from localazure.world.world import World
from tests.harness.makers import TEN


class Wakes:
    """The queue of wakes."""

    def __init__(self) -> None:
        """Nothing is there."""
        self.put: list[str] = []

    async def send_message(self, content: str) -> None:
        """Take a wake."""
        self.put.append(content)


async def moved(world: World, *moves: str) -> list[tuple[int, str]]:
    """Make these moves one after the other; give what was answered, and the wakes that were put."""
    laptop: Any = SimpleNamespace(world=world, clock=SimpleNamespace(now=lambda: world.now), wakes=Wakes())
    async with TestClient(TestServer(control_application(laptop))) as client:
        answers = [await client.post(move) for move in moves]
        return [(answer.status, await answer.text()) for answer in answers] + [(0, told) for told in laptop.wakes.put]


@pytest.mark.parametrize(
    ("state", "told"), [("deallocated", "vm-1 is being started by its owner"), ("running", "vm-1 runs already")]
)
def test_its_owner_starts_a_vm(state: str, told: str) -> None:
    """One that was stopped is not lost to the game."""
    world = World(TEN)
    vm = world.add_vm("vm-1", power_state=state)
    assert asyncio.run(moved(world, "/start/vm-1")) == [(200, told)]
    assert vm.power_state in {PowerState.STARTING, PowerState.RUNNING}


def test_what_there_is_not_is_refused_in_a_line() -> None:
    """A name that nobody has, and a move that there is not."""
    (nobody, nothing) = asyncio.run(moved(World(TEN), "/start/nobody", "/dance/vm-1"))
    assert (nobody[0], nothing) == (409, (404, "nothing to do is called 'dance'"))


def test_the_app_is_told_to_look_at_a_work_queue() -> None:
    """By a wake, as who submits puts it; a name that is none is for the app to say."""
    (answered, wake) = asyncio.run(moved(World(TEN), "/wake/frames"))
    assert answered == (200, "the app is told to look at the work queue spotwork/frames")
    assert wake[1] == "spotwork/frames"
