"""Lets the work on a message go on only as long as the lease is held and there is time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from spot_worker.running.lease import Lease, Lost
    from spot_worker.running.stops.stopping import Stopping


class LeaseOverError(Exception):
    """The lease was lost while the work went on; ``how`` says in which way."""

    def __init__(self, how: Lost) -> None:
        """Say how."""
        super().__init__(how.value)
        self.how = how


class TimeIsUpError(Exception):
    """The worker is to stop, and the work has not ended in the time that it had for that."""


async def guarded(work: Coroutine[Any, Any, None], lease: Lease, stopping: Stopping) -> None:
    """Let work go on. Raises ``LeaseOverError``, ``TimeIsUpError``, and what the work raises."""
    working = asyncio.ensure_future(work)
    up = asyncio.ensure_future(stopping.time_is_up())
    try:
        ends: set[asyncio.Future[Any]] = {working, lease.lost, up}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if lease.lost.done() and not working.done():
            raise LeaseOverError(lease.lost.result())
        if up.done() and not working.done():
            raise TimeIsUpError
        await working
    finally:
        for task in (working, up):
            task.cancel()
        await asyncio.gather(working, up, return_exceptions=True)
