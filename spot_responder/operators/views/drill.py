"""A drill: a simulated eviction, and whether the app brings the VM back, with the time of each step. Pure.

Called by ``commands/drill.py``, which evicts and watches.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from spot_responder.decisions.outcomes import Outcome
from spot_responder.intake.vms import PowerState

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from spot_responder.advised_command import CommandLine
    from spot_responder.decisions.recoveries import Recovery
    from spot_responder.intake.vms import VmId
    from spot_responder.operators.views.explanation import Explanation


class DrillState(StrEnum):
    """How far a drill has come."""

    ASKED = "Azure was asked to evict it"
    TOLD = "the app was told of the eviction"
    STARTING = "the app asked for a start"
    BACK = "it runs again"
    REFUSED = "Azure refused to evict it"
    ENDED_OTHERWISE = "the recovery ended otherwise"


@dataclass(frozen=True, slots=True)
class Drilled:
    """One VM's drill.

    ``case_before``: the id of the row before the drill, by which a new recovery is recognized, since clocks differ.
    ``told_at`` and ``start_asked_at`` are of the new recovery; ``back_at`` is when the app saw it running.
    ``evicted_at`` is Azure's own time. ``unseen``: why the latest read of its row failed.
    """

    vm_id: VmId
    asked_at: datetime
    case_before: str = ""
    state: DrillState = DrillState.ASKED
    evicted_at: datetime | None = None
    told_at: datetime | None = None
    start_asked_at: datetime | None = None
    back_at: datetime | None = None
    start_requests: int = 0
    reason: str = ""
    unseen: str = ""

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to wait for."""
        return self.state in {DrillState.BACK, DrillState.REFUSED, DrillState.ENDED_OTHERWISE}

    @property
    def passed(self) -> bool:
        """Whether the app brought it back."""
        return self.state is DrillState.BACK


@dataclass(frozen=True, slots=True)
class Drill:
    """All VMs of a drill. ``gave_up``: the time that was set for it is over."""

    vms: tuple[Drilled, ...]
    passed: bool
    gave_up: bool


def observed(before: Drilled, row: Recovery | None) -> Drilled:
    """Give how far a drill has come, by the VM's row; a recovery from before the drill does not count."""
    if row is None or row.recovery_id == before.case_before:
        return before
    attempt = row.attempt
    state = DrillState.STARTING if row.attempts else DrillState.TOLD
    if row.outcome:
        state = DrillState.BACK if row.outcome is Outcome.RESTORED else DrillState.ENDED_OTHERWISE
    return Drilled(
        vm_id=before.vm_id,
        asked_at=before.asked_at,
        case_before=before.case_before,
        state=state,
        # Without Azure's time the eviction's time is not known.
        evicted_at=row.went_down_at if row.went_down_at < row.opened_at else row.evidence.evicted_at,
        told_at=row.opened_at,
        start_asked_at=before.start_asked_at or (attempt.asked_at if attempt else None),
        back_at=row.closed_at if state is DrillState.BACK else None,
        start_requests=row.attempts,
        reason=row.reason,
    )


def why_not_drilled(explanations: Sequence[Explanation], command: CommandLine) -> str:
    """Say in one line why a drill of these VMs would prove nothing; an empty text where it would."""
    for each in explanations:
        name = each.vm_id.name
        if each.dry_run:
            return "DRY_RUN is true: the app would start nothing"
        if each.power_state is None:
            return each.headline
        if not each.covered:
            return f"{name} is not covered: {each.why_not}"
        if each.held_at:
            return f"{name} is held: {command('release', each.called)}"
        if each.recovery:
            return f"{name} is being recovered already: {command('explain', each.called)}"
        if each.power_state is not PowerState.RUNNING:
            return f"{name} does not run, so Azure cannot evict it: it is {each.power_state}"
    return ""
