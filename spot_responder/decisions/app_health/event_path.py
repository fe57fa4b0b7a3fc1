"""Whether Azure's events arrive, judged by which signal opened each recovery. Pure.

An event path is silent while the newest eviction of its subscription had to be found by the sweep. This is the only
place with that rule: the status page and ``status`` show its result, and the sweep logs it, which the alarm
``event-path-silent`` reads. Signals of an operator (a hold, a retry) do not count. What an agent told counts as told
if an event of Azure came before the recovery was closed, and else for nothing.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final, assert_never

from spot_responder.decisions.outcomes import Outcome
from spot_responder.intake.signals import SignalKind
from spot_responder.text import count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from spot_responder.decisions.recoveries import Recovery

WINDOW: Final = timedelta(days=7)
"""How many days of closed recoveries are taken into account."""

FOUND_SOON: Final = timedelta(days=2)
"""The longest time from an eviction to its find by which a path can be judged. An older eviction may have happened
before the VM had its tag, so that no event about it was for this app; a sweep may run as seldom as once a day."""


class EventPathState(StrEnum):
    """Whether events arrive."""

    WORKS = "works"
    SILENT = "silent"
    QUIET = "quiet"


@dataclass(frozen=True, slots=True)
class SilentPath:
    """A subscription whose newest eviction was found by the sweep, without an event.

    ``vms``: how many of its VMs the sweep found since the last event; ``last_told_at``: when an event last opened a
    recovery there, ``None`` where none is known.
    """

    subscription_id: str
    vms: int
    last_found_at: datetime
    last_told_at: datetime | None


@dataclass(frozen=True, slots=True)
class EventPath:
    """Whether events arrive, by the recoveries of the last days; ``QUIET`` where there are none to judge by.

    ``SILENT`` if it is so in one subscription: each subscription has event topics of its own.
    """

    state: EventPathState
    told_by_event: int
    found_by_sweep: int
    last_told_at: datetime | None
    last_found_at: datetime | None
    silent: tuple[SilentPath, ...] = ()


def event_path(recoveries: Iterable[Recovery], now: datetime) -> EventPath:
    """Say whether evictions were reported by events, or found by the sweep.

    ``recoveries``: all rows that are kept, and the history of the last ``WINDOW``; one that is in both counts once.
    """
    once = {row.recovery_id: row for row in recoveries if row.opened_at > now - WINDOW}
    told = [row for row in once.values() if row.opened_by.is_event_of_azure or row.agent.is_told_by_azure]
    found = [row for row in once.values() if _is_find(row)]
    silent = _silent(told, found)
    state = EventPathState.WORKS if told else EventPathState.QUIET
    return EventPath(
        EventPathState.SILENT if silent else state,
        len(told),
        len(found),
        max((row.opened_at for row in told), default=None),
        max((row.opened_at for row in found), default=None),
        silent,
    )


def _silent(told: Sequence[Recovery], found: Sequence[Recovery]) -> tuple[SilentPath, ...]:
    last_told = {key: max(row.opened_at for row in rows) for key, rows in _by_subscription(told).items()}
    paths = []
    for key, rows in sorted(_by_subscription(found).items()):
        told_at = last_told.get(key)
        untold = [row for row in rows if told_at is None or row.opened_at >= told_at]
        if untold:
            vms = len({row.vm_id for row in untold})
            paths.append(SilentPath(key, vms, max(row.opened_at for row in untold), told_at))
    return tuple(paths)


def _by_subscription(rows: Sequence[Recovery]) -> dict[str, list[Recovery]]:
    sorted_out: defaultdict[str, list[Recovery]] = defaultdict(list)
    for row in rows:
        sorted_out[row.vm_id.subscription_id.lower()].append(row)
    return sorted_out


def whether_events_arrive(path: EventPath, write: Callable[[datetime | None], str]) -> str:
    """Say in words whether events arrive; ``write``: how a time is written for its reader."""
    opened = count(path.told_by_event, "recovery", "recoveries")
    told_of = f"{opened} opened by events, {path.found_by_sweep} by the sweep, in {WINDOW.days} days"
    match path.state:
        case EventPathState.QUIET:
            return f"not known: no event opened a recovery in {WINDOW.days} days; a drill shows whether they arrive"
        case EventPathState.WORKS:
            return f"works: {told_of}; the last event {write(path.last_told_at)}"
        case EventPathState.SILENT:
            return f"silent: {told_of}; the last find {write(path.last_found_at)}"
        case _:
            assert_never(path.state)


def _is_find(row: Recovery) -> bool:
    """Whether only the sweep reported an eviction. A VM that its owner stopped may be found by a sweep at any time."""
    was_told_to_be_evicted = row.went_down_at < row.opened_at and row.outcome is not Outcome.STOPPED_BY_OWNER
    is_news = row.opened_at - row.went_down_at <= FOUND_SOON
    return was_told_to_be_evicted and is_news and row.opened_by is SignalKind.SWEEP_FOUND
