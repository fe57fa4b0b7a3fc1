"""The folder ``--state``: its lock keeps a second worker from starting by accident. Jobs work in it."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class StateInUseError(Exception):
    """Another worker runs with this folder."""


class StateFolder:
    """The folder. ``jobs`` has a folder for each slot, ``cache`` the newest checkpoints' files."""

    def __init__(self, folder: Path) -> None:
        """Take it. Raises ``StateInUseError``, or ``OSError`` if it cannot be used."""
        folder = folder.expanduser().resolve()
        if folder.exists() and not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "this is no folder, which --state takes", str(folder))
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.jobs, self.cache = folder / "jobs", folder / "cache"
        self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            message = f"another worker runs with the folder {folder}: end it, or give this one another --state"
            raise StateInUseError(message) from error
        shutil.rmtree(self.jobs, ignore_errors=True)
        self.jobs.mkdir(exist_ok=True)
        self.cache.mkdir(exist_ok=True)


def keep_in_cache(cache: Path, file: Path, sha256: str, most: int) -> None:
    """Keep a copy of a checkpoint's file, and the newest few before it. On a full disk there is none."""
    with suppress(OSError):
        new = cache / f"{sha256}.new"
        shutil.copyfile(file, new)
        new.replace(cache / sha256)
        files = sorted(cache.iterdir(), key=lambda one: one.stat().st_mtime, reverse=True)
        for old in files[most:]:
            old.unlink(missing_ok=True)
