"""What ``explain`` says of a VM that serves a work queue: what the queue asks, and when the VM stopped itself. Pure.

Called by ``operators/work_queues.py``; ``explanation.py`` puts it among the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spot_responder.decisions.evidence import OWN_STOP_TAKES, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from spot_responder.decisions.situations import Situation
    from spot_responder.demand.looks import VmWatch, Word
    from spot_responder.intake.vms import Vm


@dataclass(frozen=True, slots=True)
class WorkTold:
    """``reason``: what its work queue asks of the VM; "" where none decides. ``stopped_itself_at``: if that is why."""

    reason: str = ""
    stopped_itself_at: datetime | None = None


def stopped_itself_at(situation: Situation, vm: Vm, words: Iterable[Word], kept: VmWatch) -> datetime | None:
    """Give when its worker wrote that it deallocates the VM, if that is why it is down.

    ``words``: what the queue's workers wrote last; ``kept``: what the app keeps of the VM.
    """
    if not vm.power_state.is_down_or_going_down or situation.evidence.verdict is Verdict.STOPPED_BY_OWNER:
        return None
    its = [word for word in words if word.vm_name.lower() == vm.vm_id.name.lower()]
    said_at = max((*kept.own_stops, *(word.at for word in its if word.stops_vm)), default=None)
    if said_at is None:
        return None
    came_up_at = situation.recovery.came_up_at if situation.recovery else None
    up_since = [*(word.at for word in its if not word.stops_vm), came_up_at, situation.evidence.evicted_at]
    if any(time and time > said_at for time in up_since):
        return None
    # Seen up long after it wrote so: Azure refused, and it went down later, for another reason.
    return None if kept.seen_up_at and kept.seen_up_at > said_at + OWN_STOP_TAKES else said_at
