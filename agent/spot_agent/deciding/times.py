"""Points in time and how they are written: ISO 8601 everywhere, and RFC 1123 in scheduled events."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Final

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_RFC_1123: Final = re.compile(r"(?:[A-Za-z]+, *)?(\d{1,2}) ([A-Za-z]{3}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) (?:GMT|UTC)")
_ISO_8601: Final = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})[T ](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(Z|[+-]\d{2}:?\d{2})?", re.IGNORECASE
)


@dataclass(frozen=True)
class Now:
    """One moment by two clocks: ``wall`` in UTC, which may be off and may jump; ``monotonic`` in seconds."""

    wall: datetime
    monotonic: float


def iso(moment: datetime) -> str:
    """Write a moment as ``2026-03-02T10:00:01.104Z``."""
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_time(text: str) -> datetime:
    """Read either form; without an offset UTC is meant. Raises ``ValueError`` for anything else.

    A weekday is not looked at: Microsoft's own sample has a wrong one.
    """
    written = text.strip()
    if found := _RFC_1123.fullmatch(written):
        day, month, year, *clock = found.groups()
        if month.lower() in _MONTHS:
            hour, minute, second = map(int, clock)
            number = _MONTHS.index(month.lower()) + 1
            return datetime(int(year), number, int(day), hour, minute, second, tzinfo=timezone.utc)
    if found := _ISO_8601.fullmatch(written):
        *parts, fraction, offset = found.groups()
        year_, month_, day_, hour, minute, second = map(int, parts)
        microsecond = int((fraction or "0")[:6].ljust(6, "0"))
        zone = _zone(offset or "Z")
        try:
            return datetime(year_, month_, day_, hour, minute, second, microsecond, zone).astimezone(timezone.utc)
        except OverflowError as error:
            raise ValueError(str(error)) from error
    message = f"not a time: {text[:60]!r}"
    raise ValueError(message)


def _zone(offset: str) -> timezone:
    if offset in "Zz":
        return timezone.utc
    sign = -1 if offset[0] == "-" else 1
    return timezone(sign * timedelta(hours=int(offset[1:3]), minutes=int(offset[-2:])))
