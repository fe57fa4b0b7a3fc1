"""The work package that a process goes by: the real folder that the link led to when the process began.

So code that is imported later, or a file that is read later, is of the same package, though the link has been moved
meanwhile. Processes that it starts go by the same folder. Each holds the folders that it uses, by a lock that ends with
it, so that they are not removed.
"""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING, Final

from spot_vm.system import before, take_away

if TYPE_CHECKING:
    from pathlib import Path

MODULE: Final = "spot_worker_work"

TEXT: Final = '''\
"""Written by install.py: the work package of this process, and of those that it starts."""

import fcntl
import os
import sys

_LINK = {link!r}
_VARIABLE = "SPOT_WORKER_WORK"


def _hold(folder):
    """Keep a folder from being removed as long as this process lives; whether it is there."""
    try:
        fcntl.flock(os.open(folder, os.O_RDONLY | os.O_DIRECTORY), fcntl.LOCK_SH)
    except FileNotFoundError:
        return False
    return os.path.isdir(folder)


def _take():
    """Take the folder of the process that began us, else that of the link."""
    number, _, folder = os.environ.get(_VARIABLE, "").partition(":")
    # Of our own number it is from before an exec: SIGHUP, by which new code takes over.
    if not folder or number == str(os.getpid()) or not _hold(folder):
        folder = os.path.realpath(_LINK)
        while not _hold(folder):
            if not os.path.islink(_LINK):
                return  # there is no work package: modules are beside it
            folder = os.path.realpath(_LINK)
    os.environ[_VARIABLE] = "%d:%s" % (os.getpid(), folder)
    sys.path.append(folder)


_hold(sys.prefix)
_take()
'''


def module(work: Path) -> str:
    """Give the module that a virtual environment imports first."""
    return TEXT.format(link=str(work))


def forget_old(at: Path) -> None:
    """Remove what is beside the folder that a link leads to: but the one before, and what a process still uses."""
    if not at.is_symlink():
        return
    kept = {one.readlink() for one in (at, before(at)) if one.is_symlink()}
    for folder in at.readlink().parent.iterdir():
        if folder not in kept:
            _remove_unless_used(folder)


def _remove_unless_used(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        take_away(folder)
    except BlockingIOError:
        return
    finally:
        os.close(handle)
