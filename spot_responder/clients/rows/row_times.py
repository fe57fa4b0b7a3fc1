"""Times as rows of tables keep them: ISO 8601, in UTC where nothing else is said. Called by all that read rows."""

from __future__ import annotations

from datetime import UTC, datetime


def written(time: datetime | None) -> str:
    """Write a time; none as ``""``."""
    return time.isoformat() if time else ""


def read_time(text: str) -> datetime:
    """Read a time. Raises ``ValueError``."""
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def time_or_none(text: str) -> datetime | None:
    """Read a time; ``""`` is none."""
    return read_time(text) if text else None
