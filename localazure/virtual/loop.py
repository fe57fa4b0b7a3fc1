"""An event loop that never waits: its clock jumps to the next due time. Of ``clock.py``, and of the worker's soak."""

from __future__ import annotations

import asyncio
from selectors import SelectSelector
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from selectors import SelectorKey


class _JumpingSelector(SelectSelector):
    """Where an event loop would wait for the next timer, it has come at once: nothing else can ever happen."""

    def __init__(self, at_end: Callable[[], None]) -> None:
        """Begin at no time; ``at_end`` is called when nothing is left to do up to ``end``."""
        super().__init__()
        self.seconds = self.end = 0.0
        self._at_end = at_end

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        """Let the time pass that the loop would wait."""
        if timeout is None or self.seconds + timeout > self.end:
            self.seconds = self.end
            self._at_end()
        else:
            self.seconds += timeout
        return []


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop for what has timers only."""

    def __init__(self) -> None:
        """Begin at no time."""
        self._jumping = _JumpingSelector(self.stop)
        super().__init__(self._jumping)
        # asyncio's own, the machine's, is too fine for seconds in floating point after some months: nothing would fall
        # due any more. This is a tenth of what a time of day can tell, and holds for years.
        self._clock_resolution = 1e-7

    def time(self) -> float:
        """Give the seconds that have passed."""
        return self._jumping.seconds

    def run_until(self, seconds: float) -> None:
        """Run all that is due up to a time, with all that comes of it at once."""
        self._jumping.end = seconds
        self.run_forever()
