"""Whether Azure's events arrive: by whom the recoveries of the last days were opened. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from spot_responder.recoveries import Outcome
from spot_responder.signals import SignalKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from spot_responder.recoveries import Recovery

WINDOW: Final = timedelta(days=7)
"""How far back it is looked whether recoveries were told by events."""


class EventPathStanding(StrEnum):
    """Whether events arrive."""

    WORKS = "works"
    SILENT = "silent"
    QUIET = "quiet"


@dataclass(frozen=True, slots=True)
class EventPath:
    """By whom the recoveries of the last days were opened; ``QUIET`` where there was none, so nothing is known."""

    standing: EventPathStanding
    told_by_event: int
    found_by_sweep: int
    last_told_at: datetime | None
    last_found_at: datetime | None


def event_path(recoveries: Sequence[Recovery], now: datetime) -> EventPath:
    """Say whether evictions were told by events, or found by the sweep alone."""
    since = now - WINDOW
    lately = [row for row in recoveries if row.opened_at > since]
    found = [row.opened_at for row in lately if _is_find(row)]
    told = [row.opened_at for row in lately if row.opened_by not in {SignalKind.SWEEP_FOUND, SignalKind.OPERATOR_ASKED}]
    last_told, last_found = max(told, default=None), max(found, default=None)
    if last_told and (last_found is None or last_told > last_found):
        standing = EventPathStanding.WORKS
    else:
        standing = EventPathStanding.SILENT if last_found else EventPathStanding.QUIET
    return EventPath(standing, len(told), len(found), last_told, last_found)


def whether_events_arrive(path: EventPath, write: Callable[[datetime | None], str]) -> str:
    """Say in words whether events arrive; ``write``: how a time is written for its reader."""
    told_of = f"{path.told_by_event} told by events, {path.found_by_sweep} found by the sweep, in {WINDOW.days} days"
    match path.standing:
        case EventPathStanding.QUIET:
            return f"nothing is known: no eviction in {WINDOW.days} days"
        case EventPathStanding.WORKS:
            return f"works: {told_of}; the last event {write(path.last_told_at)}"
        case _:
            return f"silent: {told_of}; the last find {write(path.last_found_at)}"


def _is_find(row: Recovery) -> bool:
    """Whether the sweep alone told of an eviction. What its owner stopped, a sweep may find at any time."""
    was_evicted = row.went_down_at < row.opened_at and row.outcome is not Outcome.STOPPED_BY_OWNER
    return was_evicted and row.opened_by is SignalKind.SWEEP_FOUND
