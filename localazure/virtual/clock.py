"""Virtual time: an event loop whose clock jumps to whatever is due next."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import async_solipsism

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from localazure.world import World


class VirtualClock:
    """The time of day in a loop of its own; the world's moves happen when they are due."""

    def __init__(self, begin: datetime) -> None:
        """Begin at a time of day."""
        self._begin = begin
        self._runner = asyncio.Runner(loop_factory=async_solipsism.EventLoop)
        self._loop = self._runner.get_loop()
        self._worlds: list[World] = []
        self._armed: asyncio.TimerHandle | None = None

    def now(self) -> datetime:
        """Give the time."""
        return self._begin + timedelta(seconds=self._loop.time())

    def drive(self, world: World) -> None:
        """Let time pass for a world as well."""
        self._worlds.append(world)

    def call_after(self, delay: timedelta, call: Callable[[], object]) -> None:
        """Call something later."""
        self._loop.call_later(max(delay.total_seconds(), 0.0), call)

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Begin a task."""
        task: asyncio.Task[None] = self._loop.create_task(coroutine)
        return task

    def tasks(self) -> set[asyncio.Task[Any]]:
        """Give all tasks that are not over."""
        return asyncio.all_tasks(self._loop)

    def settle(self) -> None:
        """Let the worlds catch up with the time, and wake up when they have the next move to make."""
        now = self.now()
        dues = []
        for world in self._worlds:
            world.advance(now)
            due = world.next_due()
            if due is not None:
                dues.append((due - self._begin).total_seconds())
        if not dues:
            return
        at = min(dues)
        if self._armed is not None and not self._armed.cancelled() and self._loop.time() < self._armed.when() <= at:
            return
        if self._armed is not None:
            self._armed.cancel()
        # A microsecond more: a time of day is rounded to one, and a move must be due when we come.
        self._armed = self._loop.call_at(at + 1e-6, self.settle)

    def run_until(self, moment: datetime) -> None:
        """Let everything happen up to a time of day."""
        self._loop.call_at((moment - self._begin).total_seconds(), self._loop.stop)
        self._loop.call_soon(self.settle)
        self._loop.run_forever()
        self.settle()

    def close(self) -> None:
        """End all that still runs, as if every process died, and then the loop."""
        self._runner.close()
