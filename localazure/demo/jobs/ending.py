"""How it ended for the jobs of the demo: what the results table has, and what it took. Pure. Called by ``demo.py``."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from localazure.demo.jobs.work import ClaimEnd

if TYPE_CHECKING:
    from localazure.demo.jobs.work import Work


@dataclass(frozen=True, slots=True)
class Done:
    """A row of the results table. ``is_right``: the chain of hashes has each of its links once."""

    job: str
    number: int
    is_right: bool
    attempts: int


@dataclass(frozen=True, slots=True)
class JobsEnding:
    """The rows of the results table, and what the workers did for them."""

    work: Work
    done: tuple[Done, ...]

    @property
    def is_as_expected(self) -> bool:
        """Whether each job has one result, the right one."""
        numbers = sorted(one.number for one in self.done)
        return numbers == list(range(1, self.work.jobs + 1)) and all(one.is_right for one in self.done)

    @property
    def repeated_s(self) -> float:
        """How many seconds of work were lost in evictions, and done again."""
        return round(sum(claim.ended_s - claim.lost_from_s for claim in self.work.claims), 1)

    def totals(self) -> dict[str, float]:
        """Give the figures of ``demo.json``."""
        return {"jobs": self.work.jobs, "results": len(self.done), "repeated_s": self.repeated_s}

    def words(self) -> str:
        """Say the same for the last line of the demo."""
        return f"jobs {self.work.jobs}, results {len(self.done)}, repeated {self.repeated_s} s"

    def summary(self) -> str:
        """Make the table of the jobs: for each VM, how what it had claimed ended."""
        heads = (ClaimEnd.FINISHED, "gone on with", ClaimEnd.GIVEN_BACK, ClaimEnd.CUT_OFF, "done again")
        lines = [f"{'jobs':<14}" + "".join(f"{head:>14}" for head in heads)]
        for vm in self.work.vms:
            claims = [claim for claim in self.work.claims if claim.vm == vm]
            ends = Counter(claim.end for claim in claims)
            again = sum(claim.attempt > 1 for claim in claims)
            repeated = sum(claim.ended_s - claim.lost_from_s for claim in claims)
            counts = (ends[ClaimEnd.FINISHED], again, ends[ClaimEnd.GIVEN_BACK], ends[ClaimEnd.CUT_OFF])
            lines.append(f"{vm:<14}" + "".join(f"{count:>14}" for count in (*counts, f"{repeated:.1f} s")))
        right = sum(one.is_right for one in self.done)
        lines.append(f"{self.work.jobs} jobs, {len(self.done)} rows in the results table, {right} of them right")
        return "\n".join(lines) + "\n"

    def headline(self) -> str:
        """Say it over the picture."""
        work = self.work
        evictions = len(work.away)
        return f"{work.jobs} jobs on {len(work.vms)} Spot VMs, {evictions} evictions: {len(self.done)} results"

    def below(self) -> str:
        """Say below that what it took."""
        again = len({claim.job for claim in self.work.claims if claim.attempt > 1})
        return (
            f"{again} jobs were interrupted, and finished by a later attempt; {self.repeated_s} s of work were redone."
        )
