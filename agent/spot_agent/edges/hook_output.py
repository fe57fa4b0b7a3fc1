"""The file that a hook's output goes to. A file, not a pipe: a hook is to go on saving when the agent is killed."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

MOST_BYTES: Final = 256 * 1024
KEPT_BYTES: Final = 64 * 1024
"""When more than the most is in the file, its end is kept: a hook that never stops writing must not fill the disk."""
_BLOCK: Final = 4096
_PUNCH_HOLE: Final = 0x03
"""``FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE`` of Linux: the blocks are given back, and no byte moves."""
_LAST_LINE_BYTES: Final = 4096


def free_beginning(output: Path) -> None:
    """Give the disk back all but the end, while the hook writes on: no byte that it writes is lost.

    Where the file system cannot do that, the file stays as long as it is until the hook has ended.
    """
    with suppress(OSError, AttributeError):
        length = (output.stat().st_size - KEPT_BYTES) // _BLOCK * _BLOCK
        if length + KEPT_BYTES > MOST_BYTES:
            with output.open("r+b") as stream:
                libc = ctypes.CDLL(None)
                # Where a file's size has 32 bits, only this one takes lengths of 64; a few C libraries do not have it.
                fallocate = getattr(libc, "fallocate64", None) or libc.fallocate
                fallocate(stream.fileno(), _PUNCH_HOLE, ctypes.c_longlong(0), ctypes.c_longlong(length))


def keep_end(output: Path) -> None:
    """Cut a file that grew long down to its end, after the hook has ended."""
    with suppress(OSError):
        if output.stat().st_size > MOST_BYTES:
            with output.open("r+b") as stream:
                stream.seek(-KEPT_BYTES, os.SEEK_END)
                end = stream.read(KEPT_BYTES)
                stream.seek(0)
                stream.write(end)
                stream.truncate()


def last_line(output: Path) -> str:
    """Give the last line that has something in it, cut to what fits into a line of the history."""
    with suppress(OSError), output.open("rb") as stream:
        stream.seek(max(stream.seek(0, os.SEEK_END) - _LAST_LINE_BYTES, 0))
        lines = stream.read().decode("utf-8", "replace").split("\n")
        return next((line.strip()[:200] for line in reversed(lines) if line.strip()), "")
    return ""
