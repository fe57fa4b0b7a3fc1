"""Judges what killed workers left behind: the promises, as the rows, the pointers and the functions themselves say."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from soak.worker.kills.killing_proxy import Written


@dataclass(frozen=True, slots=True)
class Findings:
    """What a run came to. ``broken`` has a line for each promise that did not hold."""

    jobs: int
    results: int
    poisoned: int
    ends: Counter[str]
    attempts: int
    broken: tuple[str, ...]

    def report(self) -> dict[str, object]:
        """Make the content of ``kills-worker.json``."""
        return {
            "jobs": self.jobs,
            "results": self.results,
            "poisoned": self.poisoned,
            "ends": self.ends.total(),
            "ends_at": dict(sorted(self.ends.items())),
            "attempts": self.attempts,
            "broken": len(self.broken),
        }


def judge(  # noqa: PLR0913, PLR0917 - all that can be seen from outside
    submitted: Mapping[str, bool],
    rows: Sequence[Mapping[str, Any]],
    poison: Sequence[Mapping[str, Any]],
    lines: Sequence[Mapping[str, Any]],
    written: Sequence[Written],
    ends: Counter[str],
    orphans: Sequence[str],
) -> Findings:
    """Say what was found. ``submitted``: the jobs, and whether each has a next step; ``lines``: of the functions."""
    broken = [
        *orphans,
        *_lost(submitted, rows, poison),
        *_published_by_an_older_one(written),
        *_not_gone_on_with(lines),
        *_run_after_the_result(lines, written),
    ]
    return Findings(
        jobs=len(submitted) + sum(submitted.values()),
        results=len(rows),
        poisoned=len(poison),
        ends=ends,
        attempts=len({(line["job"], line["attempt"]) for line in lines}),
        broken=tuple(broken),
    )


def _lost(
    submitted: Mapping[str, bool], rows: Sequence[Mapping[str, Any]], poison: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    """Find jobs, submitted by us or by a job, with no end or with two."""
    ends = Counter([*(row["job_id"] for row in rows), *(one["id"] for one in poison)])
    for job_id, has_next in submitted.items():
        if ends[job_id] != 1:
            yield f"lost: {job_id} has {ends[job_id]} ends"
        poisoned = {one["id"] for one in poison}
        nexts = sum(1 for row in rows if (row["result"] or {}).get("of") == job_id)
        if job_id not in poisoned and nexts != has_next:
            yield f"lost: {job_id} has {nexts} next steps with a result instead of {int(has_next)}"
    if len(rows) + len(poison) != len(submitted) + sum(submitted.values()):
        yield f"lost: {len(rows)} results and {len(poison)} in poison"


def _published_by_an_older_one(written: Sequence[Written]) -> Iterator[str]:
    """Find pointers that went back to an older attempt, and outcomes that were changed."""
    attempts: dict[str, int] = {}
    outcomes: dict[str, str] = {}
    for one in written:
        attempt = one.pointer["attempt"]
        if attempt < attempts.get(one.job_id, 0):
            yield f"fenced: {one.worker} wrote attempt {attempt} of {one.job_id} after {attempts[one.job_id]}"
        attempts[one.job_id] = attempt
        outcome = json.dumps(one.pointer.get("outcome"), sort_keys=True)
        if outcomes.get(one.job_id, outcome) != outcome:
            yield f"fenced: {one.worker} changed the outcome of {one.job_id} to {outcome}"
        if one.pointer.get("outcome"):
            outcomes[one.job_id] = outcome


def _not_gone_on_with(lines: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Find attempts that began before what an older attempt's ``save`` had returned for."""
    saved: dict[tuple[str, int], int] = {}
    for line in lines:
        if line["what"] == "saved":
            key = line["job"], line["attempt"]
            saved[key] = max(saved.get(key, 0), line["steps"])
    for line in lines:
        if line["what"] == "begins":
            older = [n for (job, attempt), n in saved.items() if job == line["job"] and attempt < line["attempt"]]
            if line["steps"] < max(older, default=0):
                yield f"repeated: attempt {line['attempt']} of {line['job']} began at {line['steps']}, not {max(older)}"


def _run_after_the_result(lines: Sequence[Mapping[str, Any]], written: Sequence[Written]) -> Iterator[str]:
    """Find attempts that ran though an older one had the result."""
    won = {one.job_id: one.pointer["attempt"] for one in written if one.pointer.get("outcome")}
    for line in lines:
        if line["what"] == "begins" and line["attempt"] > won.get(line["job"], line["attempt"]):
            yield f"fenced: attempt {line['attempt']} of {line['job']} ran after the result of {won[line['job']]}"
