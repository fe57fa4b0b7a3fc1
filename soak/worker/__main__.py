"""``python -m soak.worker``: runs a number of schedules, and writes the results into ``.local/soak-worker.json``."""

from __future__ import annotations

import sys
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Final

from soak.command_line import added_up, asked_for, write_report
from soak.worker.schedule import run_schedule

if TYPE_CHECKING:
    from collections.abc import Sequence

REPORT: Final = Path(__file__).resolve().parents[2] / ".local" / "soak-worker.json"
_CHUNK: Final = 16
_CHUNKS_OF_A_PROCESS: Final = 16
_COUNTED: Final = ("jobs", "results", "poisoned", "attempts", "ends", "notices", "faults")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the soak. Exit code 0 if every promise held, 1 if one was broken."""
    schedules, seed = asked_for("python -m soak.worker", "Random schedules against the worker.", arguments)
    # A process that ran many schedules is slow: what asyncio leaves behind adds up.
    with get_context("forkserver").Pool(maxtasksperchild=_CHUNKS_OF_A_PROCESS) as pool:
        report = added_up(seed, pool.imap(run_schedule, range(seed, seed + schedules), chunksize=_CHUNK), _COUNTED)
    write_report(REPORT, report)
    return 0 if report["broken"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
