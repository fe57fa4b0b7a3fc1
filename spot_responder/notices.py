"""What is told of a recovery while it is open: that it was opened, and what somebody should know of. Pure.

Each notice is told once for each recovery; in between all is quiet.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from spot_responder.evidence import Verdict
from spot_responder.failures import FailureKind
from spot_responder.policy import INTENT_GRACE, LASTS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from spot_responder.recoveries import Recovery
    from spot_responder.situations import Wait

OPENING_IS_NEWS: Final = timedelta(minutes=15)
"""A topic that takes nothing for so long hears of the outcome only."""

SOON: Final = timedelta(minutes=1)
"""What is due with a look that comes so soon is told then, in a write that comes anyhow; else at once."""

TELL_AGAIN: Final = timedelta(minutes=10)
"""What a topic did not take is told with a look that comes no later than this."""

PUZZLED_AFTER: Final = 3
"""So often in a row a start failed for a reason that we do not know, and somebody should look at it."""


class Notice(StrEnum):
    """What a notice is about."""

    OPENED = "opened"
    DENIED = "denied"
    QUOTA = "quota"
    UNKNOWN = "unknown"
    BRAKE = "brake"
    BUDGET = "budget"
    BLOCKED = "blocked"


_FAILURES: Final[Mapping[FailureKind, Notice]] = {
    FailureKind.DENIED: Notice.DENIED,
    FailureKind.QUOTA: Notice.QUOTA,
    FailureKind.UNKNOWN: Notice.UNKNOWN,
}


def due_notices(recovery: Recovery, wait: Wait, now: datetime) -> tuple[Notice, ...]:
    """Give what is to be told now of an open recovery that goes on to wait."""
    due = [Notice.OPENED] if _opening_is_due(recovery, now) else []
    if wait.notice is not None:
        due.append(wait.notice)
    if failed := _failed(recovery):
        due.append(failed)
    return tuple(each for each in due if each not in recovery.told)


def noticed_if_it_lasts(wait: Wait, recovery: Recovery | None, now: datetime) -> Wait:
    """Give a wait, with the notice that somebody is needed where it is for what should pass soon and has lasted."""
    is_held = recovery is not None and recovery.held_at is not None
    lasts = wait.obstacle_since is not None and now - wait.obstacle_since >= LASTS
    return replace(wait, notice=Notice.BLOCKED) if lasts and not is_held else wait


def can_wait(wait: Wait, now: datetime) -> bool:
    """Answer whether what is due of a case that was opened just now can wait for the next look at it."""
    return wait.notice is None and wait.until - now <= SOON


def _opening_is_due(recovery: Recovery, now: datetime) -> bool:
    """Answer whether it is news of an eviction: an owner's stop may be told after the VM is seen down."""
    age = now - recovery.opened_at
    is_clear = recovery.evidence.verdict is Verdict.EVICTED or age >= INTENT_GRACE
    return is_clear and age < OPENING_IS_NEWS


def needs_somebody(recovery: Recovery) -> Notice | None:
    """Say what of an open recovery somebody should see to, as it stands now; ``None`` where it goes on by itself.

    One that an operator holds waits for the operator's word, whatever came of it before.
    """
    return None if recovery.held_at else recovery.notice or _failed(recovery)


def is_untold(recovery: Recovery) -> bool:
    """Whether somebody is needed for an open recovery and was not told so."""
    needed = needs_somebody(recovery) if recovery.is_open else None
    return needed is not None and needed not in recovery.told


def of_failures(kind: FailureKind, in_a_row: int) -> Notice | None:
    """Say what so many failures of one kind in a row are a notice of."""
    return None if kind is FailureKind.UNKNOWN and in_a_row < PUZZLED_AFTER else _FAILURES.get(kind)


def _failed(recovery: Recovery) -> Notice | None:
    if recovery.failing_with is None or recovery.attempt is None or recovery.attempt.failure is None:
        return None
    return of_failures(recovery.failing_with, recovery.failures_in_a_row)
