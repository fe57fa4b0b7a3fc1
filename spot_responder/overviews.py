"""What is going on, in an operator's words: open recoveries, holds, pools, queues, and whether events arrive.

Made of rows and counts alone, so that it costs a few reads, asks nothing of ARM, and is true at the page as well as in
a terminal.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from spot_responder.failures import FailureKind
from spot_responder.figures import figures
from spot_responder.pools import STALE_AFTER
from spot_responder.recoveries import AttemptState
from spot_responder.signals import SignalKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from spot_responder.figures import Figures
    from spot_responder.pools import Pool, PoolId
    from spot_responder.recoveries import Recovery
    from spot_responder.vms import VmId

EVENT_PATH_WINDOW: Final = timedelta(days=7)
"""How far back it is looked whether recoveries were told by events."""

TOO_LONG: Final = timedelta(days=1)
"""A recovery that is open for longer is worth an operator's look: the alarm ``gave-up`` says the same."""

NEEDS_SOMEBODY: Final = frozenset({FailureKind.DENIED, FailureKind.QUOTA, FailureKind.UNKNOWN})
"""Failures that do not pass by themselves, or that nobody knows."""


class Standing(StrEnum):
    """How an open recovery stands."""

    HELD = "held"
    STARTING = "starting"
    REFUSED = "refused"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class OpenCase:
    """An open recovery.

    Attributes:
        reason: the latest decision's sentence.
        down_since: the VM's eviction, or the first that was heard of it.
        told_by: the kind of the first signal.
        start_requests: how many were sent.
        failure: why the latest of them came to nothing; ``None`` where it did not, or none was sent.
        azure_said: code and message of that failure, in Azure's own words.
        next_look_at: when the VM is looked at again by itself.
        is_overdue: that time has passed so long ago that the message is lost or the app does not run. Never in a dry
            run, which looks and moves nothing on.
    """

    vm_id: VmId
    recovery_id: str
    standing: Standing
    reason: str
    opened_at: datetime
    down_since: datetime
    told_by: SignalKind
    start_requests: int
    failure: FailureKind | None
    azure_said: str
    next_look_at: datetime | None
    is_overdue: bool
    held_at: datetime | None
    pool: PoolId | None


@dataclass(frozen=True, slots=True)
class HeldVm:
    """A VM that an operator holds, whether it is being recovered or not."""

    vm_id: VmId
    held_at: datetime


class PoolStanding(StrEnum):
    """How a pool's gate stands."""

    CLOSED = "closed"
    PROBING = "probing"
    OPENING = "opening"


