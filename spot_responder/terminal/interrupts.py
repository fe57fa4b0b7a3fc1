"""Ctrl-C ends a program in one line, with the exit code that shells expect, even while it is being imported.

Called by ``__main__.py``.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

INTERRUPTED: Final = 130
"""The exit code after Ctrl-C: 128, and the number of the signal."""

_TOLD: Final = "interrupted\n"


def run_until_interrupted(load: Callable[[], Callable[[], int]]) -> int:
    """Run a program and give its exit code. ``load`` imports it, which takes time, and gives its main function."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        # An exception would be raised anywhere in the modules being imported, and some of them swallow it.
        signal.signal(signal.SIGINT, _end)
        run = load()
        signal.signal(signal.SIGINT, signal.default_int_handler)
    else:
        run = load()
    try:
        return run()
    except KeyboardInterrupt:
        sys.stderr.write(_TOLD)
        return INTERRUPTED


def _end(_number: int, _frame: object) -> NoReturn:
    os.write(2, _TOLD.encode())
    os._exit(INTERRUPTED)
