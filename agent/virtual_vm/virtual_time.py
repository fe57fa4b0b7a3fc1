"""Virtual time: what is due happens in order, and nobody waits."""

from __future__ import annotations

import heapq
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final

from spot_agent.deciding.times import Now

if TYPE_CHECKING:
    from collections.abc import Callable

TEN: Final = datetime(2026, 3, 2, 10, 0, tzinfo=timezone.utc)


class VirtualTime:
    """Seconds since the beginning, and what is due. ``clock_error_s``: how far the VM's wall clock is off."""

    def __init__(self) -> None:
        """Begin at ten o'clock."""
        self.seconds = 0.0
        self.clock_error_s = 0.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def after(self, seconds: float, do: Callable[[], None]) -> None:
        """Have something done later."""
        self._count += 1
        heapq.heappush(self._due, (self.seconds + max(seconds, 0.0), self._count, do))

    def pass_until(self, seconds: float) -> None:
        """Let everything happen that is due by then."""
        while self._due and self._due[0][0] <= seconds:
            self.seconds, _, do = heapq.heappop(self._due)
            do()
        self.seconds = max(self.seconds, seconds)

    def now(self) -> Now:
        """Give the time as the VM sees it."""
        return Now(self.true_time() + timedelta(seconds=self.clock_error_s), self.seconds)

    def true_time(self) -> datetime:
        """Give the time as Azure sees it."""
        return TEN + timedelta(seconds=self.seconds)
