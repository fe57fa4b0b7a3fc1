"""What came of a contest, from the log of the jobs and the contender's results."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.worker.jobs import STEP_S

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    type Line = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """``most_repeated_s``: what one attempt did again at most. ``lasted_s``: from the log's first line to its last."""

    jobs: int
    lost: int
    results_doubled: int
    run_to_the_end_again: int
    interrupted: int
    repeated_s: float
    most_repeated_s: float
    lasted_s: float


def outcome(jobs: Sequence[int], lines: Sequence[Line], results: Sequence[int]) -> Outcome:
    """Judge. ``results`` has a job's number once for each of its results."""
    ends = Counter(line["job"] for line in lines if line["what"] == "ended")
    repeated = _repeated(lines)
    attempts = {line["attempt"] for line in lines}
    ended = {line["attempt"] for line in lines if line["what"] == "ended"}
    return Outcome(
        jobs=len(jobs),
        lost=len(set(jobs) - set(results)),
        results_doubled=len(results) - len(set(results)),
        run_to_the_end_again=ends.total() - len(ends),
        interrupted=len(attempts - ended),
        repeated_s=sum(repeated.values()) * STEP_S,
        most_repeated_s=max(repeated.values(), default=0) * STEP_S,
        lasted_s=round(lines[-1]["at"] - lines[0]["at"], 1),
    )


def _repeated(lines: Sequence[Line]) -> Counter[str]:
    """Count for each attempt the steps that another one had done before."""
    done: set[tuple[int, int]] = set()
    repeated: Counter[str] = Counter()
    for line in lines:
        if line["what"] == "step":
            step = (line["job"], line["step"])
            repeated[line["attempt"]] += step in done
            done.add(step)
    return repeated
