"""An hourly runbook of Azure Automation, the shortest schedule it has: lists, starts all at once, waits for all."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bench.peers.sdk import came_up, list_down, start

if TYPE_CHECKING:
    from bench.stage import Azure
    from spot_responder.intake.vms import VmId

EVERY_S = 3600.0
JOBS = 100


async def runbook(azure: Azure) -> None:
    """Run for ever."""
    loop = asyncio.get_running_loop()
    room = asyncio.Semaphore(JOBS)

    async def bring_back(vm_id: VmId) -> None:
        async with room:
            await came_up(azure, vm_id, await start(azure, vm_id))

    while True:
        await asyncio.gather(*(bring_back(vm_id) for vm_id in await list_down(azure)))
        await asyncio.sleep(EVERY_S - loop.time() % EVERY_S)
