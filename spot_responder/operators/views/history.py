"""Closed recoveries, counted by day, size or region. Pure; called by ``commands/history.py``."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from statistics import median
from typing import TYPE_CHECKING, assert_never

from spot_responder.decisions.recovery_times import notice_lead, ready_after, restored_after

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date, datetime, timedelta

    from spot_responder.decisions.outcomes import Outcome
    from spot_responder.decisions.recoveries import Recovery
    from spot_responder.intake.signals import SignalKind
    from spot_responder.intake.vms import VmId


class By(StrEnum):
    """What recoveries are counted by."""

    DAY = "day"
    SIZE = "size"
    REGION = "region"


@dataclass(frozen=True, slots=True)
class Ended:
    """A closed recovery. ``restored_after_s``: from the eviction until it was seen running, in seconds.

    ``notice_lead_s``: from its agent's notice until the eviction; ``ready_after_s``: from the eviction until its
    workload went on, as the agent told; ``None`` where it is not known.
    ``size`` and ``region`` are ``""`` where they were never read.
    """

    vm_id: VmId
    recovery_id: str
    told_by: SignalKind
    down_since: datetime
    closed_at: datetime
    outcome: Outcome
    restored_after_s: float | None
    notice_lead_s: float | None
    ready_after_s: float | None
    start_requests: int
    size: str
    region: str
    zone: str
    reason: str


@dataclass(frozen=True, slots=True)
class Tally:
    """Recoveries of one day, size or region; the times are those of the restored ones, in seconds.

    ``median_notice_s`` and ``median_ready_s`` are of those that an agent told of; ``None`` where none did.
    """

    key: str
    recoveries: int
    restored: int
    median_s: float | None
    longest_s: float | None
    median_notice_s: float | None
    median_ready_s: float | None
    start_requests: int
    outcomes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class History:
    """The recoveries that ended from ``first`` to ``last`` (days in UTC, both included)."""

    first: date
    last: date
    by: By
    tallies: tuple[Tally, ...]
    total: Tally
    recoveries: tuple[Ended, ...]


def history(closed: Iterable[Recovery], first: date, last: date, by: By) -> History:
    """Count closed recoveries; by day the newest first, else the largest number first."""
    every = (_ended(row, row.closed_at, row.outcome) for row in closed if row.closed_at and row.outcome)
    ended = tuple(sorted(every, key=lambda each: each.closed_at))
    keys = Counter(_key(each, by) for each in ended)
    order = sorted(keys, reverse=True) if by is By.DAY else [key for key, _ in keys.most_common()]
    tallies = tuple(_tally(key, [each for each in ended if _key(each, by) == key]) for key in order)
    return History(first, last, by, tallies, _tally("all", ended), ended)


def _ended(row: Recovery, closed_at: datetime, outcome: Outcome) -> Ended:
    return Ended(
        vm_id=row.vm_id,
        recovery_id=row.recovery_id,
        told_by=row.opened_by,
        down_since=row.went_down_at,
        closed_at=closed_at,
        outcome=outcome,
        restored_after_s=_seconds(restored_after(row)),
        notice_lead_s=_seconds(notice_lead(row)),
        ready_after_s=_seconds(ready_after(row)),
        start_requests=row.attempts,
        size=row.pool.size if row.pool else "",
        region=row.pool.location if row.pool else "",
        zone=row.pool.zone if row.pool else "",
        reason=row.reason,
    )


def _seconds(duration: timedelta | None) -> float | None:
    return duration.total_seconds() if duration is not None else None


def _key(each: Ended, by: By) -> str:
    match by:
        case By.DAY:
            return f"{each.closed_at:%Y-%m-%d}"
        case By.SIZE:
            return each.size or "unknown"
        case By.REGION:
            return each.region or "unknown"
        case _:
            assert_never(by)


def _tally(key: str, ended: Sequence[Ended]) -> Tally:
    restored = [each for each in ended if each.restored_after_s is not None]
    times = [each.restored_after_s for each in restored if each.restored_after_s is not None]
    notices = [each.notice_lead_s for each in restored if each.notice_lead_s is not None]
    ready = [each.ready_after_s for each in restored if each.ready_after_s is not None]
    return Tally(
        key=key,
        recoveries=len(ended),
        restored=len(times),
        median_s=median(times) if times else None,
        longest_s=max(times, default=None),
        median_notice_s=median(notices) if notices else None,
        median_ready_s=median(ready) if ready else None,
        start_requests=sum(each.start_requests for each in ended),
        outcomes=dict(Counter(str(each.outcome) for each in ended)),
    )
