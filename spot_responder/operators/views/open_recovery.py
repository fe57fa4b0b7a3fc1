"""An open recovery in an operator's words. Pure; called by ``status.py`` and ``explanation.py``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from spot_responder.decisions.attempts import AttemptState
from spot_responder.decisions.publishing.notices import needs_somebody
from spot_responder.decisions.recovery_times import notice_lead

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from spot_responder.decisions.pools import PoolId
    from spot_responder.decisions.recoveries import Notice, Recovery
    from spot_responder.intake.azure_errors import FailureKind
    from spot_responder.intake.signals import SignalKind
    from spot_responder.intake.vms import VmId


_HELD: Final = "an operator holds it: not started until it is released"


class RecoveryState(StrEnum):
    """How an open recovery stands."""

    HELD = "held"
    STARTING = "starting"
    REFUSED = "refused"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class OpenRecovery:
    """An open recovery.

    Attributes:
        reason: the latest decision's sentence.
        down_since: the VM's eviction, or the first signal about it.
        told_by: the kind of the first signal.
        start_requests: how many were sent.
        failure: why the latest of them failed; ``None`` where it did not, or none was sent.
        needs: what about it needs somebody; ``None`` where it goes on by itself.
        azure_said: code and message of that failure, in Azure's own words.
        next_look_at: when the VM is looked at again by itself.
        is_overdue: whether that time is so long ago that the message is lost or the app does not run. Never in a dry
            run, which changes no recovery.
        noticed_at: when the VM's agent told of the eviction, and ``notice_lead`` how long before the VM went down;
            ``None`` where that is not known.
        ready_at: when its workload went on, as the agent told; ``None`` where it did not.
    """

    vm_id: VmId
    recovery_id: str
    state: RecoveryState
    reason: str
    opened_at: datetime
    down_since: datetime
    told_by: SignalKind
    start_requests: int
    failure: FailureKind | None
    needs: Notice | None
    azure_said: str
    next_look_at: datetime | None
    is_overdue: bool
    held_at: datetime | None
    pool: PoolId | None
    noticed_at: datetime | None
    notice_lead: timedelta | None
    ready_at: datetime | None


def open_recovery(row: Recovery, now: datetime, *, dry_run: bool = False) -> OpenRecovery:
    """Read an open recovery's row into an operator's words."""
    failure = row.attempt.failure if row.attempt and row.attempt.state is AttemptState.REFUSED else None
    state = _state(row)
    return OpenRecovery(
        vm_id=row.vm_id,
        recovery_id=row.recovery_id,
        state=state,
        # The hold may be newer than the latest decision.
        reason=_HELD if state is RecoveryState.HELD else row.reason,
        opened_at=row.opened_at,
        down_since=row.went_down_at,
        told_by=row.opened_by,
        start_requests=row.attempts,
        failure=failure.kind if failure else None,
        needs=needs_somebody(row, now),
        azure_said=failure.said if failure and not failure.lacks_token else "",
        next_look_at=row.wake_at,
        is_overdue=row.is_overdue(now) and not dry_run,
        held_at=row.held_at,
        pool=row.pool,
        noticed_at=row.evidence.noticed_at,
        notice_lead=notice_lead(row),
        ready_at=row.agent.ready_at,
    )


def _state(row: Recovery) -> RecoveryState:
    under_way = row.attempt_under_way
    # After a change of size a start follows, but for a hold.
    if under_way and not (under_way.resize_to and row.held_at):
        return RecoveryState.STARTING
    if row.held_at:
        return RecoveryState.HELD
    return RecoveryState.REFUSED if row.attempt and row.attempt.failure else RecoveryState.WAITING
