"""The cron script of the first days: each minute, list what is down, and start one after the other, waiting for each.

A lock file keeps a second run from beginning while one is at work. Its model: docs/azure-facts.md peers-1.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bench.peers.sdk import came_up, list_down, start

if TYPE_CHECKING:
    from bench.stage import Azure

EVERY_S = 60.0


async def cron(azure: Azure) -> None:
    """Run for ever."""
    loop = asyncio.get_running_loop()
    while True:
        for vm_id in await list_down(azure):
            await came_up(azure, vm_id, await start(azure, vm_id))
        await asyncio.sleep(EVERY_S - loop.time() % EVERY_S)
