"""When a job is given up: what fails again and again must not keep the others waiting for ever."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from spot_worker.deciding.record.pointers import Cause, Counters
from spot_worker.deciding.words import counted

LONGEST_DELAY_S: Final = 60


@dataclass(frozen=True)
class Budgets:
    """How often what may happen to one job. Silent claims and evictions count since the last progress only.

    ``unusable``: attempts in a row that find the newest checkpoint gone or damaged.
    """

    failures: int = 5
    silent_in_vain: int = 5
    evictions_in_vain: int = 5
    unusable: int = 5


@dataclass(frozen=True)
class GivenUp:
    """Why a job is not tried again."""

    cause: Cause
    reason: str


def judge(counters: Counters, budgets: Budgets, last: str = "") -> GivenUp | None:
    """Say why the job is not to be tried again; ``None`` if it is. ``last``: what ended it the last time, if known."""
    what = f"{last}; " if last else ""
    if counters.failures >= budgets.failures:
        return GivenUp(Cause.FAILURES, f"{what}the function failed {counted(counters.failures, 'time')}")
    if counters.silent_in_vain >= budgets.silent_in_vain:
        reason = (
            f"{what}{counters.silent_in_vain} claims ended without a word and without a new checkpoint: "
            f"the function's process, or its VM, dies of this job (out of memory?)"
        )
        return GivenUp(Cause.SILENT_CLAIMS, reason)
    if counters.evictions_in_vain >= budgets.evictions_in_vain:
        reason = (
            f"{counters.evictions_in_vain} evictions or restarts of VMs without a new checkpoint: "
            "let the function save more often, or run the job where VMs are not evicted"
        )
        return GivenUp(Cause.EVICTIONS, reason)
    if counters.unusable >= budgets.unusable:
        reason = (
            f"{counters.unusable} attempts in a row found the newest checkpoint gone or damaged: "
            "does something else delete or change the blobs of the container of checkpoints?"
        )
        return GivenUp(Cause.CHECKPOINTS, reason)
    return None


def delay_s(counters: Counters) -> int:
    """Say when a job that has failed, or crashed, so often is tried again: after 1, 2, 4, ... at most 60 seconds."""
    times = max(counters.failures + counters.silent_in_vain, 1)
    return min(LONGEST_DELAY_S, 1 << min(times - 1, 10))
