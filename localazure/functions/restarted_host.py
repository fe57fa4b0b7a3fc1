"""A Functions host that is started again whenever it dies, as Azure's platform does. Used by ``laptop.py``."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from localazure.runtime.processes import StartError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from localazure.functions.host import RunningHost

    type StartHost = Callable[[], AbstractAsyncContextManager[RunningHost]]

_PAUSE_S: Final = 1.0


@dataclass(slots=True)
class KeptHost:
    """The host that runs at the moment, or ran last."""

    running: RunningHost
    is_up: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        """Its address, another one after each start."""
        return self.running.url

    @property
    def function_key(self) -> str:
        """What opens its functions with an HTTP trigger; the same after each start."""
        return self.running.function_key

    async def kill(self) -> bool:
        """End the host at once, by SIGKILL, in the middle of whatever it does. Give whether one was up."""
        if not self.is_up.is_set():
            return False
        self.is_up.clear()
        self.running.process.kill()
        await self.running.process.wait()
        return True


@asynccontextmanager
async def kept_host(start: StartHost) -> AsyncIterator[KeptHost]:
    """Run a host, and another one each time it ended; end the last one at the end.

    Raises:
        StartError: the first one did not start.
    """
    async with start() as first:
        kept = KeptHost(first)
        keeper = asyncio.create_task(_keep(kept, start))
        try:
            yield kept
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)


async def _keep(kept: KeptHost, start: StartHost) -> None:
    await _ended(kept)
    while True:
        try:
            async with start() as kept.running:
                await _ended(kept)
        except StartError:
            # Its log has the reason. The platform tries for ever, and so do we, until the laptop is shut.
            await asyncio.sleep(_PAUSE_S)


async def _ended(kept: KeptHost) -> None:
    kept.is_up.set()
    await kept.running.process.wait()
    kept.is_up.clear()
