"""What is told of a recovery while it is open: that it was opened, and what somebody should know of. Pure.

Each notice is told once for each recovery; in between all is quiet.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final, assert_never

from spot_responder.decisions.evidence import Verdict
from spot_responder.decisions.policy import INTENT_GRACE, LASTS
from spot_responder.decisions.recoveries import Notice
from spot_responder.intake.azure_errors import FailureKind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from spot_responder.decisions.recoveries import Recovery
    from spot_responder.decisions.situations import Wait
    from spot_responder.intake.azure_errors import Failure

OPENING_IS_NEWS: Final = timedelta(minutes=15)
"""A topic that takes nothing for so long hears of the outcome only."""

SOON: Final = timedelta(minutes=1)
"""What is due with a look that comes so soon is told then, in a write that comes anyhow; else at once."""

TELL_AGAIN: Final = timedelta(minutes=10)
"""What a topic did not take is told with a look that comes no later than this."""

PUZZLED_AFTER: Final = 3
"""So often in a row a start failed for a reason that we do not know, and somebody should look at it."""


REFUSED_OFTEN: Final = 100
"""So many start requests of one recovery came to nothing, whatever the reasons, and somebody should look at it."""


CONFLICT_LASTS: Final = timedelta(hours=1)
"""An operation of somebody else's on a VM takes minutes; one that takes so long is worth a look."""

HOW_LONG: Final[Mapping[Notice, str]] = {
    Notice.CONFLICT: "for an hour or longer",
    Notice.THROTTLED: "for half an hour or longer",
    Notice.GONE: "for half an hour or longer, and each look finds it there",
    Notice.NO_TOKEN: "for half an hour or longer",
    Notice.REFUSALS: f"{REFUSED_OFTEN} start requests or more came to nothing",
}
"""Why somebody is needed, where the latest decision's sentence alone does not say it."""


def due_notices(recovery: Recovery, wait: Wait, now: datetime) -> tuple[Notice, ...]:
    """Give what is to be told now of an open recovery that goes on to wait."""
    due = [Notice.OPENED] if _opening_is_due(recovery, now) else []
    if wait.notice is not None:
        due.append(wait.notice)
    due += _of_refusals(recovery, now)
    return tuple(each for each in due if each not in recovery.published_notices)


def noticed_if_it_lasts(wait: Wait, recovery: Recovery | None, now: datetime) -> Wait:
    """Give a wait, with the notice that somebody is needed where it is for what should pass soon and has lasted."""
    is_held = recovery is not None and recovery.held_at is not None
    lasts = wait.obstacle_since is not None and now - wait.obstacle_since >= LASTS
    return replace(wait, notice=Notice.BLOCKED) if lasts and not is_held else wait


def can_wait(wait: Wait, now: datetime) -> bool:
    """Answer whether what is due of a recovery that was opened just now can wait for the next look at it."""
    return wait.notice is None and wait.until - now <= SOON


def _opening_is_due(recovery: Recovery, now: datetime) -> bool:
    """Answer whether it is news of an eviction: an owner's stop may be told after the VM is seen down."""
    age = now - recovery.opened_at
    if recovery.pool is None:
        # Nobody has seen the VM yet: it may be none that is covered.
        return False
    is_clear = recovery.evidence.verdict is Verdict.EVICTED or age >= INTENT_GRACE
    return is_clear and age < OPENING_IS_NEWS


def needs_somebody(recovery: Recovery, now: datetime) -> Notice | None:
    """Say what of an open recovery somebody should see to, as it stands now; ``None`` where it goes on by itself.

    One that an operator holds waits for the operator's word, whatever came of it before.
    """
    return None if recovery.held_at else recovery.notice or next(iter(_of_refusals(recovery, now)), None)


def of_failures(failure: Failure, in_a_row: int, lasted: timedelta) -> Notice | None:
    """Say what so many failures of one kind in a row, the latest of them given, are a notice of.

    ``lasted``: since the first of them.
    """
    if failure.lacks_token:
        return Notice.NO_TOKEN if lasted >= LASTS else None
    match failure.kind:
        case FailureKind.DENIED:
            return Notice.DENIED
        case FailureKind.QUOTA:
            return Notice.QUOTA
        case FailureKind.UNKNOWN:
            return Notice.UNKNOWN if in_a_row >= PUZZLED_AFTER else None
        case FailureKind.CONFLICT:
            return Notice.CONFLICT if lasted >= CONFLICT_LASTS else None
        case FailureKind.THROTTLED:
            return Notice.THROTTLED if lasted >= LASTS else None
        case FailureKind.GONE:
            return Notice.GONE if lasted >= LASTS else None
        case FailureKind.CAPACITY | FailureKind.PRICE:
            return None
        case _:
            assert_never(failure.kind)


def _of_refusals(recovery: Recovery, now: datetime) -> list[Notice]:
    """Give what the refusals up to now are notices of, the most telling first."""
    failure = recovery.attempt.failure if recovery.attempt else None
    notices = []
    if failure is not None and recovery.failing_with is failure.kind:
        notices.append(of_failures(failure, recovery.failures_in_a_row, _lasted(recovery, failure, now)))
    if sum(recovery.failures.values()) >= REFUSED_OFTEN:
        notices.append(Notice.REFUSALS)
    return [notice for notice in notices if notice is not None]


def _lasted(recovery: Recovery, failure: Failure, now: datetime) -> timedelta:
    """Say how long a run of failures has lasted, or will have where Azure itself has said for how long to be quiet."""
    since = recovery.failing_so_since(failure.kind) or now
    until = now if failure.retry_after is None else max(now, recovery.not_before or now)
    return until - since
