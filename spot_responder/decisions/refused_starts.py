"""How to go on after Azure refused a start: when it is tried again, and what it means for the VM's pool. Pure.

Called by ``decide.py`` for a start that failed later, and by ``responder/acting/starts.py`` for one refused at once.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from spot_responder.decisions import pools
from spot_responder.decisions.fallback.refusals import goes_on_with_another_size
from spot_responder.decisions.pauses import pause_after
from spot_responder.decisions.pools import PoolGate
from spot_responder.decisions.situations import Wait
from spot_responder.intake.azure_errors import Failure, FailureKind

if TYPE_CHECKING:
    from spot_responder.decisions.policy import Policy
    from spot_responder.decisions.recoveries import Recovery
    from spot_responder.intake.vms import Vm

YIELDS_AFTER: Final = 5
"""After how many refusals in a row a VM whose own start was the last one refused waits for its turn like all others."""


def decide_after_failure(  # noqa: PLR0913, PLR0917 - all that such a decision rests on
    failure: Failure, vm: Vm, recovery: Recovery, gate: PoolGate | None, policy: Policy, now: datetime, jitter: float
) -> Wait:
    """Decide how to go on after Azure refused a start, at once or inside the operation.

    The delay is the failure kind's own, and never shorter than what Azure asked for.
    """
    gate = gate or PoolGate(pools.pool_of(vm))
    told = failure.code
    if failure.kind is FailureKind.CAPACITY:
        closed = pools.refused(gate, vm.vm_id.key, now, policy, jitter)
        # After many refusals the cause may be this VM: the others must not always come after it.
        yields = gate.refused_last == vm.vm_id.key and gate.refusals >= YIELDS_AFTER
        turn = policy.turn(now - recovery.opened_at) * (0.5 + jitter) if yields else timedelta()
        if goes_on_with_another_size(failure, vm, recovery, policy, now):
            reason = f"no capacity for {closed.pool_id} ({told}): its other sizes are next"
            return Wait(_earliest(failure, now), reason, failure, closed)
        until = max((closed.closed_until or now) + turn, _earliest(failure, now))
        return Wait(until, f"no capacity for {closed.pool_id} ({told})", failure, closed)
    if goes_on_with_another_size(failure, vm, recovery, policy, now):
        reason = f"{vm.size} cannot be started ({told}): its other sizes are next"
        return Wait(_earliest(failure, now), reason, failure, pools.left(gate, vm.vm_id.key))
    delay, why = pause_after(failure, recovery.failures.in_a_row_of(failure.kind), vm, policy)
    until = max(now + delay * (1 + 0.2 * jitter), _earliest(failure, now))
    return Wait(until, f"{why} ({told})", failure, pools.left(gate, vm.vm_id.key))


def counts_as_attempt(failure: Failure) -> bool:
    """Whether a refusal counts: a throttled request was never tried, one without a token never sent."""
    return failure.kind is not FailureKind.THROTTLED and not failure.lacks_token


def _earliest(failure: Failure, now: datetime) -> datetime:
    return now + (failure.retry_after or timedelta())
