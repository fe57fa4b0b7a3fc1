"""Files that are whole or not there, links that are moved in one step, and commands that are checked."""

from __future__ import annotations

import hashlib
import os
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class InstallError(Exception):
    """What failed, and what to do, in one line."""


def link(at: Path, target: Path) -> None:
    """Let a link lead elsewhere, in one step; where it led before is kept beside it, as ``NAME.before``."""
    if at.is_symlink() and at.readlink() != target:
        _link(before(at), at.readlink())
    _link(at, target)


def before(at: Path) -> Path:
    """Give the link to where ``at`` led before."""
    return at.with_name(f"{at.name}.before")


def _link(at: Path, target: Path) -> None:
    new = at.with_name(f"{at.name}.new")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(at)


def write(path: Path, text: str) -> bool:
    """Write a file, whole or not at all; say whether it was another before."""
    if path.exists() and path.read_text("utf-8") == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    with new.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(path)
    return True


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
    variables = {**os.environ, **(environment or {})}
    done = subprocess.run(words, check=False, env=variables)  # noqa: S603 - our own words
    if check and done.returncode:
        message = f"`{' '.join(words)}` ended with {done.returncode}; it says above why. {advice}"
        raise InstallError(message)
