"""Lines on standard output, which journald keeps. A reader that is slow or gone holds nobody up."""

from __future__ import annotations

import queue
import sys
import threading
from typing import TYPE_CHECKING, Final

from spot_agent.text import history_line, one_line, printable

if TYPE_CHECKING:
    from spot_agent.deciding.actions import Record

_MOST_LINES: Final = 1000


class StandardOutput:
    """Prints in a thread of its own; with more lines waiting than anybody reads, the newest are dropped."""

    def __init__(self) -> None:
        """Begin to print."""
        self._lines: queue.Queue[str | None] = queue.Queue(_MOST_LINES)
        self._thread = threading.Thread(target=self._print, daemon=True)
        self._thread.start()

    def say(self, line: str) -> None:
        """Print a line."""
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            return

    def record(self, line: Record) -> None:
        """Print a line of the history."""
        self.say(history_line(line))

    def end(self) -> None:
        """Print what is left, for a second at most."""
        try:
            self._lines.put_nowait(None)
        except queue.Full:
            return
        self._thread.join(1.0)

    def _print(self) -> None:
        while True:
            line = self._lines.get()
            if line is None:
                return
            try:
                sys.stdout.write(printable(one_line(line), sys.stdout.encoding) + "\n")
                sys.stdout.flush()
            except (OSError, ValueError):
                return
