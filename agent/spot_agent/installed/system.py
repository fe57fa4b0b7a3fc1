"""What installing asks of the system: users, systemd, and files of root's that are whole or not there."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_WITHIN_S: Final = 400.0
"""To stop the watcher takes up to its ``TimeoutStopSec``."""


class InstallError(Exception):
    """It could not be done; one line that says what, and what to do."""


def command(*words: str) -> str:
    """Run a command of the system, and give what it prints. Raises ``InstallError`` with what it says."""
    said = " ".join(words)
    try:
        done = subprocess.run(  # noqa: S603 - words, no shell
            words, stdin=subprocess.DEVNULL, capture_output=True, timeout=_WITHIN_S, check=False
        )
    except OSError as error:
        message = f"{said}: {error.strerror}"
        raise InstallError(message) from error
    except subprocess.TimeoutExpired as error:
        message = f"{said} did not end within {_WITHIN_S:.0f} s"
        raise InstallError(message) from error
    if done.returncode:
        why = done.stderr.decode("utf-8", "replace").strip() or f"exit code {done.returncode}"
        message = f"{said} failed: {' '.join(why.split())}"
        raise InstallError(message)
    return done.stdout.decode("utf-8", "replace").strip()


def is_active(unit: str) -> bool:
    """Whether systemd runs a unit, or is about to."""
    shown = command("systemctl", "show", "--property=ActiveState", "--value", "--", unit)
    return shown in {"active", "activating", "deactivating", "reloading"}


def check_commands(*names: str) -> None:
    """Raise ``InstallError`` if one of the commands is not there."""
    for name in names:
        if shutil.which(name) is None:
            message = f"there is no command {name} here, which is needed"
            raise InstallError(message)


def write_file(file: Path, content: bytes, mode: int) -> None:
    """Put a whole file in place of what was there, on the disk: a power loss leaves the old one or the new one."""
    make_folder(file.parent)
    new = half(file)
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            os.fchmod(stream.fileno(), mode)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        # A full disk does not say where it is, and may have room again for what is smaller.
        remove(new)
        raise OSError(error.errno, error.strerror, str(file)) from error
    new.replace(file)
    _sync_folder(file.parent)


def half(file: Path) -> Path:
    """Give where a file is written before it is put in its place: it stays there if that is killed amid it."""
    return file.with_name(f".{file.name}.new")


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, that only root may write. One that is there stays as it is."""
    missing = [above for above in (folder, *folder.parents) if not above.exists()]
    for above in reversed(missing):
        above.mkdir()
        above.chmod(0o755)


def remove(path: Path) -> bool:
    """Remove a file, or a folder with all that is in it; whether there was one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
        return True
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def remove_empty(folder: Path) -> bool:
    """Remove a folder if nothing is in it; whether it is gone."""
    with suppress(OSError):
        folder.rmdir()
    return not folder.exists()


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
