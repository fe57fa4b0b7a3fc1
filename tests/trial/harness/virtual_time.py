"""Time for whole trials in one process: it jumps to the next timer, and stands still while a request is under way.

So a trial waits for nothing, and a busy machine changes nothing of what it sees: sockets and Azurite take as long as
they take, and none of that is time.
"""

from __future__ import annotations

import asyncio
import inspect
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from selectors import DefaultSelector
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from contextlib import AbstractContextManager
    from selectors import SelectorKey

STUCK_S: Final = 300.0
"""In real seconds. A request that takes longer has no answer to come, even on a busy machine."""


class StuckError(Exception):
    """A request is under way, and nothing comes of it."""


class _Selector(DefaultSelector):
    """Waits for sockets only while a request is under way; else the next timer has come at once."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0
        self.under_way = 0

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if timeout is not None and not self.under_way:
            self.seconds += timeout
            return []
        ready = super().select(STUCK_S)
        if not ready:
            message = f"{self.under_way} requests are under way, and nothing came of them in {STUCK_S:.0f} s"
            raise StuckError(message)
        return ready


class HeldLoop(asyncio.SelectorEventLoop):
    """An event loop in that time."""

    def __init__(self) -> None:
        """Begin at no time."""
        self._held = _Selector()
        super().__init__(self._held)

    def time(self) -> float:
        """Give the seconds that have passed."""
        return self._held.seconds

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let no time pass within."""
        self._held.under_way += 1
        try:
            yield
        finally:
            self._held.under_way -= 1


@dataclass(frozen=True, slots=True)
class LoopClock:
    """The time of day in a loop."""

    loop: HeldLoop
    begin: datetime

    def now(self) -> datetime:
        """Give the time."""
        return self.begin + timedelta(seconds=self.loop.time())

    async def sleep_until(self, moment: datetime) -> None:
        """Come back at a moment; at once where it has passed."""
        await asyncio.sleep(max(0.0, (moment - self.now()).total_seconds()))


@dataclass(frozen=True, slots=True)
class HeldPort:
    """A port of a trial whose requests take no time: each of its coroutines is one, and each port that it gives."""

    port: Any
    held: Callable[[], AbstractContextManager[None]]
    now: Callable[[], datetime]

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the port has
        """Give what the port has of this name."""
        found = getattr(self.port, name)
        if name == "storage":
            return lambda endpoints: HeldPort(found(endpoints), self.held, self.now)
        if not inspect.iscoroutinefunction(found):
            return found

        async def call(*words: object, **more: object) -> Any:  # noqa: ANN401 - as above
            with self.held():
                given = await found(*words, **more)
            # Storage has a time of its own.
            return (given[0], [replace(each, at=self.now()) for each in given[1]]) if name == "drain" else given

        return call


def in_virtual_time[T](work: Callable[[HeldLoop], Coroutine[Any, Any, T]]) -> T:
    """Run something in a loop of its own; not within another loop of this thread."""
    loop = HeldLoop()
    runner = asyncio.Runner(loop_factory=lambda: loop)
    try:
        return runner.run(work(loop))
    finally:
        # It waits for threads at its end.
        with loop.held():
            runner.close()


def clock_of(loop: HeldLoop) -> LoopClock:
    """Give the clock of a loop: it begins now, for Azurite goes by its own, and looks whether tokens are valid."""
    return LoopClock(loop, datetime.now(UTC))
