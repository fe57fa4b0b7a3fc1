"""The scenarios of the demo: which VM, what happens to it, and how it has to end. Called by ``demo.py``.

All are played in one world at the same time, each in a pool of its own, so that none waits for another's capacity.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from localazure.event_grid.azure_events import EventKind
from localazure.event_grid.event_faults import Fault
from localazure.world.happenings import ActionSucceeded

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from localazure.laptop import Laptop

TAG: Final = {"AttemptRestartAfterEviction": "true"}
SKU_NOT_AVAILABLE: Final = (
    "SkuNotAvailable",
    (
        "The requested VM size for resource 'Following SKUs have failed for Capacity Restrictions: Standard_D4s_v5' is "
        "currently not available in location 'westeurope'. Please try another size or deploy to a different location "
        "or different zone. See https://aka.ms/azureskunotavailable for details."
    ),
)
_OWN_SIZE: Final = "Standard_E4s_v5"
_OTHER_SIZE: Final = "Standard_D4as_v5"
_UNTIL_ITS_POOL_IS_ASKED_AGAIN_S: Final = 5.0
_ACCEPTED: Final = 202
_UNTIL_A_START_HAS_FAILED_S: Final = 1.0
_PATIENCE_S: Final = 60.0
"""What has not come by then is told by the table at the end."""
_LOOK_S: Final = 0.05
EVICT_SPOT_VM: Final = "Microsoft.Compute/virtualMachines/evictSpotVM/action"


class End(StrEnum):
    """How it has to end for a VM."""

    RESTORED = "restored"
    LEFT_ALONE = "left-alone"


@dataclass(frozen=True, slots=True)
class Player:
    """A VM of a scenario, and its expected end. ``most_starts`` bounds the start requests sent for it.

    ``leaves``: a file that its guest leaves on its disk when its work goes on; without that it is not restored.
    ``size``: the one that it has to have at the end, where that may change.
    """

    name: str
    end: End
    most_starts: int
    leaves: str = ""
    size: str = ""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario. ``play`` adds its VMs to the world and lets things befall them."""

    number: int
    title: str
    players: tuple[Player, ...]
    play: Callable[[Laptop, Callable[[str, str], None]], Awaitable[None]]


type Tell = Callable[[str, str], None]


async def _capacity_there(laptop: Laptop, _tell: Tell) -> None:
    laptop.world.add_vm("backup-1", size="Standard_D2s_v5", tags=TAG)
    laptop.world.evict("backup-1")


async def _no_capacity_for_a_while(laptop: Laptop, tell: Tell) -> None:
    world = laptop.world
    pool = world.add_vm("ci-runner-1", size="Standard_D4s_v5", tags=TAG).pool
    world.add_vm("ci-runner-2", size="Standard_D4s_v5", tags=TAG)
    world.set_capacity(pool, 0)
    world.evict("ci-runner-1")
    world.refuse_next_start("ci-runner-1", *SKU_NOT_AVAILABLE)
    await asyncio.sleep(1)
    world.evict("ci-runner-2")
    await asyncio.sleep(14)
    runners = [world.machine(name) for name in ("ci-runner-1", "ci-runner-2")]
    with suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE_S):
            await until(lambda: any(_ACCEPTED in {call.status for call in one.start_calls} for one in runners))
    await asyncio.sleep(_UNTIL_A_START_HAS_FAILED_S)
    world.set_capacity(pool, None)
    tell("ci-runner", "there is capacity again")


async def _event_lost(laptop: Laptop, _tell: Tell) -> None:
    laptop.world.add_vm("batch-1", size="Standard_F4s_v2", tags=TAG)
    laptop.event_grid.faults.set(Fault(lose=True), vm="batch-1")
    laptop.world.evict("batch-1")


async def _told_many_times(laptop: Laptop, _tell: Tell) -> None:
    vm = laptop.world.add_vm("game-1", size="Standard_E2s_v5", tags=TAG)
    laptop.event_grid.faults.set(Fault(copies=1), vm="game-1", kind=EventKind.ANNOTATION)
    laptop.world.evict("game-1")
    # What a real eviction writes to the Activity Log; if it comes as an event too, it must do no harm.
    laptop.world.tell(ActionSucceeded(vm.vm_id, laptop.world.now, EVICT_SPOT_VM, caller=""))


