"""Values for tests of decisions."""

from __future__ import annotations

from spot_worker.deciding.record.pointers import Claim, Kind, Pointer, Saved

QUEUE = "frames"
JOB = "job-1"


def claim(number: int = 1) -> Claim:
    """Give the claim of some VM."""
    at = f"2026-03-02T10:00:{number:02}.000Z"
    return Claim(f"claim-{number}", f"vm-{number}", 0, "boot-1", f"message-{number}", at)


def pointer() -> Pointer:
    """Give the record of a job that was claimed once."""
    return Pointer(QUEUE, JOB, 1, claim())


def saved(number: int) -> Saved:
    """Give a checkpoint that differs from all others."""
    return Saved(f"{QUEUE}/{JOB}/attempt-1-{number}", f"{number:064}", 10, Kind.STATE, 1, "2026-03-02T10:00:00.000Z")
