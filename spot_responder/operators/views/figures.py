"""The figures of the last days: evictions by day, times until restored, failed start requests. Pure.

Called by ``status.py``; ``web/views/bar_chart.py`` draws them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from math import inf
from statistics import median
from typing import TYPE_CHECKING, Final

from spot_responder.decisions.outcomes import Outcome
from spot_responder.decisions.recovery_times import notice_lead, ready_after, restored_after
from spot_responder.intake.signals import SignalKind
from spot_responder.text import span

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from spot_responder.decisions.recoveries import Recovery

DAYS: Final = 7

_STEPS: Final = (
    ("up to 1 min", 60),
    ("up to 2 min", 120),
    ("up to 5 min", 300),
    ("up to 15 min", 900),
    ("up to 1 h", 3600),
    ("longer", inf),
)
_LEADS: Final = (
    ("up to 5 s", 5),
    ("up to 15 s", 15),
    ("up to 30 s", 30),
    ("up to 2 min", 120),
    ("longer", inf),
)


@dataclass(frozen=True, slots=True)
class Count:
    """A name, and how often it was counted."""

    name: str
    number: int


@dataclass(frozen=True, slots=True)
class Figures:
    """The last ``DAYS`` days, in UTC.

    Attributes:
        evictions: by the day on which the VM went down, oldest first; days without any are included.
        restore_times: restored VMs, by how long they were down.
        median_restore_s: the median of those times, in seconds; ``None`` where none was restored.
        failures: failed start requests, by the kind of failure, most first.
        notice_leads: evictions that an agent noticed, by how long before; nothing where none is known.
        median_notice_lead_s: the median of those times, in seconds; ``None`` where none is known.
        ready_times: restored VMs, by how long after they went down the workload went on; nothing where none is known.
        median_ready_s: the median of those times, in seconds; ``None`` where none is known.
    """

    evictions: tuple[Count, ...]
    restore_times: tuple[Count, ...]
    median_restore_s: float | None
    failures: tuple[Count, ...]
    notice_leads: tuple[Count, ...]
    median_notice_lead_s: float | None
    ready_times: tuple[Count, ...]
    median_ready_s: float | None


def figures(recoveries: Sequence[Recovery], now: datetime) -> Figures:
    """Count open recoveries, and those that were closed within the last days."""
    days = [(now - timedelta(days=back)).date() for back in reversed(range(DAYS))]
    down = Counter(each.went_down_at.date() for each in recoveries if was_evicted(each))
    times = [took.total_seconds() for each in recoveries if (took := restored_after(each)) is not None]
    leads = [lead.total_seconds() for each in recoveries if (lead := notice_lead(each)) is not None]
    went_on = [each for each in recoveries if _went_on(each)]
    ready = [after.total_seconds() for each in went_on if (after := ready_after(each)) is not None]
    failures: Counter[str] = Counter()
    for each in recoveries:
        failures.update({str(kind): number for kind, number in each.failures.by_kind.items()})
    return Figures(
        evictions=tuple(Count(f"{day:%a %d %b}", down[day]) for day in days),
        restore_times=_by_step(times, _STEPS),
        median_restore_s=median(times) if times else None,
        failures=tuple(Count(kind, number) for kind, number in failures.most_common()),
        notice_leads=_by_step(leads, _LEADS) if leads else (),
        median_notice_lead_s=median(leads) if leads else None,
        ready_times=_by_step(ready, _STEPS) if ready else (),
        median_ready_s=median(ready) if ready else None,
    )


def _went_on(recovery: Recovery) -> bool:
    """Whether it is a restored VM: one that was never down has a workload as well."""
    return recovery.outcome is Outcome.RESTORED


def was_evicted(recovery: Recovery) -> bool:
    """Whether it was an eviction, as far as is known: it may end by the owner's stop, as other recoveries may."""
    if recovery.is_note or recovery.outcome is Outcome.STOPPED_BY_OWNER:
        return recovery.evidence.evicted_at is not None
    if recovery.opened_by is SignalKind.AGENT_NOTICED and recovery.is_open:
        return recovery.evidence.evicted_at is not None or recovery.evidence.notice_came_true
    if recovery.opened_by in {SignalKind.WORK_WAITS, SignalKind.UNAVAILABLE} and recovery.is_open:
        # A start for work, whose VM was down already; or a VM that went down, and nobody told why yet.
        return recovery.evidence.evicted_at is not None
    # A closed recovery has no time of the eviction, only that an event opened it, or that its VM went down before it.
    was_told = recovery.opened_by is SignalKind.EVICTED or recovery.went_down_at < recovery.opened_at
    return was_told or recovery.outcome is None or recovery.outcome.shows_an_eviction


def _by_step(times: Sequence[float], steps: Sequence[tuple[str, float]]) -> tuple[Count, ...]:
    counted = Counter(next(name for name, longest in steps if time <= longest) for time in times)
    return tuple(Count(name, counted[name]) for name, _ in steps)


def how_agents_told(seen: Figures) -> tuple[str, str]:
    """Say what is known by agents: how long before evictions they noticed them, and when workloads went on."""
    lead, ready = seen.median_notice_lead_s, seen.median_ready_s
    before = (
        "unknown"
        if lead is None
        else f"half of {_all(seen.notice_leads)} came {span(timedelta(seconds=lead))} ahead or more"
    )
    after = "unknown" if ready is None else f"half of {_all(seen.ready_times)} within {span(timedelta(seconds=ready))}"
    return before, after


def _all(counts: Sequence[Count]) -> int:
    return sum(each.number for each in counts)
