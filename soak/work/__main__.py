"""``python -m soak.work``: runs a number of schedules, and writes the results into ``.local/soak-work.json``."""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Final

from soak.command_line import added_up, asked_for, write_report
from soak.work.schedule import be_quiet, run_schedule

if TYPE_CHECKING:
    from collections.abc import Sequence

REPORT: Final = Path(__file__).resolve().parents[2] / ".local" / "soak-work.json"
_COUNTED: Final = ("vms", "jobs", "starts", "own_stops", "probes", "faults_injected", "looks")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the soak. Exit code 0 if every promise held, 1 if one was broken."""
    schedules, seed = asked_for("python -m soak.work", "Random schedules against work queues.", arguments)
    with ProcessPoolExecutor(mp_context=get_context("forkserver"), initializer=be_quiet) as workers:
        report = added_up(seed, workers.map(run_schedule, range(seed, seed + schedules), chunksize=16), _COUNTED)
    write_report(REPORT, report)
    return 0 if report["broken"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
