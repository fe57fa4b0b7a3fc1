"""Writes to standard output and standard error, which may be closed, full, or of a narrow encoding.

Called by ``cli.py`` and ``arguments.py``.
"""

from __future__ import annotations

import io
import os
import sys
from typing import TextIO

from spot_responder.terminal.results import WRONG


def make_output_bear_anything() -> None:
    """Make sure that no character missing from an encoding, and no closed stream, ends a command."""
    out, err = _streams()
    if isinstance(out, io.TextIOWrapper):
        out.reconfigure(errors="backslashreplace")
    if err is None:
        sys.stderr = io.StringIO()


def is_coloured() -> bool:
    """Whether colours are wanted: on terminals, unless NO_COLOR (no-color.org) is set."""
    out, _ = _streams()
    return out is not None and out.isatty() and "NO_COLOR" not in os.environ


def write_out(text: str, name: str, exit_code: int) -> int:
    """Write an answer to standard output; give the command's exit code, or 1 where it could not be written."""
    out, _ = _streams()
    if out is None:
        complain(f"{name}: there is no standard output to answer on")
        return WRONG
    try:
        out.write(text)
        out.flush()
    except BrokenPipeError:
        # The reader has closed the pipe, as in `… | head`.
        _forget_the_rest(out)
    except OSError as error:
        _forget_the_rest(out)
        complain(f"{name}: the answer could not be written: {error.strerror}")
        return WRONG
    return exit_code


def complain(line: str) -> None:
    """Write a line to standard error."""
    try:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
    except OSError:
        # Standard error fails as well: only the exit code is left.
        _forget_the_rest(sys.stderr)


def _forget_the_rest(out: TextIO) -> None:
    """Discard what was not written: Python would try again at its end, with a long error message."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())


def _streams() -> tuple[TextIO | None, TextIO | None]:
    """Give standard output and error; Python has ``None`` for one that was closed (``>&-``)."""
    return sys.stdout, sys.stderr
