"""How long a recovery took, as it is shown, counted and published: computed from what the row keeps. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spot_responder.decisions.outcomes import Outcome

if TYPE_CHECKING:
    from datetime import timedelta

    from spot_responder.decisions.recoveries import Recovery


def notice_lead(recovery: Recovery) -> timedelta | None:
    """Give how long before its eviction the VM's agent told of it; ``None`` where that is not known."""
    if recovery.is_open:
        return recovery.evidence.notice_lead
    noticed_at, down_at = recovery.agent.noticed_at, recovery.agent.down_at
    is_eviction = recovery.outcome is not None and recovery.outcome.shows_an_eviction
    if noticed_at is None or down_at is None or down_at < noticed_at or not is_eviction:
        return None
    return down_at - noticed_at


def was_ready_when_closed(recovery: Recovery) -> bool:
    """Whether its workload was known to go on when it was closed, so that its outcome says so."""
    heard_at = recovery.agent.ready_heard_at
    return heard_at is not None and recovery.closed_at is not None and heard_at <= recovery.closed_at


def ready_after(recovery: Recovery) -> timedelta | None:
    """Give how long after it went down the VM's workload went on; ``None`` where that is not known."""
    ready_at = recovery.agent.ready_at
    return None if ready_at is None or ready_at < recovery.went_down_at else ready_at - recovery.went_down_at


def restored_after(recovery: Recovery) -> timedelta | None:
    """Give how long the VM was down before it was restored; ``None`` where it was not."""
    if recovery.closed_at is None or recovery.outcome is not Outcome.RESTORED:
        return None
    return recovery.closed_at - recovery.went_down_at
