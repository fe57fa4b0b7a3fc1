"""Adds to a situation what only a VM that serves a work queue has: whether the queue asks for it, and its own stops.

Called by ``gather.py``. A worker that has nothing to do deallocates its own VM. Azure tells of that as of an owner's
stop, by an ARM event with the VM's own identity as caller and by an annotation without any. Neither is an owner's wish,
however late it comes: the worker writes into the table ``workers`` before it stops its VM.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from spot_responder.decisions.evidence import Evidence, Verdict
from spot_responder.decisions.work import serves_work, work_queue_of
from spot_responder.demand.decide_demand import work_of
from spot_responder.demand.looks import VmWatch
from spot_responder.demand.own_stops import (
    after_its_own_stop,
    identity_of,
    is_own,
    own_stops_said,
    unseen_own_stop,
    without_own_stops,
)
from spot_responder.intake.signals import SignalKind, Source
from spot_responder.intake.vms import PowerState
from spot_responder.intake.work_queue_names import WorkQueueName

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from spot_responder.decisions.policy import Policy
    from spot_responder.decisions.situations import Situation
    from spot_responder.demand.looks import Word
    from spot_responder.intake.signals import Signal
    from spot_responder.intake.vms import Vm
    from spot_responder.responder.ports import WorkPorts


async def add_work(situation: Situation, vm: Vm, policy: Policy, work: WorkPorts | None, now: datetime) -> Situation:
    """Add what a VM's work queue asks for, and leave out its own stops; other VMs are left as they are.

    Raises:
        AzureRefusedError: if the table ``workers`` could not be read, and the decision depends on it.
    """
    is_stopped = situation.evidence.owner_stopped_at is not None
    if work is None or not serves_work(vm, policy) or (vm.power_state is PowerState.RUNNING and not is_stopped):
        return situation
    name = work_queue_of(vm, policy)
    if not isinstance(name, WorkQueueName):
        return situation
    watch = (await work.table.load(name)).value
    situation = replace(situation, work=work_of(vm.vm_id, watch, now))
    if not is_stopped and not _may_be_overtaken(situation):
        return situation
    vm_watch = watch.vms.get(vm.vm_id.key, VmWatch())
    said = own_stops_said(vm, await work.queues.words(name), now)
    own_stops = (*vm_watch.own_stops, *said)
    if is_stopped:
        evidence = _weighed(situation, vm, own_stops, vm_watch, now)
        if evidence.verdict is Verdict.STOPPED_BY_OWNER:
            own_stops = (
                *own_stops,
                *own_stops_said(vm, await _words_elsewhere(work, policy.work_queues - {name}), now),
            )
            evidence = _weighed(situation, vm, own_stops, vm_watch, now)
        situation = replace(situation, evidence=evidence)
    if not _may_be_overtaken(situation):
        return situation
    unseen = unseen_own_stop(said, situation.evidence.own_stop_at, vm_watch.own_stops, watch.looked_at)
    return replace(situation, work=work_of(vm.vm_id, watch, now, unseen))


def _may_be_overtaken(situation: Situation) -> bool:
    """Whether the VM may have stopped itself after the look that asks for it. Not where it was evicted since."""
    evidence = situation.evidence
    own_stop_at, evicted_at = evidence.own_stop_at, evidence.evicted_at
    stopped_itself_since = own_stop_at is not None and evicted_at is not None and evicted_at < own_stop_at
    is_evicted = evidence.verdict is Verdict.EVICTED and not stopped_itself_since
    return not is_evicted and not situation.is_left_by_its_queue


async def _words_elsewhere(work: WorkPorts, others: Iterable[WorkQueueName]) -> list[Word]:
    """Give what workers of other queues wrote: the VM may have served one of them until a moment ago.

    They are asked only where nothing else explains a stop: one account that cannot be read is not to hold up all VMs.
    """
    answers = await asyncio.gather(*map(work.queues.words, sorted(others)))
    return [word for words in answers for word in words]


def _weighed(situation: Situation, vm: Vm, own_stops: tuple[datetime, ...], watch: VmWatch, now: datetime) -> Evidence:
    """Weigh the evidence anew, without the VM's own stops: that of the signal, and those that its row keeps."""
    evidence, signal = situation.recovery.evidence if situation.recovery else Evidence(), situation.signal
    if signal is not None and signal.occurred_at is not None and _is_of_its_own_stop(signal, vm, own_stops):
        without = after_its_own_stop if _says_who_asked(signal) else Evidence.without_stop
        evidence = without(evidence, signal.occurred_at)
    elif signal is not None:
        evidence = evidence.with_signal(signal)
    evidence = evidence.with_annotation(vm.annotation).with_look(vm.power_state, now)
    return without_own_stops(evidence, own_stops, watch.ran_at, identity_of(vm))


def _says_who_asked(signal: Signal) -> bool:
    return signal.source is Source.ARM_OPERATION and signal.has_caller


def _is_of_its_own_stop(signal: Signal, vm: Vm, own_stops: tuple[datetime, ...]) -> bool:
    """Whether a signal tells that the VM stopped itself: by who asked for it, or, where nobody is named, by when."""
    if signal.kind is not SignalKind.STOPPED_BY_OWNER:
        return False
    if _says_who_asked(signal):
        return signal.caller is not None and signal.caller == identity_of(vm)
    return is_own(signal.occurred_at, own_stops)
