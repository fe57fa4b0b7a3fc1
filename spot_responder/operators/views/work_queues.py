"""What each work queue asks for at this moment: its messages, its VMs, and why. Pure.

It uses the app's own ``decide_demand``, so what it says would be started is what a look of the app would ask for.
Called by ``operators/work_queues.py``; ``commands/queues.py`` and ``commands/plan.py`` write it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spot_responder.demand.decide_demand import decide_demand
from spot_responder.demand.looks import Backlog, Doing, VmWatch
from spot_responder.demand.standings import last_word, standing_of, watched

if TYPE_CHECKING:
    from datetime import datetime

    from spot_responder.demand.looks import Look, QueueVm, Watch
    from spot_responder.demand.standings import Standing
    from spot_responder.demand.work_queues import WorkQueue
    from spot_responder.intake.vms import PowerState, VmId


@dataclass(frozen=True, slots=True)
class VmForWork:
    """A VM of a work queue.

    ``doing``: of its workers, busy if one is; ``None`` where none has written. ``starts``: a look would ask for its
    start now. ``trouble``: what somebody has to see to at it, or "".
    """

    vm_id: VmId
    power_state: PowerState
    standing: Standing
    doing: Doing | None
    last_word_at: datetime | None
    starts: bool
    trouble: str


@dataclass(frozen=True, slots=True)
class QueueDemand:
    """What a work queue asks for.

    ``visible``, ``messages``: those that a worker can take now, and all. ``looked_at``: the app's latest look, and
    ``waiting_since``: since when it sees some that nobody took. ``unseen``: why the queue, its VMs or its workers could
    not be read, or "": then the numbers are ``None`` and nothing would be decided.
    """

    name: str
    messages_per_vm: int
    max_vms: int
    visible: int | None
    messages: int | None
    waiting_since: datetime | None
    looked_at: datetime | None
    reason: str
    vms: tuple[VmForWork, ...]
    unseen: str = ""

    @property
    def starts(self) -> tuple[VmForWork, ...]:
        """Give the VMs that a look would ask for now."""
        return tuple(vm for vm in self.vms if vm.starts)

    @property
    def needs_somebody(self) -> bool:
        """Whether something is wrong that does not pass by itself, as far as is known."""
        return bool(self.unseen) or any(vm.trouble for vm in self.vms)


@dataclass(frozen=True, slots=True)
class QueueDemands:
    """What all work queues of the deployment ask for."""

    at: datetime
    queues: tuple[QueueDemand, ...]


def queue_demand(look: Look, watch: Watch, queue: WorkQueue, now: datetime) -> QueueDemand:
    """Say what a look that sees this asks for. ``watch``: what the app keeps of the queue."""
    demand = decide_demand(look, watch, queue, now)
    asked = {vm_id.key for vm_id in demand.start}
    vms = [_vm(seen, watch, demand.watch, asked, now) for seen in look.vms]
    return QueueDemand(
        name=str(queue.name),
        messages_per_vm=queue.messages_per_vm,
        max_vms=queue.max_vms,
        visible=look.backlog.visible,
        messages=look.backlog.total,
        waiting_since=watch.waiting_since,
        looked_at=watch.looked_at,
        reason=demand.watch.reason,
        vms=tuple(sorted(vms, key=lambda vm: vm.vm_id.key)),
    )


def unseen_queue(watch: Watch, queue: WorkQueue, why: str) -> QueueDemand:
    """Say of a work queue that it could not be read; ``why``: in one line."""
    return QueueDemand(
        name=str(queue.name),
        messages_per_vm=queue.messages_per_vm,
        max_vms=queue.max_vms,
        visible=None,
        messages=None,
        waiting_since=watch.waiting_since,
        looked_at=watch.looked_at,
        reason="nothing is decided while it cannot be read",
        vms=(),
        unseen=why,
    )


def backlog_told(demand: QueueDemand) -> str:
    """Write how much work there is."""
    if demand.visible is None or demand.messages is None:
        return f"could not look ({demand.unseen})"
    return Backlog(demand.visible, demand.messages).told


def _vm(seen: QueueVm, before: Watch, after: Watch, asked: set[str], now: datetime) -> VmForWork:
    key = seen.vm.vm_id.key
    trouble = after.vms.get(key, VmWatch()).told
    return VmForWork(
        vm_id=seen.vm.vm_id,
        power_state=seen.vm.power_state,
        standing=standing_of(seen, watched(seen, before.vms.get(key, VmWatch()), now), now),
        doing=_doing(seen),
        last_word_at=last_word(seen.words),
        starts=key in asked,
        trouble=trouble.says if trouble else "",
    )


def _doing(seen: QueueVm) -> Doing | None:
    said = {word.doing for word in seen.words}
    return next((doing for doing in (Doing.BUSY, Doing.IDLE, Doing.STOPPING) if doing in said), None)
