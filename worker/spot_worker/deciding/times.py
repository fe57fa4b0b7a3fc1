"""How points in time are written."""

from __future__ import annotations

from datetime import datetime


def iso(moment: datetime) -> str:
    """Write a moment of UTC as ``2026-03-02T10:00:01.104Z``."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_iso(text: str) -> datetime:
    """Read what ``iso`` wrote. Raises ``ValueError``."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def are_within(one: str, other: str, seconds: float) -> bool:
    """Whether two moments are no further apart than that; not where somebody wrote something else there."""
    try:
        return abs((read_iso(one) - read_iso(other)).total_seconds()) <= seconds
    except (ValueError, TypeError):
        return False


def seconds_between(began: str, ended: str) -> float:
    """Say how long it was between two moments; none if they are in disorder, or somebody wrote something else there."""
    try:
        first, last = read_iso(began), read_iso(ended)
        return max((last - first).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return 0.0
