"""Ends all that a function's process has started, whatever groups and sessions it made, and whoever is gone of it.

No right is needed for that, and no part in how the function waits for its children. A process belongs to it if it has
our mark in its environment, which is inherited; or is of its session; or is the child of one that belongs to it.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Final

MARK: Final = "SPOT_WORKER_PROCESS"
"""The variable that marks a function's process: its value is no other's."""
_PROC: Final = Path("/proc")
_PARENT, _SESSION = 1, 3
"""Where they stand in ``/proc/PID/stat`` after the name (proc(5)), counted from the state."""


def kill_all(session: int, mark: str) -> None:
    """Kill what belongs to the process that leads this session, and itself, but not who calls this."""
    if not _PROC.is_dir():  # no Linux: then this is what can be done
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(session, signal.SIGKILL)
        return
    killed = {os.getpid()}
    # Once a process is to be killed it can start no other. So who is found newly was started before that.
    while found := _belonging(session, mark) - killed:
        for pid in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        killed |= found


def _belonging(session: int, mark: str) -> set[int]:
    entry = f"{MARK}={mark}".encode()
    parents: dict[int, int] = {}
    found = set()
    for pid in (int(one.name) for one in _PROC.iterdir() if one.name.isdecimal()):
        try:
            stat = (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            continue  # it has ended
        parents[pid] = int(stat[_PARENT])
        if int(stat[_SESSION]) == session or entry in _environment(pid):
            found.add(pid)
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def _environment(pid: int) -> list[bytes]:
    try:
        return (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return []  # it has ended, or is another user's
