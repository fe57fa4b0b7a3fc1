"""``python -m soak``: runs a number of schedules, and writes the results into ``.local/soak.json``."""

from __future__ import annotations

import argparse
import json
import secrets
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Final

from soak.schedule import be_quiet, run_schedule

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from soak.promises import Findings

REPORT: Final = Path(__file__).resolve().parents[1] / ".local" / "soak.json"
_SHOWN: Final = 60
_LARGEST_SEED: Final = 2**31


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the soak. Exit code 0 if every promise held, 1 if one was broken."""
    parser = argparse.ArgumentParser(prog="python -m soak", description="Random schedules against the promises.")
    parser.add_argument("--schedules", type=_some, default=2000, help="how many (2000)")
    parser.add_argument("--seed", type=_count, default=None, help="of the first; each next one is one more")
    given = parser.parse_args(arguments)
    seed = given.seed if given.seed is not None else secrets.randbelow(_LARGEST_SEED)
    sys.stdout.write(f"{given.schedules} schedules from seed {seed}\n")
    with ProcessPoolExecutor(mp_context=get_context("forkserver"), initializer=be_quiet) as workers:
        report = _report(seed, workers.map(run_schedule, range(seed, seed + given.schedules), chunksize=16))
    _write(report)
    sys.stdout.write(json.dumps(report) + "\n")
    return 0 if report["broken"] == 0 else 1


def _report(seed: int, all_findings: Iterable[Findings]) -> dict[str, int]:
    """Add up, and show the first of what was broken, each with the seed that shows it again."""
    report = dict.fromkeys(
        (
            "schedules",
            "vms",
            "looks",
            "faults_injected",
            "unsafe_starts",
            "lost_vms",
            "max_starts_per_vm_hour",
            "unclosed",
            "broken",
        ),
        0,
    )
    for found in all_findings:
        report["schedules"] += 1
        report["vms"] += found.vms
        report["looks"] += found.looks
        report["faults_injected"] += found.faults
        report["unsafe_starts"] += found.unsafe_starts
        report["lost_vms"] += found.lost_vms
        report["unclosed"] += found.unclosed
        report["max_starts_per_vm_hour"] = max(report["max_starts_per_vm_hour"], found.max_starts_per_vm_hour)
        report["broken"] += len(found.broken)
        for line in found.broken if report["broken"] - len(found.broken) < _SHOWN else ():
            sys.stdout.write(f"seed {found.seed}: {line}\n")
    return report | {"seed": seed}


def _write(report: dict[str, int]) -> None:
    """Put the report in its place whole: two soaks at once leave one of their reports, not half of each."""
    REPORT.parent.mkdir(exist_ok=True)
    with NamedTemporaryFile("w", dir=REPORT.parent, delete=False) as file:
        file.write(json.dumps(report, indent=2) + "\n")
    Path(file.name).replace(REPORT)


def _count(text: str) -> int:
    if not text.isdecimal():
        message = f"{text!r} is not a whole number"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def _some(text: str) -> int:
    if _count(text) == 0:
        message = "of no schedules nothing can be said: give at least 1"
        raise argparse.ArgumentTypeError(message)
    return _count(text)


if __name__ == "__main__":
    sys.exit(main())
