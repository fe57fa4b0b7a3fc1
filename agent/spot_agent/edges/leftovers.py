"""Hooks that outlived an agent which was killed: ended before they are run again, lest two of a kind run at once.

``hooks.py`` notes each hook that runs in ``running/``. A process is known by its id and when it began: an id alone may
belong to another one by now.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

_OBEYS_WITHIN_S: Final = 1.0
_LOOK_EVERY_S: Final = 0.02
_BEGAN: Final = 19
"""Where the time of its begin stands among the fields of /proc/PID/stat that follow its name."""


def note(folder: Path, pid: int) -> None:
    """Note that a process group runs. It is of use only where the disk can be written."""
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (folder / str(pid)).write_text(_began(pid), "ascii")


def forget(folder: Path, pid: int) -> None:
    """Note that it has ended; what it left running is meant to run."""
    with suppress(OSError):
        (folder / str(pid)).unlink()


def end_leftovers(folder: Path) -> int:
    """End what an earlier agent left behind: SIGTERM, then SIGKILL. Give how many there were."""
    notes = sorted(file for file in folder.glob("[0-9]*") if file.name.isdecimal())
    left = [int(file.name) for file in notes if _is_same(file)]
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, number)
        deadline = time.monotonic() + _OBEYS_WITHIN_S
        while any(map(_is_alive, left)) and time.monotonic() < deadline:
            time.sleep(_LOOK_EVERY_S)
    for file in notes:
        with suppress(OSError):
            file.unlink()
    return len(left)


def _is_same(file: Path) -> bool:
    try:
        began = file.read_text("ascii")
    except (OSError, ValueError):
        return False
    return bool(began) and began == _began(int(file.name))


def _is_alive(pid: int) -> bool:
    return _began(pid) != ""


def _began(pid: int) -> str:
    """Say when a process began, in the kernel's ticks; empty if there is none, or only a dead one."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[_BEGAN]
