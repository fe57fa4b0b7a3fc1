"""A poll each minute that starts all that is down at once, and does not wait: what most timers do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bench.peers.sdk import list_down, start

if TYPE_CHECKING:
    from bench.stage import Azure

EVERY_S = 60.0
CONNECTIONS = 100
"""aiohttp's limit: so many requests are under way at once."""


async def poll(azure: Azure) -> None:
    """Run for ever."""
    loop = asyncio.get_running_loop()
    room = asyncio.Semaphore(CONNECTIONS)

    async def start_one(vm_id: object) -> None:
        async with room:
            await start(azure, vm_id)  # type: ignore[arg-type]

    while True:
        await asyncio.gather(*(start_one(vm_id) for vm_id in await list_down(azure)))
        await asyncio.sleep(EVERY_S - loop.time() % EVERY_S)