@dataclass(frozen=True, slots=True)
class PoolState:
    """A pool that is not open: until when it is closed, how often in a row Azure refused, how many starts it bears."""

    pool_id: PoolId
    standing: PoolStanding
    refusals: int
    closed_until: datetime | None
    starts_under_way: int
    starts_allowed: int


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """Messages: in ``signals`` (those that wait for their time included), given up on, undeliverable.

    ``None`` where it could not be looked.
    """

    signals: int | None
    poison: int | None
    dead_letters: int | None


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


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that somebody should mend: what it is, and the command or the place to begin at."""

    what: str
    mend: str


@dataclass(frozen=True, slots=True)
class Overview:
    """All that ``status`` and the status page show."""

    at: datetime
    dry_run: bool
    cases: tuple[OpenCase, ...]
    held: tuple[HeldVm, ...]
    pools: tuple[PoolState, ...]
    queues: QueueCounts
    event_path: EventPath
    figures: Figures
    problems: tuple[Problem, ...]


def overview(  # noqa: PLR0913 - all that it is made of
    rows: Iterable[Recovery],
    history: Iterable[Recovery],
    pools: Iterable[Pool],
    queues: QueueCounts,
    now: datetime,
    *,
    dry_run: bool = False,
) -> Overview:
    """Make the overview. ``history``: closed recoveries of the last ``EVENT_PATH_WINDOW``."""
    kept = tuple(rows)
    cases = tuple(
        sorted((open_case(row, now, dry_run=dry_run) for row in kept if row.is_open), key=lambda case: case.down_since)
    )
    held = tuple(HeldVm(row.vm_id, row.held_at) for row in kept if row.held_at)
    lately = [*(row for row in kept if row.is_open), *history]
    path = event_path(lately, now)
    return Overview(
        at=now,
        dry_run=dry_run,
        cases=cases,
        held=tuple(sorted(held, key=lambda vm: vm.held_at)),
        pools=tuple(state for pool in pools if (state := pool_state(pool, now))),
        queues=queues,
        event_path=path,
        figures=figures(lately, now),
        problems=_problems(cases, queues, path, now),
    )


def open_case(row: Recovery, now: datetime, *, dry_run: bool = False) -> OpenCase:
    """Read an open recovery's row into an operator's words."""
    failure = row.attempt.failure if row.attempt and row.attempt.state is AttemptState.REFUSED else None
    return OpenCase(
        vm_id=row.vm_id,
        recovery_id=row.recovery_id,
        standing=_standing(row),
        reason=row.reason,
        opened_at=row.opened_at,
        down_since=row.evidence.down_since(row.opened_at),
        told_by=row.opened_by,
        start_requests=row.attempts,
        failure=failure.kind if failure else None,
        azure_said=": ".join(part for part in (failure.code, failure.message) if part) if failure else "",
        next_look_at=row.wake_at,
        is_overdue=row.is_overdue(now) and not dry_run,
        held_at=row.held_at,
        pool=row.pool,
    )


def _standing(row: Recovery) -> Standing:
    if row.attempt_under_way:
        return Standing.STARTING
    if row.held_at:
        return Standing.HELD
    return Standing.REFUSED if row.attempt and row.attempt.failure else Standing.WAITING


def pool_state(pool: Pool, now: datetime) -> PoolState | None:
    """Say how a pool's gate stands; ``None`` where it refused nobody, or that is a story of long ago."""
    under_way = sum(until > now for until in pool.under_way.values())
    if pool.closed_until is None or (not under_way and now - pool.closed_until > STALE_AFTER):
        return None
    if pool.is_closed(now):
        standing = PoolStanding.CLOSED
    else:
        standing = PoolStanding.PROBING if pool.refusals else PoolStanding.OPENING
    return PoolState(pool.pool_id, standing, pool.refusals, pool.closed_until, under_way, pool.width)


def event_path(recoveries: Sequence[Recovery], now: datetime) -> EventPath:
    """Say whether evictions were told by events, or found by the sweep alone."""
    since = now - EVENT_PATH_WINDOW
    lately = [row for row in recoveries if row.opened_at > since]
    found = [row.opened_at for row in lately if row.opened_by is SignalKind.SWEEP_FOUND]
    told = [row.opened_at for row in lately if row.opened_by not in {SignalKind.SWEEP_FOUND, SignalKind.OPERATOR_ASKED}]
    last_told, last_found = max(told, default=None), max(found, default=None)
    if last_told and (last_found is None or last_told > last_found):
        standing = EventPathStanding.WORKS
    else:
        standing = EventPathStanding.SILENT if last_found else EventPathStanding.QUIET
    return EventPath(standing, len(told), len(found), last_told, last_found)


def _problems(cases: Sequence[OpenCase], queues: QueueCounts, path: EventPath, now: datetime) -> tuple[Problem, ...]:
    counts = (
        (queues.poison, "signals-poison: the app gave up on it"),
        (queues.dead_letters, "event-dead-letters: Event Grid could not deliver it"),
    )
    replay = "spot-responder replay list"
    problems = [Problem(f"{_messages(count)} in {where}", replay) for count, where in counts if count]
    overdue = [case.vm_id.name for case in cases if case.is_overdue]
    if overdue:
        what = f"nothing came of the look that was due at {_names(overdue)}: the app does not run, or a message is lost"
        problems.append(
            Problem(
                what, "az functionapp show --subscription SUB -g GROUP -n APP --query state; the next sweep takes it up"
            )
        )
    needing = [case for case in cases if case.failure in NEEDS_SOMEBODY]
    problems += [
        Problem(f"{case.vm_id.name}: {case.reason}", f"spot-responder explain {case.vm_id.name}") for case in needing
    ]
    long_open = [case.vm_id.name for case in cases if now - case.down_since > TOO_LONG and case not in needing]
    if long_open:
        problems.append(Problem(f"down for longer than a day: {_names(long_open)}", "spot-responder explain VM"))
    if path.standing is EventPathStanding.SILENT:
        what = f"no event told of the newest eviction: the sweep found it ({path.found_by_sweep} of the last 7 days)"
        problems.append(Problem(what, "spot-responder doctor"))
    return tuple(problems)


_NAMED: Final = 5


def _messages(count: int) -> str:
    return "1 message" if count == 1 else f"{count} messages"


def _names(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
