"""What a function prints goes where the worker's log goes, which is read line by line: so it goes there in whole lines.

Only what Python prints is meant. What a program writes that the function starts is not seen here.
"""

from __future__ import annotations

import io
import sys
from contextlib import suppress


class WholeLines(io.TextIOWrapper):
    """A stream that passes a line on when that ends, whoever asks for it earlier."""

    _is_open = False

    def write(self, text: str) -> int:
        """Write; what stands before the last end of a line is passed on at once."""
        lines, end, rest = text.rpartition("\n")
        super().write(lines + end)
        super().write(rest)
        self._is_open = bool(rest) or (self._is_open and not end)
        return len(text)

    def flush(self) -> None:
        """Pass on what there is, unless a line is open."""
        if not self._is_open:
            super().flush()

    def end_line(self) -> None:
        """Let nothing be left of the line that is open."""
        with suppress(OSError, ValueError):  # it may be closed
            if self._is_open:
                self.write("\n")


def print_whole_lines() -> list[WholeLines]:
    """Let it be so for what is printed from here on; give the streams. On a terminal, people see each sign at once."""
    streams = []
    for name in ("stdout", "stderr"):
        before = getattr(sys, name)
        if isinstance(before, io.TextIOWrapper) and not before.isatty():
            stream = WholeLines(before.buffer, before.encoding, before.errors, line_buffering=True)
            setattr(sys, name, stream)
            streams.append(stream)
    return streams
