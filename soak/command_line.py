"""What a soak takes from its command line, how its findings add up, and where its report goes.

Called by the soaks of the responder, the agent and the worker, by their kills and by the fuzz.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

_LARGEST_SEED: Final = 2**31
_SHOWN: Final = 60
"""So many lines of what was broken, or a few more: all are counted."""


class Findings(Protocol):
    """What one schedule came to, besides the counts that a report names. ``broken``: a line for each broken promise."""

    @property
    def seed(self) -> int:
        """The seed that shows it again."""

    @property
    def broken(self) -> Sequence[str]:
        """What did not hold."""


def asked_for(prog: str, description: str, arguments: Sequence[str] | None) -> tuple[int, int]:
    """Give how many schedules are to be run, and the seed of the first, which is told; exit code 2 for what is none."""
    parser = argparse.ArgumentParser(prog=prog, description=description)
    parser.add_argument("--schedules", type=_some, default=2000, help="how many (2000)")
    parser.add_argument("--seed", type=_count, default=None, help="of the first; each next one is one more")
    given = parser.parse_args(arguments)
    seed = seed_or_any(given.seed)
    sys.stdout.write(f"{given.schedules} schedules from seed {seed}\n")
    return given.schedules, seed


def seed_or_any(given: int | None) -> int:
    """Give the seed that was asked for, or draw one."""
    return given if given is not None else secrets.randbelow(_LARGEST_SEED)


def say(line: str) -> None:
    """Print a line at once, for who waits for minutes."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def added_up(
    seed: int, all_findings: Iterable[Findings], counted: Sequence[str], largest: Collection[str] = ()
) -> dict[str, int]:
    """Add up what the schedules came to, and show the first of what was broken, each with its seed.

    ``counted``: the fields of the findings that the report has; of those in ``largest`` the largest, not the sum.
    """
    report = dict.fromkeys(("schedules", *counted, "broken"), 0)
    for found in all_findings:
        report["schedules"] += 1
        for name in counted:
            value = getattr(found, name)
            report[name] = max(report[name], value) if name in largest else report[name] + value
        for line in found.broken if report["broken"] < _SHOWN else ():
            sys.stdout.write(f"seed {found.seed}: {line}\n")
        report["broken"] += len(found.broken)
    return report | {"seed": seed}


def write_report(place: Path, report: Mapping[str, object]) -> None:
    """Print the report, and put it in its place whole: two soaks at once leave one of theirs, not half of each."""
    place.parent.mkdir(exist_ok=True)
    with NamedTemporaryFile("w", dir=place.parent, delete=False) as file:
        file.write(json.dumps(report, indent=2) + "\n")
    Path(file.name).replace(place)
    sys.stdout.write(json.dumps(report) + "\n")


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
