"""An event loop whose clock jumps to what is due next, so that no test waits."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone
from selectors import SelectSelector
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine


class _Jumping(SelectSelector):
    seconds = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        """Let the time pass that the loop would wait."""
        assert timeout is not None, "nothing can happen any more"
        self.seconds += timeout
        return []


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)
        self._clock_resolution = 1e-7

    def time(self) -> float:
        return self._jumping.seconds


def at_once(story: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401 - what the story gives
    """Play a story without waiting."""
    loop = _Loop()
    try:
        return loop.run_until_complete(asyncio.wait_for(story, 100_000))
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left))
        loop.close()


class VirtualClock:
    """The loop's time."""

    def monotonic(self) -> float:
        """Give the seconds since the beginning."""
        return asyncio.get_running_loop().time()

    def now(self) -> datetime:
        """Give the time of day."""
        return datetime(2026, 3, 2, 10, tzinfo=timezone.utc) + timedelta(seconds=self.monotonic())
