"""Gather: find out what is true about one VM before anything is decided.

Called by ``responder.py``; ``decisions/decide.py`` goes on with the ``Situation``. ``operators/gather.py`` uses the
same look.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from spot_responder.decisions.attempts import AttemptState
from spot_responder.decisions.evidence import Evidence
from spot_responder.decisions.pools import pool_of
from spot_responder.decisions.recoveries import Absence
from spot_responder.decisions.situations import Operation, Situation
from spot_responder.decisions.work import covers, serves_work
from spot_responder.intake.signals import Signal, SignalKind, Source
from spot_responder.intake.vms import PowerState
from spot_responder.responder.work.of_vm import add_work

if TYPE_CHECKING:
    from datetime import datetime

    from spot_responder.decisions.policy import Policy
    from spot_responder.decisions.pools import PoolId
    from spot_responder.decisions.recoveries import Recovery
    from spot_responder.intake.vms import Vm, VmId
    from spot_responder.responder.ports import Ports


SEQUENCES_AHEAD: Final = 8
"""How far a follow-up's number may be ahead of its row's: one look puts a few follow-ups, and the row may not have been
saved. One that is further ahead is forged, and would be valid for ever."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """A situation, when its gathering began, and the ETag of the row it was gathered from.

    ``pool_id``: the pool whose gate the decision rests on, if it rests on one. A gate changes so often that it is read
    only at the moment of the decision (``responder/pool_gates.py``).
    """

    situation: Situation
    begun_at: datetime
    etag: str | None
    pool_id: PoolId | None = None


async def gather_rows(signal: Signal, ports: Ports, begun_at: datetime) -> Gathered | None:
    """Give what is known of a VM without reading the VM: its row, and whether it may be queued in its pool.

    ``None`` for a follow-up that is stale, and for a signal that says nothing new of a recovery.
    """
    stored = await ports.store.load(signal.vm_id)
    recovery = stored.value
    if signal.kind is SignalKind.FOLLOW_UP and not _is_valid_follow_up(signal, recovery):
        return None
    if recovery is not None and _is_echo(signal, recovery):
        return None
    evidence = (recovery.evidence if recovery else Evidence()).with_signal(signal)
    is_open = recovery is not None and recovery.is_open
    noted = Absence(signal.unseen_since, signal.unseen_since) if signal.unseen_since else None
    absence = recovery.absence if recovery and is_open else noted
    situation = Situation(signal.vm_id, signal.kind, None, recovery, evidence, absence=absence, signal=signal)
    rows = Gathered(situation, begun_at, stored.etag)
    is_queued = recovery is not None and is_open and recovery.seen_queued_at is not None
    if recovery is None or not is_queued or signal.kind.may_end_a_wait:
        # Not queued, or no longer, as the signal may say: the VM itself has to be read.
        return rows
    # For ``MassEviction``, which may let it wait unread; ``look`` sets the pool by what it sees.
    return replace(rows, pool_id=recovery.pool)


async def peek_at_graph(rows: Gathered, ports: Ports, policy: Policy) -> Gathered | None:
    """Add what Resource Graph knows of a VM that Azure has just evicted; ``None`` where it adds nothing.

    In a mass eviction that and its pool's gate are enough to see that the VM has to wait, and each look costs a read of
    ARM.

    Raises:
        AzureRefusedError: if Azure did not let the app look.
    """
    situation = rows.situation
    if situation.kind is not SignalKind.EVICTED or situation.open_recovery is not None:
        return None
    vm = await ports.graph.confirm(situation.vm_id)
    if vm is None or serves_work(vm, policy) or not vm.is_covered(policy.restart_tag):
        return None
    return replace(rows, situation=replace(situation, vm=vm), pool_id=pool_of(vm))


async def look(rows: Gathered, ports: Ports, policy: Policy) -> Gathered:
    """Read the VM, and add that to what its rows say.

    Raises:
        AzureRefusedError: if Azure did not let the app look.
    """
    before = rows.situation
    seen = await _look_at(before, ports, policy)
    vm = seen.vm
    if vm is None:
        return replace(rows, situation=_absent(before, seen.shown, rows.begun_at), pool_id=None)
    evidence = before.evidence.with_annotation(vm.annotation).with_look(vm.power_state, rows.begun_at)
    recovery = before.recovery and replace(before.recovery, sizes=before.recovery.sizes.about(vm.unique_id))
    situation = replace(before, vm=vm, recovery=recovery, evidence=evidence, absence=None)
    situation = replace(situation, operation=await _operation(situation, vm, ports))
    situation = await add_work(situation, vm, policy, ports.work, rows.begun_at)
    pool_id = pool_of(situation.as_it_was_asked_for(vm)) if _concerns_the_pool(situation, vm) else None
    return replace(rows, situation=situation, pool_id=pool_id)


@dataclass(frozen=True, slots=True)
class _Seen:
    """``vm``: as ARM shows it, or Resource Graph where that is enough; ``shown``: what Resource Graph shows."""

    vm: Vm | None
    shown: Vm | None = None


def _absent(before: Situation, shown: Vm | None, now: datetime) -> Situation:
    evidence = before.evidence.with_annotation(shown.annotation) if shown else before.evidence
    absence = before.absence or Absence(now, now)
    absence = replace(absence, unseen_since=None if shown else absence.unseen_since or now)
    return replace(before, vm=None, shown=shown, evidence=evidence, absence=absence)


async def _look_at(situation: Situation, ports: Ports, policy: Policy) -> _Seen:
    """Ask Resource Graph and, where a decision may rest on it, ARM: the graph may be minutes old.

    The graph's word that a VM is not covered is enough, but for one with an open recovery or an owner's stop: its tag
    may be newer than the graph. A VM that is not Spot can be covered by the tag of a work queue only.
    """
    vm_id, recovery = situation.vm_id, situation.open_recovery
    if recovery is not None and recovery.attempt_under_way:
        return await _look_at_what_may_come_up(vm_id, ports)
    shown = situation.vm or await ports.graph.confirm(vm_id)
    is_news = recovery is not None or situation.kind is SignalKind.STOPPED_BY_OWNER
    matters = is_news and shown is not None and (shown.is_spot or bool(policy.work_queues))
    if shown and not matters and not covers(shown, policy):
        return _Seen(shown, shown)
    return _joined(await ports.compute.current(vm_id), shown)


async def _look_at_what_may_come_up(vm_id: VmId, ports: Ports) -> _Seen:
    """Ask ARM first: for a VM that is up or coming up, Resource Graph adds nothing that matters."""
    current = await ports.compute.current(vm_id)
    if current is not None and current.power_state.is_up_or_coming_up:
        return _Seen(current)
    return _joined(current, await ports.graph.confirm(vm_id))


def _joined(current: Vm | None, shown: Vm | None) -> _Seen:
    return _Seen(shown.with_current(current) if shown and current else current, shown)


async def _operation(situation: Situation, vm: Vm, ports: Ports) -> Operation | None:
    attempt = situation.attempt_under_way
    # For a VM that is up or coming up, the operation behind its start adds nothing that matters.
    if attempt is None or attempt.operation_url is None or vm.power_state.is_up_or_coming_up:
        return None
    return await ports.compute.operation(attempt.operation_url)


def _is_valid_follow_up(signal: Signal, recovery: Recovery | None) -> bool:
    """Whether it is the expected follow-up, or a newer one whose row was saved later or not at all."""
    if recovery is None or not recovery.is_open or signal.sequence is None:
        return False
    return signal.sequence >= recovery.sequence and signal.sequence - recovery.sequence <= SEQUENCES_AHEAD


def _is_echo(signal: Signal, recovery: Recovery) -> bool:
    """Whether it adds nothing to an open recovery: its VM is known to be down, or the accepted start has begun.

    The follow-up reads the VM; in a mass eviction there are two such signals for each VM.
    """
    if not recovery.is_open:
        return _came_up_as_we_saw(signal, recovery) or _opened_it_before(signal, recovery)
    if recovery.evidence.with_signal(signal) != recovery.evidence:
        return False
    if signal.kind is SignalKind.AGENT_NOTICED:
        return True
    if signal.kind is SignalKind.UNAVAILABLE:
        return recovery.evidence.evicted_at is not None
    accepted = recovery.attempt_under_way is not None and recovery.attempt_under_way.state is AttemptState.ACCEPTED
    return accepted and signal.kind is SignalKind.STARTED and signal.source is Source.HEALTH_ANNOTATION


def _opened_it_before(signal: Signal, recovery: Recovery) -> bool:
    """Whether it is the notice once more that opened the recovery, which is over."""
    return signal.report is not None and signal.report.message_id == recovery.agent.notice_id


def _came_up_as_we_saw(signal: Signal, recovery: Recovery) -> bool:
    """Whether it says only what the look that closed the recovery saw: that the VM runs."""
    if signal.kind is not SignalKind.STARTED or recovery.evidence.evicted_at or recovery.evidence.owner_stopped_at:
        return False
    occurred_at, came_up_at = signal.occurred_at, recovery.came_up_at
    return occurred_at is not None and came_up_at is not None and occurred_at <= came_up_at


def _concerns_the_pool(situation: Situation, vm: Vm) -> bool:
    """Whether its gate is asked: the VM is down and may be started, or it is up again and its place is free."""
    is_up_again = vm.power_state is PowerState.RUNNING and situation.open_recovery is not None
    return vm.power_state is PowerState.DEALLOCATED or is_up_again
