"""Virtual time: the time of day in a loop that never waits, and a world whose moves happen when they are due."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from localazure.virtual.loop import JumpingLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from localazure.world.world import World

_STEP: Final = timedelta(milliseconds=1)


class VirtualClock:
    """The time of day in a loop of its own; the moves of the world happen when they are due."""

    def __init__(self, begin: datetime, world: World) -> None:
        """Begin at a time of day."""
        self._begin, self._world = begin, world
        self._loop = JumpingLoop()
        self._runner = asyncio.Runner(loop_factory=lambda: self._loop)
        self._runner.get_loop()
        self._read_at, self._now = 0.0, begin
        self._wakes_at: datetime | None = None
        self._timer: asyncio.TimerHandle | None = None

    def now(self) -> datetime:
        """Give the time."""
        seconds = self._loop.time()
        if seconds != self._read_at:
            self._read_at, self._now = seconds, self._begin + timedelta(seconds=seconds)
        return self._now

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
        """Let the world catch up with the time, and wake up when it has the next move to make."""
        self._world.advance(self.now())
        due = self._world.next_due()
        if due == self._wakes_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._wakes_at = due
        self._timer = self._loop.call_at((due - self._begin).total_seconds(), self._wake) if due else None

    def run_until(self, moment: datetime) -> None:
        """Let everything happen up to a time of day, and at it."""
        self._loop.call_soon(self.settle)
        self._loop.run_until((moment - self._begin).total_seconds())
        self.settle()

    def complete[T](self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Let time pass until a task is over; give its result."""
        task = self._loop.create_task(coroutine)
        self.run_until(self.now())
        while not task.done():
            self.run_until(self.now() + _STEP)
        return task.result()

    def close(self) -> None:
        """End all that still runs, as if every process died, and what that begins in turn; then the loop."""
        while running := self.tasks():
            for task in running:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*running, return_exceptions=True))
        self._runner.close()

    def _wake(self) -> None:
        self._wakes_at = self._timer = None
        self.settle()
