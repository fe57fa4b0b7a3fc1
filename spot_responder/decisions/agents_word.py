"""What becomes of what an agent tells besides a notice in time: to which recovery it belongs, and who is silent. Pure.

Nothing here opens, ends or delays a recovery. Called by ``responder/agents_word.py``, by the sweep, and by the
operators' views.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final, assert_never

from spot_responder.decisions.outcomes import Outcome
from spot_responder.decisions.policy import AGENT_REMEMBERED, NOTICE_HOLDS, READY_WITHIN, RESTARTS_REMEMBERED
from spot_responder.intake.signals import SignalKind

if TYPE_CHECKING:
    from datetime import datetime

    from spot_responder.decisions.recoveries import Recovery
    from spot_responder.intake.signals import Signal

VM_CLOCK_OFF_BY: Final = timedelta(minutes=15)
"""How far the clock of a VM may be behind. What its agent tells of an earlier time belongs to an earlier recovery."""

SILENT: Final = "its agent used to report that the workload goes on, and has not since the VM was restored"
"""The sentence of the problem."""


def noted(recovery: Recovery | None, signal: Signal, now: datetime) -> Recovery | None:
    """Give the VM's row with what its agent tells; ``None`` where it belongs to no recovery that is kept there."""
    at = signal.occurred_at
    if recovery is None or recovery.is_note or at is None:
        return None
    match signal.kind:
        case SignalKind.AGENT_NOTICED:
            return _with_late_notice(recovery, at)
        case SignalKind.WORKLOAD_READY:
            return _with_ready(recovery, at, now, is_late=signal.report is not None and signal.report.is_late)
        case SignalKind.AGENT_MAINTENANCE:
            return replace(recovery, agent=replace(recovery.agent, maintenance=signal.detail, maintenance_at=at))
        case SignalKind.EVICTED | SignalKind.EVICTION_NOTICED | SignalKind.UNAVAILABLE | SignalKind.STOPPED_BY_OWNER:
            return None
        case SignalKind.STARTED | SignalKind.FOLLOW_UP | SignalKind.SWEEP_FOUND | SignalKind.OPERATOR_ASKED:
            return None
        case SignalKind.WORK_WAITS:
            return None
        case _:
            assert_never(signal.kind)


def _with_late_notice(recovery: Recovery, noticed_at: datetime) -> Recovery | None:
    """Note the notice of an eviction that is over: the VM was down before its agent could send it.

    As a rule it comes as the VM boots, before the look that closes the recovery.
    """
    down_at = recovery.agent.down_at or recovery.went_down_at
    if not down_at - NOTICE_HOLDS <= noticed_at <= down_at:
        return None
    if recovery.agent.noticed_at or recovery.evidence.noticed_at:
        return recovery
    agent = replace(recovery.agent, noticed_at=noticed_at, is_notice_late=not recovery.is_open)
    return replace(recovery, agent=agent)


def _with_ready(recovery: Recovery, said_at: datetime, now: datetime, *, is_late: bool) -> Recovery | None:
    """Note when the workload went on, once for each recovery: of one that the app closed as up, or may have started."""
    came_up = recovery.outcome.is_up if recovery.outcome else recovery.may_have_started_it
    ready_at = _placed(said_at, recovery.went_down_at, now, is_late=is_late)
    if not came_up or ready_at is None:
        return None
    if recovery.agent.ready_at is not None:
        return recovery
    return replace(recovery, agent=replace(recovery.agent, ready_at=ready_at, ready_heard_at=now))


def _placed(said_at: datetime, down_at: datetime, now: datetime, *, is_late: bool) -> datetime | None:
    """Give the time of a ready within a recovery: as the agent says, or now where only its clock can be wrong."""
    if down_at <= said_at:
        return min(said_at, now)
    return now if not is_late and down_at - said_at <= VM_CLOCK_OFF_BY else None


def agent_is_silent(recovery: Recovery, now: datetime) -> bool:
    """Whether the VM was restored, and its agent, which used to report, does not: for a day, then it is old news."""
    reported_at, closed_at = recovery.agent.reported_at, recovery.closed_at
    if recovery.outcome is not Outcome.RESTORED or closed_at is None or reported_at is None:
        return False
    is_expected = recovery.agent.ready_at is None and closed_at - reported_at < AGENT_REMEMBERED
    was_stopped_since = recovery.evidence.owner_stopped_at is not None
    return is_expected and not was_stopped_since and READY_WITHIN <= now - closed_at < RESTARTS_REMEMBERED
