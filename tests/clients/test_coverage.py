"""How many VMs are covered: the query as Resource Graph runs it, over the real SDK."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from azure.mgmt.resourcegraph.aio import ResourceGraphClient

from localazure.world.world import World
from spot_responder.clients.graph import ResourceGraph
from spot_responder.operators.views.status import Coverage
from tests.harness.fronts import START, Credential, serve
from tests.harness.stories import TAG

if TYPE_CHECKING:
    from pathlib import Path


def counted(folder: Path, world: World, *, has_work_queues: bool) -> Coverage:
    """Count the VMs of a world, as ``status`` does."""

    async def count() -> Coverage:
        async with (
            serve(folder, world=world) as front,
            ResourceGraphClient(
                Credential("responder"),
                base_url=front.url,
                credential_scopes=["https://management.azure.com/.default"],
                connection_verify=front.ca_file,
                retry_total=0,
            ) as client,
        ):
            return await ResourceGraph(client).coverage("AttemptRestartAfterEviction", has_work_queues=has_work_queues)

    return asyncio.run(count())


def test_vms_of_work_queues_are_counted_by_themselves_where_there_are_any(tmp_path: Path) -> None:
    """Whatever other tags they have: StartForWork alone decides. Without work queues it is a tag like any other."""
    world = World(START)
    world.add_vm("covered-1", tags=TAG)
    world.add_vm("plain-1", tags={})
    world.add_vm("named-1", tags={"note": "StartForWork"})
    world.add_vm("work-1", tags={"StartForWork": "farm/frames"})
    world.add_vm("work-2", tags={"startforwork": "farm/frames", **TAG})
    assert counted(tmp_path, world, has_work_queues=True) == Coverage(1, 2, for_work=2)
    assert counted(tmp_path, world, has_work_queues=False) == Coverage(2, 3)
