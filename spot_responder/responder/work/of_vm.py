"""Adds to a situation what only a VM that serves a work queue has: whether the queue asks for it, and its own stops.

Called by ``gather.py``. A worker that has nothing to do deallocates its own VM. Azure tells of that as of an owner's
stop, by an ARM event with the VM's own identity as caller and by an annotation without any. Neither is an owner's wish,
however late it comes: the worker writes into the table ``workers`` before it stops its VM.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from spot_responder.decisions.evidence import Evidence
from spot_responder.decisions.work import serves_work, work_queue_of
from spot_responder.demand.decide_demand import work_of
from spot_responder.demand.looks import VmWatch
from spot_responder.demand.own_stops import OWN_STOP_TAKES, identity_of, is_own, without_own_stops
from spot_responder.intake.signals import SignalKind, Source
from spot_responder.intake.vms import PowerState
from spot_responder.intake.work_queue_names import WorkQueueName

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from spot_responder.decisions.policy import Policy
    from spot_responder.decisions.situations import Situation
    from spot_responder.intake.signals import Signal
    from spot_responder.intake.vms import Vm
    from spot_responder.responder.ports import WorkPorts


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
    vm_watch, said = watch.vms.get(vm.vm_id.key, VmWatch()), await _said(vm, work, policy.work_queues)
    own_stops = (*vm_watch.own_stops, *said)
    evidence = _weighed(situation, vm, own_stops).with_look(vm.power_state, now)
    evidence = without_own_stops(evidence, own_stops, vm_watch.seen_up_at, identity_of(vm))
    return replace(situation, evidence=evidence)


async def _said(vm: Vm, work: WorkPorts, queues: Iterable[WorkQueueName]) -> tuple[datetime, ...]:
    """Give when the VM's workers wrote that they would stop it. It may have served another queue than it does now."""
    words = chain.from_iterable(await asyncio.gather(*map(work.queues.words, sorted(queues))))
    return tuple(word.at for word in words if word.stops_vm and word.vm_name.lower() == vm.vm_id.name.lower())


def _weighed(situation: Situation, vm: Vm, own_stops: tuple[datetime, ...]) -> Evidence:
    """Weigh the evidence anew, without a signal that tells of the VM's own stop."""
    evidence, signal = situation.recovery.evidence if situation.recovery else Evidence(), situation.signal
    if signal is not None and _is_of_its_own_stop(signal, vm, own_stops):
        evidence = _after_its_own_stop(evidence, signal)
    elif signal is not None:
        evidence = evidence.with_signal(signal)
    return evidence.with_annotation(vm.annotation)


def _after_its_own_stop(evidence: Evidence, signal: Signal) -> Evidence:
    """Leave the stop out. Where Azure names the VM as the caller, it ran then, and what was before is over."""
    if signal.occurred_at is None or signal.source is not Source.ARM_OPERATION:
        return evidence.without_stop(signal.occurred_at)
    return evidence.without_stop(signal.occurred_at).settled(signal.occurred_at - OWN_STOP_TAKES)


def _is_of_its_own_stop(signal: Signal, vm: Vm, own_stops: tuple[datetime, ...]) -> bool:
    """Whether a signal tells that the VM stopped itself: by who asked for it, or, where nobody is named, by when."""
    if signal.kind is not SignalKind.STOPPED_BY_OWNER:
        return False
    if signal.source is Source.ARM_OPERATION and signal.has_caller:
        return signal.caller is not None and signal.caller == identity_of(vm)
    return is_own(signal.occurred_at, own_stops)
