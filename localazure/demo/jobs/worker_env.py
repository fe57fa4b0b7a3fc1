"""Points ``spot-worker`` at the jobs of ``make run``: ``eval "$(make -s worker-env)"``. Called by ``commands.py``."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Final

from localazure.demo.control import NOBODY, ControlError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_FILE: Final = "work.json"


def leave_work(folder: Path, environment: Mapping[str, str]) -> None:
    """Leave behind how the account for jobs is reached; only its user may read it."""
    file = folder / _FILE
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    file.write_text(json.dumps(dict(environment), indent=2) + "\n", encoding="utf-8")


def remove_work(folder: Path) -> None:
    """Take it back when the world ends."""
    (folder / _FILE).unlink(missing_ok=True)


def worker_lines(folder: Path) -> str:
    """Give the lines for a shell, after which ``spot-worker`` needs no option to find its storage.

    Raises:
        ControlError: no world is running.
    """
    try:
        found = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ControlError(NOBODY) from None
    written = [f"export {name}={shlex.quote(value)}" for name, value in found.items()]
    # A proxy is for the way out.
    written += [f'export {name}="127.0.0.1${{{name}:+,${name}}}"' for name in ("NO_PROXY", "no_proxy")]
    return "\n".join(written) + "\n"
