"""What the end of a claim, and a checkpoint, make of a job's record."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from spot_worker.deciding.record.pointers import Counters, Ending
from spot_worker.deciding.times import seconds_between

if TYPE_CHECKING:
    from spot_worker.deciding.record.pointers import Pointer, Saved

KEPT_CHECKPOINTS: Final = 3


@dataclass(frozen=True)
class Spent:
    """How long a claim worked, and how much of that the next one has to do again."""

    worked_s: float
    repeated_s: float = 0.0


def after_silence(pointer: Pointer) -> Pointer:
    """Count a claim that was never heard of again. It worked until its last checkpoint, if not longer."""
    saved = [one.at for one in pointer.checkpoints if one.attempt == pointer.attempt]
    return end(pointer, Ending.SILENT, Spent(seconds_between(pointer.claim.at, saved[-1]) if saved else 0.0))


def end(pointer: Pointer, ending: Ending, spent: Spent) -> Pointer:
    """Write down how a claim ended. What was our own doing (``STOPPED``, ``STORAGE``) uses up no budget."""
    was, is_silent, is_evicted = pointer.counters, ending is Ending.SILENT, ending is Ending.EVICTED
    has_progressed = pointer.claim.has_progressed
    counters = Counters(
        failures=was.failures + (ending is Ending.FAILED),
        evictions=was.evictions + is_evicted,
        evictions_in_vain=_in_vain(was.evictions_in_vain, counts=is_evicted, has_progressed=has_progressed),
        silent_claims=was.silent_claims + is_silent,
        silent_in_vain=_in_vain(was.silent_in_vain, counts=is_silent, has_progressed=has_progressed),
        unusable=was.unusable,
        seconds_worked=round(was.seconds_worked + spent.worked_s, 3),
        seconds_repeated=round(was.seconds_repeated + spent.repeated_s, 3),
    )
    return replace(pointer, claim=replace(pointer.claim, ended=ending), counters=counters)


def _in_vain(before: int, *, counts: bool, has_progressed: bool) -> int:
    if has_progressed:
        return 0
    return before + counts


def with_checkpoint(pointer: Pointer, saved: Saved) -> Pointer:
    """Add a checkpoint, and forget the oldest beyond those kept. The same once more is no progress."""
    is_new = all(one.sha256 != saved.sha256 for one in pointer.checkpoints)
    others = tuple(one for one in pointer.checkpoints if one.name != saved.name)
    return replace(
        pointer,
        checkpoints=(*others, saved)[-KEPT_CHECKPOINTS:],
        claim=replace(pointer.claim, has_progressed=pointer.claim.has_progressed or is_new),
    )


def with_newest_loaded(pointer: Pointer, *, is_usable: bool) -> Pointer:
    """Count whether the newest checkpoint could be used. What destroys each one lets a job begin anew for ever."""
    unusable = 0 if is_usable else pointer.counters.unusable + 1
    return replace(pointer, counters=replace(pointer.counters, unusable=unusable))


def no_longer_named(before: Pointer, after: Pointer) -> tuple[str, ...]:
    """Give the blobs of checkpoints that the record named before and names no longer: they may be deleted."""
    named = set(blobs_of(after))
    return tuple(name for name in blobs_of(before) if name not in named)


def blobs_of(pointer: Pointer) -> tuple[str, ...]:
    """Give the blobs of the checkpoints, and of what was listed up to them."""
    return tuple(name for one in pointer.checkpoints for name in (one.name, one.lists) if name)


def requeued(pointer: Pointer) -> Pointer:
    """Let a job that was given up be tried again: with whole budgets, its checkpoints, and its count of attempts."""
    kept = replace(pointer.counters, failures=0, evictions_in_vain=0, silent_in_vain=0, unusable=0)
    ended = pointer.claim.ended or Ending.STOPPED
    return replace(pointer, counters=kept, claim=replace(pointer.claim, ended=ended), outcome=None)
