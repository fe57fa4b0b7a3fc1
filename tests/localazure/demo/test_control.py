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


async def moved(world: World, *moves: str) -> list[tuple[int, str]]:
    """Make these moves one after the other; give what was answered."""
    laptop: Any = SimpleNamespace(world=world, clock=SimpleNamespace(now=lambda: world.now))
    async with TestClient(TestServer(control_application(laptop))) as client:
        answers = [await client.post(move) for move in moves]
        return [(answer.status, await answer.text()) for answer in answers]


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
