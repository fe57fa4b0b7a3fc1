"""The doubles of the virtual Azure, held against Microsoft's clients over the laptop's ARM and Resource Graph."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from azure.mgmt.compute.aio import ComputeManagementClient
from azure.mgmt.resourcegraph.aio import ResourceGraphClient

from localazure.virtual.compute import ARM, ComputeDouble
from localazure.virtual.graph import GraphDouble
from localazure.virtual.wire import Wire
from localazure.world.world import SUBSCRIPTION, World
from spot_responder.clients.compute import Compute
from spot_responder.clients.graph import ResourceGraph
from spot_responder.intake.vms import VmId
from spot_responder.responder.ports import AzureRefusedError
from tests.harness.fronts import Credential, serve
from tests.harness.makers import TEN
from tests.harness.stories import TAG, Script

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from datetime import datetime
    from pathlib import Path


@dataclass
class Ports:
    """Two ports to a world, and how its time passes."""

    world: World
    compute: Compute
    graph: ResourceGraph
    advance: Callable[[datetime], None]

    async def said(self, question: Awaitable[object]) -> object:
        """Give the answer, or the refusal, as the responder would understand it."""
        try:
            return await question
        except AzureRefusedError as refusal:
            return str(refusal), refusal.failure


def world_of_all_kinds() -> World:
    """Make a world in which VMs differ in all that the app looks at."""
    world = World(TEN)
    world.add_vm("runs", tags=TAG)
    world.add_vm("Down", tags=TAG, power_state="deallocated", zone="2", max_price=0.05)
    world.add_vm("wrongly-tagged", tags={"AttemptRestartAfterEviction": "yes"}, power_state="deallocated")
    world.add_vm("untagged", power_state="deallocated", size="Standard_D4s_v5")
    world.add_vm("regular", tags=TAG, priority="Regular", power_state="deallocated")
    for name, restore_policy in (("set-1", True), ("set-2", False)):
        scale_set_id = world.add_scale_set(name, restore_policy=restore_policy)
        world.add_vm(f"of-{name}", tags=TAG, scale_set_id=scale_set_id)
    world.add_vm("gone", tags=TAG)
    world.delete("gone")
    return world


def doubles() -> Ports:
    """Open the ports to doubles."""
    world = world_of_all_kinds()
    wire = Wire(Script(), settle=lambda: None, die=lambda: None)
    compute = Compute(ARM, lambda subscription: cast("Any", ComputeDouble(subscription, world, wire)))
    return Ports(world, compute, ResourceGraph(cast("Any", GraphDouble(world, wire))), world.advance)


@asynccontextmanager
async def real(folder: Path) -> AsyncIterator[Ports]:
    """Open the ports to Microsoft's clients."""
    world = world_of_all_kinds()
    async with serve(folder, world=world) as front:
        front.clock.now = TEN
        options: dict[str, Any] = {
            "credential_scopes": [f"{ARM}/.default"],
            "connection_verify": front.ca_file,
            "retry_total": 0,
        }
        credential = Credential("responder")

        def advance(to: datetime) -> None:
            world.advance(to)
            front.clock.now = to

        async with (
            ComputeManagementClient(credential, SUBSCRIPTION, front.url, **options) as compute,
            ResourceGraphClient(credential, front.url, **options) as graph,
        ):
            yield Ports(world, Compute(front.url, lambda _: compute), ResourceGraph(graph), advance)


async def everything_said(ports: Ports) -> list[object]:
    """Ask for all that the app asks for, while VMs are evicted, stopped, started and refused."""
    world = ports.world
    said: list[object] = []

    async def look() -> None:
        vm_ids = [VmId.parse(machine.vm_id) for machine in world.machines()]
        said.extend([await ports.said(ports.compute.current(vm_id)) for vm_id in vm_ids])
        said.extend(await asyncio.gather(*(ports.said(ports.graph.confirm(vm_id)) for vm_id in vm_ids)))
        said.append(sorted(await ports.graph.deallocated_spot_vms("AttemptRestartAfterEviction"), key=str))
        said.append(sorted(await ports.graph.priced_vms("AttemptRestartAfterEviction"), key=str))

    async def start(name: str) -> str:
        url = await ports.said(ports.compute.start(VmId.parse(world.machine(name).vm_id)))
        said.append(url if isinstance(url, tuple) else "accepted")
        return str(url)

    await look()
    world.evict("runs")
    world.stop_by_owner("of-set-2")
    await start("runs")
    ports.advance(TEN + timedelta(seconds=5))
    await look()
    ports.advance(TEN + timedelta(minutes=1))
    world.set_capacity(world.machine("runs").pool, 0)
    world.refuse_next_start("untagged", "SkuNotAvailable", "not available")
    for name in ("untagged", "gone", "regular"):
        await start(name)
    url = await start("runs")
    said.append(await ports.said(ports.compute.operation(url)))
    await look()
    ports.advance(TEN + timedelta(minutes=2))
    said.append(await ports.said(ports.compute.operation(url)))
    said.append(await ports.said(ports.compute.operation(url.replace("/operations/", "/operations/0"))))
    await look()
    return said


def test_the_doubles_say_what_microsofts_clients_say(tmp_path: Path) -> None:
    """VMs of all kinds, refused and failed starts, operations that run, fail and are not there: word for word."""

    async def over_the_wire() -> list[object]:
        async with real(tmp_path) as ports:
            return await everything_said(ports)

    assert asyncio.run(everything_said(doubles())) == asyncio.run(over_the_wire())
