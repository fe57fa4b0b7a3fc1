"""The one file that is installed: ours, begun by the Python that runs us, with bytecode for it."""

from __future__ import annotations

import compileall
import io
import py_compile
import sys
import tempfile
import zipfile
from pathlib import Path

import spot_agent
from spot_agent.edges.hooks import refusal_anywhere
from spot_agent.installed.system import InstallError


def interpreter() -> str:
    """Give the Python that runs us. Raises ``InstallError`` if others than root can put something else in its place."""
    if refused := refusal_anywhere(Path(sys.executable)):
        message = f"root would run {sys.executable} ({refused}): use the system's Python, 3.9 or newer"
        raise InstallError(message)
    return sys.executable


def program(target: Path, python: str) -> bytes:
    """Give the content of ``target``. Raises ``InstallError`` if we do not run from one file.

    A helper begins within a notice, so it must not compile first. Another version of Python takes the sources.
    """
    archive = getattr(spot_agent.__loader__, "archive", None)
    if archive is None:
        message = "only spot-agent.pyz installs itself: `make agent` builds it; then python3 spot-agent.pyz install"
        raise InstallError(message)
    packed = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        with zipfile.ZipFile(archive) as ours:
            sources = [name for name in ours.namelist() if name.endswith(".py")]
            ours.extractall(folder, sources)
        compileall.compile_dir(
            folder,
            quiet=2,
            legacy=True,  # beside the sources, where zipimport looks
            stripdir=folder,
            prependdir=str(target),
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
        for file in sorted(Path(folder).rglob("*.py*")):
            new.write(file, file.relative_to(folder))
    return f"#!{python}\n".encode() + packed.getvalue()
