"""Files that are whole or not there, links that are moved in one step, checked commands, one installer at a time."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


class InstallError(Exception):
    """What failed, and what to do, in one line."""


def told(error: OSError) -> str:
    """Say what the system refused, where, and what to do."""
    if isinstance(error, shutil.Error) and error.args and isinstance(error.args[0], list):
        # Of copying a folder: a list of all that failed. The first says enough.
        source, _, why = error.args[0][0]
        return f"{source} cannot be copied: {why}. Then call this again"
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}. Mend that, then call this again"


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Wait until no other installer is at work here.

    Commands that we begin hold the lock too: one that outlives us, as pip does when we are killed, still writes. So it
    ends with the last of them, however they end.
    """
    handle = _lock(lock)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(handle)


def _lock(lock: Path) -> int:
    lock.parent.mkdir(parents=True, exist_ok=True)
    while True:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.stderr.write(f"install.py: another one is at work, which holds {lock}: waiting until it has ended\n")
            fcntl.flock(handle, fcntl.LOCK_EX)
        # Who had it before took the file away: then a third one may hold another file of that name.
        if lock.exists() and os.path.samestat(os.fstat(handle), lock.stat()):
            os.set_inheritable(handle, True)  # noqa: FBT003 - as it is called
            return handle
        os.close(handle)


def link(at: Path, target: Path) -> None:
    """Let a link lead elsewhere, in one step; where it led before is kept beside it, as ``NAME.before``."""
    if at.is_symlink() and at.readlink() != target:
        _link(before(at), at.readlink())
    _link(at, target)


def before(at: Path) -> Path:
    """Give the link to where ``at`` led before."""
    return at.with_name(f"{at.name}.before")


def _link(at: Path, target: Path) -> None:
    new = half(at)
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(at)


def half(path: Path) -> Path:
    """Give where something is made before it is put in its place."""
    return path.with_name(f"{path.name}.new")


def take_away(folder: Path) -> None:
    """Remove a folder that by its name is known to be whole: so that is taken from it first."""
    gone = folder if folder.suffix == ".new" else half(folder)
    if gone != folder and gone.exists():
        shutil.rmtree(gone)
    shutil.rmtree(folder.rename(gone))


def write(path: Path, text: str) -> None:
    """Write a file, whole or not at all."""
    content, new = text.encode(), half(path)
    if path.exists() and path.read_bytes() == content:
        new.unlink(missing_ok=True)  # of one that was killed
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with new.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(path)
    except OSError as error:
        # A full disk does not say where it is, and may have room again for what is smaller.
        new.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error


def digest(*contents: bytes) -> str:
    """Name contents."""
    found = hashlib.sha256()
    for content in contents:
        found.update(hashlib.sha256(content).digest())
    return found.hexdigest()[:16]


def call(
    *words: str, check: bool = True, advice: str = "Then call this again", environment: Mapping[str, str] | None = None
) -> None:
    """Call a command. Raises ``InstallError`` if it fails, unless that is not to be checked."""
    said = f"`{' '.join(words)}`"
    try:
        # Without closing what is inheritable, which is the lock alone.
        done = subprocess.run(words, check=False, env=environment, stdin=subprocess.DEVNULL, close_fds=False)  # noqa: S603 - our own words
    except OSError as error:
        message = f"{said} cannot be begun: {error.strerror}. {advice}"
        raise InstallError(message) from error
    if check and done.returncode:
        message = f"{said} ended with {done.returncode}; it says above why. {advice}"
        raise InstallError(message)
