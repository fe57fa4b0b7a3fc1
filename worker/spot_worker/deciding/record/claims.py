"""What a claim makes of a job's record. Each claim is counted here, before any work, and the budgets are judged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Union

from spot_worker.deciding.record.budgets import judge
from spot_worker.deciding.record.endings import after_silence
from spot_worker.deciding.record.pointers import Cause, Claim, Pointer, Poison
from spot_worker.deciding.times import are_within, seconds_between

if TYPE_CHECKING:
    from collections.abc import Iterable

    from spot_worker.deciding.record.budgets import Budgets


@dataclass(frozen=True)
class Run:
    """Write this record, then run the function."""

    pointer: Pointer


@dataclass(frozen=True)
class GiveUp:
    """Write this record, which says that the job is poison, then do what belongs to that."""

    pointer: Pointer


@dataclass(frozen=True)
class Over:
    """The job has an outcome: do again what may be missing of what follows from it, without running the function."""

    pointer: Pointer


Claimed = Union[Run, GiveUp, Over]


def first(queue: str, job_id: str, claim: Claim, put_at: str = "") -> Run:
    """Claim a job that has no record yet. ``put_at``: when its message was put on the queue, or ""."""
    waited_s = seconds_between(put_at, claim.at) if put_at else None
    return Run(Pointer(queue, job_id, attempt=1, claim=claim, seconds_waited=waited_s))


def again(found: Pointer, claim: Claim, budgets: Budgets) -> Claimed:
    """Claim a job that was claimed before."""
    if found.outcome:
        return Over(found)
    known = after_silence(found) if found.claim.ended is None else found
    claimed = replace(known, attempt=known.attempt + 1, claim=claim)
    given_up = judge(claimed.counters, budgets)
    if given_up:
        return GiveUp(claimed.with_outcome(Poison(given_up.cause, given_up.reason, claimed.attempt, claim.at)))
    return Run(claimed)


def is_free(found: Pointer, claim: Claim) -> bool:
    """Whether the record alone shows that nobody with another message works on the job."""
    return bool(found.outcome or found.claim.ended or found.claim.message_id == claim.message_id)


def is_alive(found: Pointer, claim: Claim, lease_s: int, renewed: Iterable[str]) -> bool:
    """Whether somebody with another message works on the job, as far as ``claim``, which would fence it off, can know.

    ``renewed``: when workers that have the job last renewed their leases. The message of a claim comes back when its
    lease has ended, to whom it is: what came with that very message knows that its predecessor has it no more.
    """
    if is_free(found, claim):
        return False
    return is_heard_of(found, claim.at, lease_s, renewed)


def is_heard_of(found: Pointer, now: str, lease_s: int, renewed: Iterable[str]) -> bool:
    """Whether who claimed the job last has claimed, saved or renewed within the lease."""
    saved = [one.at for one in found.checkpoints if one.attempt == found.attempt]
    return any(are_within(at, now, lease_s) for at in (found.claim.at, *saved, *renewed))


def unreadable(queue: str, job_id: str, claim: Claim, why: str, copy: str) -> GiveUp:
    """Give up a job whose record cannot be read: which attempts and checkpoints there were is not known."""
    reason = f"the job's record (pointer.json) cannot be read: {why}. A copy is in {copy}; requeue begins from nothing"
    pointer = Pointer(queue, job_id, attempt=1, claim=claim)
    return GiveUp(pointer.with_outcome(Poison(Cause.UNREADABLE, reason, 1, claim.at)))