async def _not_to_be_started(laptop: Laptop, _tell: Tell) -> None:
    world = laptop.world
    world.add_vm("untagged-1", size="Standard_B2s", tags={})
    world.add_vm("regular-1", size="Standard_B2ms", priority="Regular", tags=TAG)
    world.add_vm("dev-box-1", size="Standard_D8s_v5", tags=TAG)
    world.evict("untagged-1")
    world.stop_by_owner("regular-1")
    world.stop_by_owner("dev-box-1")


async def _graph_behind(laptop: Laptop, _tell: Tell) -> None:
    laptop.world.add_vm("render-1", size="Standard_NV4as_v4", tags=TAG)
    laptop.graph.freeze("render-1")
    laptop.world.evict("render-1")


async def _price_too_high(laptop: Laptop, tell: Tell) -> None:
    vm = laptop.world.add_vm("cheap-1", size="Standard_D16s_v5", max_price=0.05, tags=TAG)
    laptop.world.set_price(vm.size, vm.location, 0.09)
    tell(vm.name, "the Spot price rises to 0.09 USD, above its max price of 0.05")
    laptop.world.evict(vm.name)
    await asyncio.sleep(9)
    with suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE_S):
            await until(lambda: bool(vm.start_calls))
    laptop.world.set_price(vm.size, vm.location, 0.04)
    tell(vm.name, "the Spot price falls to 0.04 USD")


async def _another_size(laptop: Laptop, tell: Tell) -> None:
    world = laptop.world
    vm = world.add_vm("flex-1", size=_OWN_SIZE, tags={**TAG, "SpotFallbackSizes": _OTHER_SIZE})
    pool = vm.pool
    world.set_capacity(pool, 0)
    tell(vm.name, f"there is no capacity for {_OWN_SIZE}, and its owner named {_OTHER_SIZE}")
    world.evict(vm.name)
    with suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE_S):
            await until(lambda: vm.running_at is not None and vm.size == _OTHER_SIZE)
            world.set_capacity(pool, None)
            await asyncio.sleep(_UNTIL_ITS_POOL_IS_ASKED_AGAIN_S)
            tell(vm.name, f"there is capacity for {_OWN_SIZE} again; the next eviction brings it home")
            world.evict(vm.name)
            await until(lambda: vm.running_at is not None and vm.size == _OWN_SIZE)


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds, however busy the machine is. For how long at most is the caller's to say."""
    while not holds():  # noqa: ASYNC110 - seen by looking
        await asyncio.sleep(_LOOK_S)


SCENARIOS: Final = (
    Scenario(1, "evicted, capacity there", (Player("backup-1", End.RESTORED, 1),), _capacity_there),
    Scenario(
        2,
        "evicted, no capacity for a while",
        (Player("ci-runner-1", End.RESTORED, 5), Player("ci-runner-2", End.RESTORED, 5)),
        _no_capacity_for_a_while,
    ),
    Scenario(3, "the eviction event is lost", (Player("batch-1", End.RESTORED, 1),), _event_lost),
    Scenario(4, "told by three events, one of them twice", (Player("game-1", End.RESTORED, 1),), _told_many_times),
    Scenario(
        5,
        "without the tag, not Spot, or stopped by its owner",
        (
            Player("untagged-1", End.LEFT_ALONE, 0),
            Player("regular-1", End.LEFT_ALONE, 0),
            Player("dev-box-1", End.LEFT_ALONE, 0),
        ),
        _not_to_be_started,
    ),
    Scenario(
        6,
        "told while still deallocating, Resource Graph says running",
        (Player("render-1", End.RESTORED, 1),),
        _graph_behind,
    ),
    Scenario(7, "the price is above its max price for a while", (Player("cheap-1", End.RESTORED, 5),), _price_too_high),
    Scenario(
        8,
        "its size is out: back as another one, then home",
        (Player("flex-1", End.RESTORED, 5, size=_OWN_SIZE),),
        _another_size,
    ),
)
