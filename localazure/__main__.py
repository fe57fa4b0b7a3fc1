"""The entry of ``python -m localazure``: ``demo``, ``run``, and commands for a running world."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from spot_responder.terminal.interrupts import run_until_interrupted

if TYPE_CHECKING:
    from collections.abc import Callable


def _load() -> Callable[[], int]:
    from localazure.demo.commands import main  # noqa: PLC0415 - Ctrl-C is to be heard while it is imported

    return main


if __name__ == "__main__":
    sys.exit(run_until_interrupted(_load))
