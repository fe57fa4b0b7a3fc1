"""The first process of a VM in which several programs run: it does for them what systemd does in a real one.

Run as ``python programs.py PROGRAM …``: each argument is a program with its arguments, a JSON list. What ends is
started again after a second. At SIGTERM each program is told to end, once, and this one ends with the last. Used by
``guest.py``. Standard library only.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_PAUSE_S: Final = 1.0
_WORDS: Final = 4
"""How much of a command line is enough to know it by."""


class Programs:
    """The programs that run, by the ids of their processes."""

    def __init__(self) -> None:
        """Begin with none."""
        self._running: dict[int, list[str]] = {}
        self._told_to_end = False

    def run(self, programs: Sequence[list[str]]) -> None:
        """Keep these running until all were told to end, and have."""
        signal.signal(signal.SIGTERM, self._tell_to_end)
        for program in programs:
            self._start(program)
        while self._running:
            process, status = os.wait()
            program = self._running.pop(process)
            if not self._told_to_end:
                code = os.waitstatus_to_exitcode(status)
                words = " ".join((Path(program[0]).name, *program[1:_WORDS]))
                sys.stdout.write(f"[{words} … has ended with {code}: it is started again]\n")
                sys.stdout.flush()
                time.sleep(_PAUSE_S)
                self._start(program)

    def _start(self, program: list[str]) -> None:
        """Start one, in a session of its own: a signal to this one's group is for this one, who passes it on."""
        # A signal that comes before the new process is known here would not reach it.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        if not self._told_to_end:
            process = os.posix_spawnp(
                program[0], program, os.environ, setsid=True, setsigmask=(), setsigdef=(signal.SIGPIPE,)
            )
            self._running[process] = program
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    def _tell_to_end(self, *_: object) -> None:
        self._told_to_end = True
        for process in self._running:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGTERM)


if __name__ == "__main__":
    Programs().run([json.loads(program) for program in sys.argv[1:]])
