"""The rules for VMs that carry ``StartForWork``: such a VM is started while its work queue asks for it, and only then.

Where a deployment has work queues, that tag alone decides about a VM that carries it, whatever other tags it has.
``demand`` finds out which VMs a queue asks for, ``responder/gather.py`` hands that on as ``Work``, and ``decide.py``
asks the rules. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from spot_responder.decisions.outcomes import Outcome
from spot_responder.decisions.situations import Wait
from spot_responder.intake.vms import tag_value
from spot_responder.intake.work_queue_names import WORK_TAG, NotAWorkQueueError, WorkQueueName

if TYPE_CHECKING:
    from datetime import datetime

    from spot_responder.decisions.policy import Policy
    from spot_responder.decisions.situations import Decision, Situation
    from spot_responder.intake.vms import Vm

LOOK_AT_QUEUE: Final = timedelta(minutes=1)
"""How long a VM waits that cannot be decided on until its work queue is read: those are read each minute."""


@dataclass(frozen=True, slots=True)
class NoWorkQueue:
    """The tag names no work queue of this deployment; ``reason`` says why."""

    reason: str


def serves_work(vm: Vm, policy: Policy) -> bool:
    """Whether ``StartForWork`` decides about the VM."""
    return bool(policy.work_queues) and tag_value(vm.tags, WORK_TAG) is not None


def work_queue_of(vm: Vm, policy: Policy) -> WorkQueueName | NoWorkQueue:
    """Give the work queue that the VM's tag names, if it is one of this deployment's."""
    try:
        name = WorkQueueName.parse(tag_value(vm.tags, WORK_TAG) or "")
    except NotAWorkQueueError as problem:
        return NoWorkQueue(f"its tag {WORK_TAG}: {problem}")
    if name not in policy.work_queues:
        return NoWorkQueue(f"its tag {WORK_TAG} names {name}, which is no work queue of this deployment")
    return name


def covers(vm: Vm, policy: Policy) -> bool:
    """Whether the app starts the VM, for work or after an eviction, as far as is known."""
    if not serves_work(vm, policy):
        return vm.is_covered(policy.restart_tag)
    return isinstance(work_queue_of(vm, policy), WorkQueueName) and not vm.restored_by_scale_set


def not_for_our_work(situation: Situation, vm: Vm, policy: Policy, _now: datetime, _jitter: float) -> Decision | None:
    """End where the tag names no work queue of ours."""
    queue = work_queue_of(vm, policy)
    if isinstance(queue, WorkQueueName):
        return None
    return situation.ended(Outcome.OPTED_OUT, queue.reason, remember=False)


def not_asked_for(situation: Situation, _vm: Vm, _policy: Policy, now: datetime, _jitter: float) -> Decision | None:
    """End where the VM's work queue does not ask for it; wait where that is not known at the moment."""
    work = situation.work
    if work is None or work.asks_for_it is None:
        why = work.reason if work else "what its work queue asks for was not read"
        return Wait(now + LOOK_AT_QUEUE, why, obstacle_since=situation.obstacle_since(now))
    if work.asks_for_it:
        return None
    return situation.ended(Outcome.NO_WORK, work.reason)
