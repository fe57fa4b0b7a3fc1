"""Ctrl-C ends a program in one line, with the exit code that shells expect, even while it is being imported.

Called by ``__main__.py``.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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


@contextmanager
def ended_by_signals(numbers: tuple[signal.Signals, ...] = (signal.SIGTERM, signal.SIGHUP)) -> Iterator[None]:
    """Let these signals, and Ctrl-C, cancel the task that is in here; in the event loop of the main thread.

    Only the first signal counts: a terminal that is closed sends several, and what the task then does to come to its
    end is not to be cut short. Each Ctrl-C after it cancels the task again: ``trial/shielding.py`` says what that ends.
    One that is ignored from the start, as `nohup` does, stays ignored.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    heard = [number for number in (*numbers, signal.SIGINT) if signal.getsignal(number) is not signal.SIG_IGN]
    waiting = [task] if task is not None else []

    def end(number: signal.Signals) -> None:
        if task is not None and (waiting or number is signal.SIGINT):
            waiting.clear()
            task.cancel()

    for number in heard:
        loop.add_signal_handler(number, end, number)
    try:
        yield
    finally:
        for number in heard:
            loop.remove_signal_handler(number)


def _end(_number: int, _frame: object) -> NoReturn:
    os.write(2, _TOLD.encode())
    os._exit(INTERRUPTED)
