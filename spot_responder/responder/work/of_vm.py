"""Adds to a situation what only a VM that serves a work queue has: whether the queue asks for it, and its own stops.

Called by ``gather.py``. A worker that has nothing to do deallocates its own VM. Azure tells of that as of an owner's
stop, by an ARM event with the VM's own identity as caller and by an annotation without any. Neither is an owner's wish,
however late it comes: the worker writes into the table ``workers`` before it stops its VM.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from spot_responder.decisions.evidence import Evidence
from spot_responder.decisions.work import serves_work, work_queue_of
from spot_responder.demand.decide_demand import work_of
from spot_responder.demand.looks import VmWatch
from spot_responder.intake.events import kind_of_annotation
from spot_responder.intake.payloads import plain_guid
from spot_responder.intake.signals import SignalKind, Source
from spot_responder.intake.vms import PowerState
from spot_responder.intake.work_queue_names import WorkQueueName

if TYPE_CHECKING:
    from spot_responder.decisions.policy import Policy
    from spot_responder.decisions.situations import Situation
    from spot_responder.demand.looks import Watch
    from spot_responder.intake.signals import Signal
    from spot_responder.intake.vms import Vm
    from spot_responder.responder.ports import WorkPorts

OWN_STOP_TAKES: Final = timedelta(minutes=10)
"""How long after its worker wrote so a VM's stop counts as its own: the request, and the deallocation itself."""

CLOCKS_DIFFER: Final = timedelta(minutes=2)
"""How far the VM's clock may be ahead of Azure's."""


async def add_work(situation: Situation, vm: Vm, policy: Policy, work: WorkPorts | None, now: datetime) -> Situation:
    """Add what a VM's work queue asks for, and leave out its own stops; other VMs are left as they are.

    Raises:
        AzureRefusedError: if the table ``workers`` could not be read, and an owner's stop depends on it.
    """
    is_stopped = situation.evidence.owner_stopped_at is not None
    if work is None or not serves_work(vm, policy) or (vm.power_state is PowerState.RUNNING and not is_stopped):
        return situation
    name = work_queue_of(vm, policy)
    if not isinstance(name, WorkQueueName):
        return situation
    watch = (await work.table.load(name)).value
    situation = replace(situation, work=work_of(vm.vm_id, watch, now))
    if not is_stopped:
        return situation
    return _without_own_stops(situation, vm, await _own_stops(vm, work, name, watch), now)


async def _own_stops(vm: Vm, work: WorkPorts, queue: WorkQueueName, watch: Watch) -> tuple[datetime, ...]:
    words = await work.queues.words(queue)
    name = vm.vm_id.name.lower()
    said = tuple(word.at for word in words if word.stops_vm and word.vm_name.lower() == name)
    return (*watch.vms.get(vm.vm_id.key, VmWatch()).own_stops, *said)


def _without_own_stops(situation: Situation, vm: Vm, own_stops: tuple[datetime, ...], now: datetime) -> Situation:
    """Weigh the evidence anew, without what only tells that the VM stopped itself.

    The row may have such a stop from when its event could not be answered: each is dropped once its event is.
    """
    evidence = situation.recovery.evidence if situation.recovery else Evidence()
    signal, annotation = situation.signal, vm.annotation
    if signal is not None and _is_own(signal.occurred_at, own_stops) and _may_be_own(signal, vm):
        evidence = evidence.without_stop(signal.occurred_at)
    elif signal is not None:
        evidence = evidence.with_signal(signal)
    is_stop = annotation is not None and kind_of_annotation(annotation.name) is SignalKind.STOPPED_BY_OWNER
    if annotation is not None and is_stop and _is_own(annotation.occurred_at, own_stops):
        evidence = evidence.without_stop(annotation.occurred_at)
    elif annotation is not None:
        evidence = evidence.with_annotation(annotation)
    return replace(situation, evidence=evidence.with_look(vm.power_state, now))


def _is_own(stopped_at: datetime | None, own_stops: tuple[datetime, ...]) -> bool:
    if stopped_at is None:
        return False
    return any(-CLOCKS_DIFFER <= stopped_at - said_at <= OWN_STOP_TAKES for said_at in own_stops)


def _may_be_own(signal: Signal, vm: Vm) -> bool:
    """Whether a stop may be the VM's own, by who asked for it: an event that names somebody else tells of its owner."""
    if signal.kind is not SignalKind.STOPPED_BY_OWNER:
        return False
    if signal.source is not Source.ARM_OPERATION or not signal.has_caller:
        return True
    return signal.caller is not None and vm.principal_id is not None and signal.caller == plain_guid(vm.principal_id)
