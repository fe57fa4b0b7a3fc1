"""What the workers of the demo did, and when: claims of jobs, and the times in which a VM was away. Pure.

Times are seconds since the demo began. ``work_log.py`` makes it from what workers log; ``picture.py`` draws it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class ClaimEnd(StrEnum):
    """How a worker's claim of a job ended."""

    FINISHED = "finished"
    GIVEN_BACK = "given back"
    """The worker was told in time: it saved the job's checkpoint, and gave the message back."""
    CUT_OFF = "cut off"
    """The VM was gone before the worker could say a word."""
    OPEN = "under way"


@dataclass(frozen=True, slots=True)
class Claim:
    """One attempt at one job. ``saved_s``: when each of its checkpoints was durable; ``told_s``: its order to stop."""

    vm: str
    slot: int
    job: str
    attempt: int
    began_s: float
    ended_s: float
    end: ClaimEnd
    saved_s: tuple[float, ...] = ()
    told_s: float | None = None

    @property
    def lost_from_s(self) -> float:
        """From when on its work was lost, and had to be done again; its end where none was."""
        last_saved_s = max((self.began_s, *self.saved_s))
        # A job that has to stop does nothing more after its next checkpoint: `save` does not come back.
        has_stopped_there = self.told_s is not None and self.told_s <= last_saved_s
        is_kept = self.end in {ClaimEnd.FINISHED, ClaimEnd.OPEN} or has_stopped_there
        return self.ended_s if is_kept else last_saved_s


@dataclass(frozen=True, slots=True)
class Away:
    """An eviction. ``told_s``: when the VM was told of it, if it was; ``until_s``: when the VM ran again, if it did."""

    vm: str
    told_s: float | None
    since_s: float
    until_s: float | None


@dataclass(frozen=True, slots=True)
class Work:
    """The whole: ``names`` are what the jobs are called in the picture, by their ids."""

    vms: tuple[str, ...]
    jobs: int
    names: Mapping[str, str]
    claims: tuple[Claim, ...]
    away: tuple[Away, ...]
    ended_s: float

    @property
    def finished_s(self) -> list[float]:
        """When jobs were finished, each once, in the order of time."""
        first: dict[str, float] = {}
        for claim in sorted(self.claims, key=lambda claim: claim.ended_s):
            if claim.end is ClaimEnd.FINISHED:
                first.setdefault(claim.job, claim.ended_s)
        return sorted(first.values())

    def handovers(self) -> Iterable[tuple[Claim, Claim]]:
        """Give each claim that did not finish its job, with the claim that went on with it."""
        by_job: dict[str, list[Claim]] = {}
        for claim in sorted(self.claims, key=lambda claim: claim.attempt):
            by_job.setdefault(claim.job, []).append(claim)
        return [pair for claims in by_job.values() for pair in pairwise(claims)]
