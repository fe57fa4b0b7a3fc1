"""How to go on after Azure refused a VM another size, or a start with one. Pure.

Called by ``decide.py`` where that shows later, and by ``responder/acting/resizes.py`` where it is refused at once.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, assert_never

from spot_responder.decisions import pools
from spot_responder.decisions.fallback.sizes import has_owners_size, is_same, notes_of, sizes_of
from spot_responder.decisions.policy import ANSWER_PATIENCE, RESIZE_TAKES, UNFIT_HOLDS
from spot_responder.decisions.pools import PoolGate
from spot_responder.decisions.situations import OperationState, Wait
from spot_responder.intake.azure_errors import SHOWED_NOTHING, Failure, FailureKind

if TYPE_CHECKING:
    from datetime import datetime

    from spot_responder.decisions.policy import Policy
    from spot_responder.decisions.recoveries import Recovery
    from spot_responder.decisions.situations import Decision, Situation
    from spot_responder.intake.vms import Vm


FAULTS_EXCUSED: Final = 3
"""After how many faults in Azure in a row, or starts that showed nothing, the size that a VM was given counts as unfit:
they need not be about the size, but another one may start, and this one would be the next for ever."""


FAULT_BARS: Final = 2
"""For how many first pauses a size is left out whose change met a fault in Azure. The VM comes back after one of them,
and finds another size to ask for: else this one would use up all changes that are allowed."""


def resize_under_way(situation: Situation, vm: Vm, policy: Policy, now: datetime, jitter: float) -> Decision | None:
    """Wait for a change of size that Azure may be working on; ``None`` where it is done, or nothing came of it."""
    attempt, operation = situation.attempt_under_way, situation.operation
    if attempt is None or not attempt.resize_to:
        return None
    if operation and operation.failure:
        return decide_after_refused_size(attempt.resize_to, operation.failure, vm, situation.gate, policy, now, jitter)
    goes_on = operation is not None and operation.state is OperationState.IN_PROGRESS
    is_done = is_same(vm.size, attempt.resize_to) and not goes_on
    if is_done or has_owners_size(situation, vm) or now - attempt.asked_at >= ANSWER_PATIENCE:
        return None
    reason = f"it is being changed to {attempt.resize_to}, as asked for at {attempt.asked_at:%H:%M:%S}Z"
    return Wait(now + RESIZE_TAKES, reason)


def decide_after_refused_size(  # noqa: PLR0913, PLR0917 - all that such a decision rests on
    size: str, failure: Failure, vm: Vm, gate: PoolGate | None, policy: Policy, now: datetime, jitter: float
) -> Wait:
    """Decide how to go on after Azure did not give the VM a size: at once with the next one, where that may help."""
    gate = gate or PoolGate(pools.pool_of(vm, size))
    earliest = now + (failure.retry_after or timedelta())
    said = f"Azure did not change it to {size} ({failure.code})"
    if failure.kind is FailureKind.CAPACITY:
        return Wait(earliest, said, failure, pools.refused(gate, vm.vm_id.key, now, policy, jitter))
    left = pools.left(gate, vm.vm_id.key)
    match failure.kind:
        case FailureKind.THROTTLED:
            return Wait(max(earliest, now + policy.capacity_retry), said, failure, left)
        case FailureKind.CONFLICT | FailureKind.GONE:
            # Somebody else is at work on the VM, or it is going: the next look shows it.
            return Wait(max(earliest, now + policy.look_again), said, failure, left)
        case FailureKind.UNKNOWN if failure.is_a_fault_in_azure:
            return Wait(max(earliest, now + policy.capacity_retry), said, failure, left)
        case FailureKind.PRICE | FailureKind.QUOTA | FailureKind.DENIED | FailureKind.UNKNOWN:
            return Wait(earliest, said, failure, left)
        case _:
            assert_never(failure.kind)


def size_is_unfit_until(failure: Failure, policy: Policy, now: datetime) -> datetime | None:
    """Say until when a size is not asked for again that Azure refused; ``None`` where the refusal is not about it."""
    match failure.kind:
        case FailureKind.CAPACITY | FailureKind.THROTTLED | FailureKind.CONFLICT | FailureKind.GONE:
            return None
        case FailureKind.PRICE:
            return now + policy.price_retry
        case FailureKind.QUOTA | FailureKind.DENIED:
            return now + policy.slow_retry
        case FailureKind.UNKNOWN:
            return now + (FAULT_BARS * policy.capacity_retry if failure.is_a_fault_in_azure else UNFIT_HOLDS)
        case _:
            assert_never(failure.kind)


def unfit_after_start(failure: Failure, vm: Vm, recovery: Recovery, policy: Policy, now: datetime) -> datetime | None:
    """Say until when the size that a VM was given is not tried again, after its start was refused; else ``None``.

    ``recovery``: as it was before that refusal.
    """
    notes = notes_of(recovery)
    is_given = len(sizes_of(vm, recovery, policy)) > 1 and not is_same(vm.size, notes.first_of(vm.size))
    if not is_given or failure.lacks_token:
        return None
    if failure.is_a_fault_in_azure or failure.code == SHOWED_NOTHING:
        lasts = recovery.failures.in_a_row_of(failure.kind) + 1 >= FAULTS_EXCUSED
        return now + policy.slow_retry if lasts else None
    return size_is_unfit_until(failure, policy, now)


def goes_on_with_another_size(failure: Failure, vm: Vm, recovery: Recovery, policy: Policy, now: datetime) -> bool:
    """Whether the VM's other sizes are looked at right after its start was refused. ``recovery``: as it was before."""
    if failure.kind is FailureKind.CAPACITY:
        return len(sizes_of(vm, recovery, policy)) > 1
    return unfit_after_start(failure, vm, recovery, policy, now) is not None
