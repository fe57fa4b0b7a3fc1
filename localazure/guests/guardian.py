"""The power supply of one guest: a process that runs the guest's command, and ends all that came of it.

Run by ``guests.py`` as ``python guardian.py COMMAND …``. Orders come on standard input, one word a line. Its end is
the end of the power, however the laptop Azure ended: then every process of the guest gets SIGKILL, also those in
groups and sessions of their own, before this one ends. Standard library only; Linux only.
"""

from __future__ import annotations

import ctypes
import os
import resource
import selectors
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

SHUT_DOWN: Final = "shut-down"
"""SIGTERM to the guest's process group, as in an orderly shutdown."""
FILL_DISK: Final = "fill-disk"
"""No file of the guest grows any more."""
FREE_DISK: Final = "free-disk"

_DIE_WITH_PARENT: Final = 1
_TAKE_ORPHANS: Final = 36
_COULD_NOT_START: Final = 127


def _set(option: int, value: int) -> None:
    """Set an option of this process that Python has no function for: see ``prctl(2)``."""
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}) failed")


def _before_the_command() -> None:
    """Prepare the guest's first process: it ends with this one, and a full disk is an error, not its death."""
    _set(_DIE_WITH_PARENT, signal.SIGKILL)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def _descendants(ancestor: int) -> list[int]:
    """Give all processes that come of one, by their parents."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            # The name of the program, in brackets, may hold anything.
            fields = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(int(folder.name))
    found, unseen = [], [ancestor]
    while unseen:
        new = children.get(unseen.pop(), [])
        found += new
        unseen += new
    return found


def _cut_power() -> None:
    """End every process of the guest, and reap it. Who forks meanwhile is met in the next round."""
    while True:
        for process in _descendants(os.getpid()):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _limit_files(limit: int) -> None:
    for process in _descendants(os.getpid()):
        # One that ends meanwhile, and one that changed its user, are not ours to limit.
        with suppress(ProcessLookupError, PermissionError):
            _, hard = resource.prlimit(process, resource.RLIMIT_FSIZE)
            resource.prlimit(process, resource.RLIMIT_FSIZE, (limit, hard))


def _obey(order: str, guest: int) -> None:
    if order == SHUT_DOWN:
        with suppress(ProcessLookupError):
            os.killpg(guest, signal.SIGTERM)
    elif order == FILL_DISK:
        _limit_files(0)
    elif order == FREE_DISK:
        _limit_files(resource.RLIM_INFINITY)
    else:
        message = f"there is no order {order!r}"
        raise ValueError(message)


def _reap(guest: int) -> None:
    """Take leave of what has ended, orphans too, and tell where that is the guest's command."""
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0] != 0:
            if ended[0] == guest:
                code = os.waitstatus_to_exitcode(ended[1])
                how = f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
                sys.stdout.write(f"[the guest's command has ended: {how}]\n")
                sys.stdout.flush()


def _watch(guest: int, woken: int) -> None:
    """Obey until the orders end."""
    selector = selectors.DefaultSelector()
    selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
    selector.register(woken, selectors.EVENT_READ)
    unread = b""
    while True:
        for key, _ in selector.select():
            got = os.read(key.fd, 4096)
            if key.fd == woken:
                _reap(guest)
            elif not got:
                return
            else:
                *orders, unread = (unread + got).split(b"\n")
                for order in orders:
                    _obey(order.decode(), guest)


def main(command: Sequence[str]) -> int:
    """Run a command until the power ends. Exit code 127 where it cannot be started."""
    _set(_TAKE_ORPHANS, 1)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    # Who ends this process kindly ends the guest with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        # Not waited for by name: whatever ends is reaped. It is the only thread, so preexec_fn is safe. It is held
        # until the end: a Popen that nobody holds reaps its process itself, and that it has ended would not be told.
        process = subprocess.Popen(  # noqa: S603 - it is what this program is for
            command,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_before_the_command,  # noqa: PLW1509 - see above
        )
    except OSError as error:
        sys.stdout.write(f"[the guest's command cannot be started: {error}]\n")
        return _COULD_NOT_START
    try:
        _watch(process.pid, woken)
    finally:
        _cut_power()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
