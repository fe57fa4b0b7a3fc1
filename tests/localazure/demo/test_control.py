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


def test_its_owner_names_the_sizes_that_a_vm_may_come_back_as() -> None:
    """Beside its other tags; what the app would ignore is said at once, and nothing takes the tag off."""
    world = World(TEN)
    vm = world.add_vm("vm-1", tags={"team": "render"})
    assert asyncio.run(moved(world, "/fallback/vm-1?value=Standard_D2as_v5,standard_d2s_v4")) == [
        (200, "vm-1 may come back as: Standard_D2as_v5, standard_d2s_v4")
    ]
    assert vm.tags == {"team": "render", "SpotFallbackSizes": "Standard_D2as_v5,standard_d2s_v4"}
    bad, long, off = asyncio.run(
        moved(world, "/fallback/vm-1?value=D2", f"/fallback/vm-1?value={'x' * 257}", "/fallback/vm-1?value=")
    )
    assert bad[1].startswith("the tag SpotFallbackSizes is ignored: 'D2' is no size")
    assert long == (409, "a tag holds 256 characters at most, and these are 257: name fewer sizes")
    assert (off, vm.tags) == ((200, "vm-1 may come back as: its own size only"), {"team": "render"})


def test_capacity_and_price_are_of_sizes_that_no_vm_has_yet_too() -> None:
    """Of those that a VM may come back as, in any casing; what is no size or no price is refused in a line."""
    world = World(TEN)
    vm = world.add_vm("vm-1")
    empty, price, odd_size, *odd_prices = asyncio.run(
        moved(
            world,
            "/empty/standard_d2as_v5",
            "/price/standard_d2as_v5?value=0.03",
            "/empty/D2",
            *(f"/price/Standard_D2as_v5?value={value}" for value in ("", "much", "0", "-1", "nan", "inf", "9" * 400)),
        )
    )
    assert empty == (200, "Standard_D2as_v5: there is no capacity any more")
    assert world.market.free(vm.pool._replace(size="Standard_D2as_v5")) == 0
    assert price == (200, "Standard_D2as_v5: its Spot price is 0.03 USD an hour")
    assert world.market.told_price("Standard_D2as_v5", "westeurope") == 0.03
    assert odd_size[0] == 409
    assert odd_size[1].startswith("no VM could have the size 'D2'; name one of: ")
    assert {status for status, _ in odd_prices} == {409}
    assert all(told.endswith("is no price: give USD an hour, such as 0.03") for _, told in odd_prices)


def test_the_app_is_told_to_look_at_a_work_queue() -> None:
    """By a wake, as who submits puts it; a name that is none is for the app to say."""
    (answered, wake) = asyncio.run(moved(World(TEN), "/wake/frames"))
    assert answered == (200, "the app is told to look at the work queue spotwork/frames")
    assert wake[1] == "spotwork/frames"
