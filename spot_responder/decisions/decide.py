"""The rules that decide what to do about one VM, and why. Pure: facts, time and chance are arguments.

``decide`` goes through its rules in their order; the first that has an answer wins. Called by
``responder/responder.py``, which hands the decision to ``responder/act.py``, and by ``operators/gather.py`` to foretell
it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from spot_responder.decisions import pools
from spot_responder.decisions.attempts import Attempt, AttemptState
from spot_responder.decisions.evidence import Verdict
from spot_responder.decisions.fallback.refusals import resize_under_way
from spot_responder.decisions.fallback.sizes import (
    Obstacle,
    is_same,
    notes_of,
    obstacle,
    sizes_of,
    was_given,
    was_tried,
)
from spot_responder.decisions.outcomes import Outcome
from spot_responder.decisions.policy import (
    ANSWER_PATIENCE,
    INTENT_GRACE,
    QUEUED_LOOK_HOLDS,
    START_PATIENCE,
    Policy,
    RestartWhen,
)
from spot_responder.decisions.pools import Admitted, PoolGate, Queued
from spot_responder.decisions.publishing.notices import noticed_if_it_lasts
from spot_responder.decisions.refused_starts import decide_after_failure
from spot_responder.decisions.rules.absences import decide_about_an_absent_vm
from spot_responder.decisions.rules.brake_and_budget import brake, budget
from spot_responder.decisions.rules.power_states import (
    next_look,
    stopped_by_its_owner,
    up_or_on_its_way,
    wait_until_it_passes,
    went_down_after,
)
from spot_responder.decisions.situations import (
    Decision,
    OperationState,
    Resize,
    Situation,
    Start,
    Wait,
)
from spot_responder.decisions.work import not_asked_for, not_for_our_work, serves_work
from spot_responder.intake.azure_errors import SHOWED_NOTHING, Failure, FailureKind
from spot_responder.intake.signals import SignalKind
from spot_responder.text import span

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from spot_responder.decisions.recoveries import Recovery
    from spot_responder.intake.vms import Vm


def decide(situation: Situation, policy: Policy, now: datetime, jitter: float) -> Decision:
    """Decide what to do about one VM. ``jitter`` (0 to 1) spreads retries in time."""
    decision = _first_that_applies(situation, policy, now, jitter)
    return noticed_if_it_lasts(decision, situation.recovery, now) if isinstance(decision, Wait) else decision


def _first_that_applies(situation: Situation, policy: Policy, now: datetime, jitter: float) -> Decision:
    if situation.vm is None:
        return decide_about_an_absent_vm(situation, policy, now)
    is_for_work = serves_work(situation.vm, policy)
    rules: tuple[Callable[[Situation, Vm, Policy, datetime, float], Decision | None], ...] = (
        not_for_our_work if is_for_work else _not_covered,
        _restored_by_its_scale_set,
        up_or_on_its_way,
        stopped_by_its_owner,
        resize_under_way,
        _start_under_way,
        _held_by_an_operator,
        _still_waiting_after_a_refusal,
        _scale_set_unknown,
        *((not_asked_for,) if is_for_work else ()),
        _too_little_evidence,
        brake,
        budget,
    )
    for rule in rules:
        decision = rule(situation, situation.vm, policy, now, jitter)
        if decision is not None:
            return decision
    return _start_if_the_pool_admits(situation, situation.vm, policy, now, jitter)


def decide_in_the_pool_queue(situation: Situation, policy: Policy, now: datetime, jitter: float) -> Wait | None:
    """Decide that a VM waits, by its row and its pool's gate alone; ``None``: the VM itself must be read first.

    Only where the VM was recently read as deallocated and queued, or Azure has just reported its eviction. Hundreds of
    VMs may be queued, and Azure limits how many requests may be sent each second.
    """
    gate = situation.gate
    if situation.vm is not None and sizes_of(situation.vm, situation.recovery, policy):
        # Another pool may have a place.
        return None
    if gate is None or not (_was_seen_queued(situation, now) or _was_just_evicted(situation)):
        return None
    answer = _admission(situation, gate, policy, now, jitter)
    return _wait_in_the_queue(answer, gate) if isinstance(answer, Queued) else None


def _was_seen_queued(situation: Situation, now: datetime) -> bool:
    recovery = situation.open_recovery
    if recovery is None or situation.evidence.verdict is Verdict.STOPPED_BY_OWNER:
        return False
    return recovery.seen_queued_at is not None and now - recovery.seen_queued_at < QUEUED_LOOK_HOLDS


def _was_just_evicted(situation: Situation) -> bool:
    is_news = situation.kind is SignalKind.EVICTED and situation.open_recovery is None
    return is_news and situation.vm is not None and situation.evidence.verdict is Verdict.EVICTED


def _not_covered(situation: Situation, vm: Vm, policy: Policy, _now: datetime, _jitter: float) -> Decision | None:
    if not vm.is_spot:
        outcome, reason = Outcome.NOT_SPOT, f"not a Spot VM (priority {vm.priority or 'Regular'})"
    elif not vm.has_tag(policy.restart_tag):
        outcome, reason = Outcome.OPTED_OUT, f"its owner did not ask for it: no tag {policy.restart_tag}=true"
    else:
        return None
    return situation.ended(outcome, reason, remember=False)


def _restored_by_its_scale_set(
    situation: Situation, vm: Vm, _policy: Policy, _now: datetime, _jitter: float
) -> Decision | None:
    if not vm.restored_by_scale_set:
        return None
    reason = f"its scale set restores it by itself (spotRestorePolicy of {vm.scale_set_id})"
    return situation.ended(Outcome.OWNED_BY_SCALE_SET, reason, remember=False)


def _start_under_way(situation: Situation, vm: Vm, policy: Policy, now: datetime, jitter: float) -> Decision | None:
    """Go on with the start that was asked for; ``None``: none was, or it is over, and another may be asked for."""
    recovery, attempt = situation.open_recovery, situation.attempt_under_way
    if recovery is None or attempt is None or attempt.resize_to:
        return None
    if attempt.state is AttemptState.ASKED:
        return _start_not_answered(situation, attempt, policy, now)
    if situation.operation and situation.operation.failure:
        asked = situation.as_it_was_asked_for(vm)
        wait = decide_after_failure(situation.operation.failure, asked, recovery, situation.gate, policy, now, jitter)
        return wait if is_same(asked.size, vm.size) else _with_its_new_size(wait, vm, now)
    state = situation.operation.state if situation.operation else OperationState.IN_PROGRESS
    is_evicted_again = went_down_after(attempt, situation.evidence)
    if state is OperationState.SUCCEEDED and is_evicted_again:
        return None
    if now - attempt.asked_at < START_PATIENCE:
        reason = f"the start accepted at {_clock(attempt.asked_at)} is {state}; it does not run yet"
        return Wait(next_look(situation, policy, now), reason)
    if is_evicted_again:
        return None
    return decide_after_failure(_showed_nothing(attempt), vm, recovery, situation.gate, policy, now, jitter)


def _start_not_answered(situation: Situation, attempt: Attempt, policy: Policy, now: datetime) -> Wait | None:
    """Wait for the answer to a start; ``None`` once it cannot come any more: the app died before it was saved."""
    answer_by = attempt.asked_at + ANSWER_PATIENCE
    if now >= answer_by:
        return None
    reason = f"a start was asked for at {_clock(attempt.asked_at)}, and its answer is not known yet"
    return Wait(max(answer_by, next_look(situation, policy, now)), reason)


def _with_its_new_size(wait: Wait, vm: Vm, now: datetime) -> Wait:
    """Go on at once where Azure refused a size that the VM no longer has, unless Azure asked for a pause."""
    failure = wait.failure
    if failure is None or failure.kind not in {FailureKind.CAPACITY, FailureKind.PRICE, FailureKind.QUOTA}:
        return wait
    reason = f"{wait.reason}; since then its owner has given it {vm.size}, which is looked at next"
    return replace(wait, until=now + (failure.retry_after or timedelta()), reason=reason)


def _showed_nothing(attempt: Attempt) -> Failure:
    message = f"the start accepted at {_clock(attempt.asked_at)} showed nothing within {span(START_PATIENCE)}"
    return Failure(FailureKind.UNKNOWN, SHOWED_NOTHING, message, None)


def _held_by_an_operator(
    situation: Situation, _vm: Vm, policy: Policy, now: datetime, _jitter: float
) -> Decision | None:
    held_at = situation.recovery.held_at if situation.recovery else None
    if held_at is None:
        return None
    # It is still read, seldom: others may start it, or it may be gone.
    return Wait(now + policy.slow_retry, f"an operator holds it since {held_at:%Y-%m-%d %H:%M:%S}Z: not started")


def _still_waiting_after_a_refusal(
    situation: Situation, _vm: Vm, _policy: Policy, now: datetime, _jitter: float
) -> Decision | None:
    """Wait until the time that the latest refusal set, whatever other signals come.

    An operator's ``retry`` overrides that, except where Azure asked to slow down; also for the start that follows a
    change of size.
    """
    recovery = situation.recovery
    if recovery is None or recovery.not_before is None or now >= recovery.not_before:
        return None
    # Azure's request to slow down holds for the next recovery of this VM as well.
    may_ask = (
        situation.kind is SignalKind.OPERATOR_ASKED or not recovery.is_open or situation.attempt_under_way is not None
    )
    if may_ask and recovery.slow_down_until is None:
        return None
    if recovery.wake_at == recovery.not_before:
        return Wait(recovery.not_before, recovery.reason)
    kind = recovery.failures.kind or "another size"
    return Wait(recovery.not_before, f"Azure refused ({kind}), and is not to be asked again so soon")


def _scale_set_unknown(situation: Situation, vm: Vm, policy: Policy, now: datetime, _jitter: float) -> Decision | None:
    if vm.scale_set_id is None or vm.restored_by_scale_set is not None:
        return None
    reason = "Resource Graph does not show yet whether its scale set restores it"
    return wait_until_it_passes(situation, reason, policy, now)


def _too_little_evidence(
    situation: Situation, _vm: Vm, policy: Policy, now: datetime, _jitter: float
) -> Decision | None:
    evidence, recovery = situation.evidence, situation.open_recovery
    if evidence.verdict is Verdict.EVICTED and evidence.evicted_at is not None:
        return None
    if situation.is_asked_for_by_its_queue or (situation.work and evidence.tells_of_its_own_stop(now)):
        return None
    if policy.restart_when is RestartWhen.EVICTED and evidence.verdict is not Verdict.EVICTED:
        return situation.ended(Outcome.NOT_EVICTED, "nothing says that it was evicted, and RESTART_WHEN=evicted")
    since = recovery.heard_down_at(evidence) if recovery else now
    if now - since < INTENT_GRACE:
        only = "only its agent" if evidence.verdict is Verdict.EVICTED else "nothing"
        return Wait(since + INTENT_GRACE, f"it is down and {only} says why yet: its owner's stop may still be told")
    return None


def _start_if_the_pool_admits(situation: Situation, vm: Vm, policy: Policy, now: datetime, jitter: float) -> Decision:
    size = situation.size_considered or vm.size
    in_its_way = _obstacle_of_size(situation, vm, policy, now)
    if in_its_way is not None:
        return Wait(in_its_way.until or now + policy.slow_retry, in_its_way.told, keeps_from_size=True)
    gate = situation.gate or PoolGate(pools.pool_of(vm, size))
    if situation.kind is SignalKind.OPERATOR_ASKED and not situation.heeds_pauses:
        gate = pools.due(gate, now)
    keeps_its_place = was_given(size, situation, vm, policy) and pools.holds_place(gate, vm.vm_id.key, now)
    answer = Admitted(gate) if keeps_its_place else _admission(situation, gate, policy, now, jitter)
    if isinstance(answer, Queued):
        return _wait_in_the_queue(answer, gate)
    if not is_same(size, vm.size):
        return _change_of_size(situation, vm, size, answer.gate)
    why = situation.work.reason if situation.work else f"a tagged Spot VM, deallocated, {situation.evidence.verdict}"
    return Start(vm, why, answer.gate)


def _change_of_size(situation: Situation, vm: Vm, size: str, gate: PoolGate) -> Resize:
    why = _why_this_size(size, vm, situation.recovery)
    offered = situation.offered.get(size.lower())
    spelled = offered.size if offered else size
    return Resize(vm, spelled, f"{why}: it is changed from {vm.size} to {spelled}, then started", gate)


def _why_this_size(size: str, vm: Vm, recovery: Recovery | None) -> str:
    first = notes_of(recovery).first_of(vm.size)
    if not is_same(size, first):
        return f"no capacity for {first}"
    return "its first size is tried again" if was_tried(size, recovery) else "its first size is tried first"


def _obstacle_of_size(situation: Situation, vm: Vm, policy: Policy, now: datetime) -> Obstacle | None:
    """Say what keeps the VM from the size that is asked about; nothing, where none but its own may be tried."""
    size = situation.size_considered
    if not size:
        return None
    return obstacle(size, situation.offered.get(size.lower()), vm, situation.recovery, policy, now)


def _admission(situation: Situation, gate: PoolGate, policy: Policy, now: datetime, jitter: float) -> Admitted | Queued:
    recovery = situation.open_recovery
    down_since = situation.evidence.down_since(recovery.heard_down_at(situation.evidence) if recovery else now)
    # Half a turn at least: without it, a VM that is queued would be back at once.
    turn = policy.turn(now - down_since) * (0.5 + jitter)
    return pools.admit(gate, situation.vm_id.key, down_since, now, turn)


def _wait_in_the_queue(answer: Queued, gate: PoolGate) -> Wait:
    has_closed = gate.closed_until is not None
    return Wait(answer.until, _why_queued(gate), in_pool_queue=True, pool_has_closed=has_closed)


def _why_queued(gate: PoolGate) -> str:
    if not gate.refusals:
        return f"its turn has not come: {gate.width} at a time are tried for {gate.pool_id}"
    times = "once" if gate.refusals == 1 else f"{gate.refusals} times in a row"
    return f"no capacity just now: {gate.pool_id} refused {times}"


def _clock(time: datetime) -> str:
    return f"{time:%H:%M:%S}Z"
