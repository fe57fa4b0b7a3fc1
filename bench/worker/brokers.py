"""What keeps a contender's jobs: its queue in Azurite, or Redis."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from azure.storage.queue import QueueClient

from bench.worker.redis import redis

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from bench.worker.contenders import Contender
    from bench.worker.storage import Account


@asynccontextmanager
async def brokered(
    contender: Contender, storage: Account, folder: Path
) -> AsyncIterator[tuple[str, Callable[[], int]]]:
    """Give Celery's broker, and what counts the jobs that are left there or in the contender's queue."""
    if contender.queue is None:
        async with redis(folder) as server:
            yield server.broker, server.left
        return
    with QueueClient.from_connection_string(storage.connection_string, contender.queue) as queue:
        # Not in the loop's own thread: there may be a proxy in the loop.
        await asyncio.to_thread(queue.create_queue)
        # Also those that are hidden.
        yield storage.broker, lambda: queue.get_queue_properties().approximate_message_count or 0
