"""The entry of the operator's commands: ``.venv/bin/spot-responder``, or ``python -m spot_responder``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from spot_responder.terminal.interrupts import run_until_interrupted

if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> int:
    """Run one command and return the process's exit code."""
    return run_until_interrupted(_load)


def _load() -> Callable[[], int]:
    from spot_responder.cli import main as run  # noqa: PLC0415 - Ctrl-C has to work while it is imported

    return run


if __name__ == "__main__":
    sys.exit(main())
