"""Which notices are published about an open recovery: that it was opened, and what needs somebody. Pure.

Each notice is published once for each recovery. Called by ``responder/publish.py``, which sends them, and by the
operators' views, which show what needs somebody.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final, assert_never

from spot_responder.decisions.evidence import Verdict
from spot_responder.decisions.policy import INTENT_GRACE, LASTS
from spot_responder.decisions.recoveries import Notice
from spot_responder.intake.azure_errors import FailureKind
from spot_responder.intake.signals import SignalKind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from spot_responder.decisions.recoveries import Recovery
    from spot_responder.decisions.situations import Wait
    from spot_responder.intake.azure_errors import Failure

OPENING_IS_NEWS: Final = timedelta(minutes=15)
"""How long the notice of an opening is tried to be published; after that only the outcome is."""

SOON: Final = timedelta(minutes=1)
"""The longest wait until the next look for which a new recovery's notices may wait: that look writes the row anyway."""

TELL_AGAIN: Final = timedelta(minutes=10)
"""The longest time until a notice is tried again which the topic did not take."""

PUZZLED_AFTER: Final = 3
"""How many starts in a row fail for an unknown reason before somebody should look at it."""


REFUSED_OFTEN: Final = 100
"""How many start requests of one recovery fail, whatever the reasons, before somebody should look at it."""


CONFLICT_LASTS: Final = timedelta(hours=1)
"""How long another operation may block a VM before somebody should look at it: such an operation takes minutes."""

HOW_LONG: Final[Mapping[Notice, str]] = {
    Notice.CONFLICT: "for an hour or longer",
    Notice.THROTTLED: "for half an hour or longer",
    Notice.GONE: "for half an hour or longer, and each look finds it there",
    Notice.NO_TOKEN: "for half an hour or longer",
    Notice.REFUSALS: f"{REFUSED_OFTEN} start requests or more came to nothing",
}
"""The words that say why somebody is needed, where the latest decision's sentence does not say it."""


def due_notices(recovery: Recovery, wait: Wait, now: datetime) -> tuple[Notice, ...]:
    """Give the notices that are due for an open recovery that goes on to wait, without those published already."""
    due = [Notice.OPENED] if _opening_is_due(recovery, now) else []
    if wait.notice is not None:
        due.append(wait.notice)
    due += _of_refusals(recovery, now)
    return tuple(each for each in due if each not in recovery.published_notices)


def noticed_if_it_lasts(wait: Wait, recovery: Recovery | None, now: datetime) -> Wait:
    """Give the wait, with the notice ``BLOCKED`` if what should have passed within minutes has lasted."""
    is_held = recovery is not None and recovery.held_at is not None
    lasts = wait.obstacle_since is not None and now - wait.obstacle_since >= LASTS
    return replace(wait, notice=Notice.BLOCKED) if lasts and not is_held else wait


def can_wait(wait: Wait, now: datetime) -> bool:
    """Answer whether the notices of a recovery that was just opened can wait for its next look."""
    return wait.notice is None and wait.until - now <= SOON


def _opening_is_due(recovery: Recovery, now: datetime) -> bool:
    """Answer whether the opening is to be published: not while an owner's stop may still be reported."""
    evidence = recovery.evidence
    if recovery.pool is None:
        # The VM has not been read yet: it may not be covered.
        return False
    if recovery.opened_by is SignalKind.AGENT_NOTICED and not (evidence.evicted_at or evidence.seen_down_at):
        # It runs, and nobody but its agent says that it will not.
        return False
    is_evicted = evidence.verdict is Verdict.EVICTED and evidence.evicted_at is not None
    is_clear = is_evicted or now - recovery.heard_down_at(evidence) >= INTENT_GRACE
    return is_clear and now - recovery.opened_at < OPENING_IS_NEWS


def needs_somebody(recovery: Recovery, now: datetime) -> Notice | None:
    """Say what about an open recovery needs somebody now; ``None`` where it goes on by itself.

    A VM that an operator holds needs nobody: it waits for its release.
    """
    return None if recovery.held_at else recovery.notice or next(iter(_of_refusals(recovery, now)), None)


def of_failures(failure: Failure, in_a_row: int, lasted: timedelta) -> Notice | None:
    """Say which notice a run of failures of one kind asks for; ``failure`` is the latest of them.

    ``lasted``: the time since the first of them.
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
    """Give the notices that the refusals up to now ask for, the most important first."""
    failure = recovery.attempt.failure if recovery.attempt else None
    notices = []
    if failure is not None and recovery.failures.kind is failure.kind:
        notices.append(of_failures(failure, recovery.failures.in_a_row, _lasted(recovery, failure, now)))
    if sum(recovery.failures.by_kind.values()) >= REFUSED_OFTEN:
        notices.append(Notice.REFUSALS)
    return [notice for notice in notices if notice is not None]


def _lasted(recovery: Recovery, failure: Failure, now: datetime) -> timedelta:
    """Say how long a run of failures has lasted, or will have lasted when Azure's ``Retry-After`` is over."""
    since = recovery.failing_so_since(failure.kind) or now
    until = now if failure.retry_after is None else max(now, recovery.not_before or now)
    return until - since
