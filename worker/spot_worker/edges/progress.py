"""A progress bar on standard error, where a person looks at it."""

from __future__ import annotations

import sys
from typing import Final

_WIDTH: Final = 30


class Progress:
    """How much of a known amount is done. Elsewhere than on a terminal nothing is written."""

    def __init__(self, what: str, total: int) -> None:
        """Nothing is done yet."""
        self._what, self._total = what, total
        self.shows = total > 0 and sys.stderr.isatty()

    def show(self, done: int) -> None:
        """Draw the bar."""
        if self.shows:
            filled = _WIDTH * min(done, self._total) // self._total
            bar = "#" * filled + "." * (_WIDTH - filled)
            sys.stderr.write(f"\r[{bar}] {done} of {self._total} {self._what}")
            sys.stderr.flush()

    def end(self) -> None:
        """Leave the bar as it is, and go on below it."""
        if self.shows:
            sys.stderr.write("\n")
