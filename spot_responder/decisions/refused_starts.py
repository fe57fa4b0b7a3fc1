"""How to go on after Azure refused a start: a delay for each failure kind, with its reason beside it. Pure.

Called by ``decide.py`` for a start that failed later, and by ``responder/acting/requests.py`` for one refused at once.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, assert_never

from spot_responder.decisions import pools
from spot_responder.decisions.fallback.refusals import goes_on_with_another_size
from spot_responder.decisions.pools import MOST_DOUBLINGS, PoolGate
from spot_responder.decisions.situations import Wait
from spot_responder.intake.azure_errors import Failure, FailureKind
from spot_responder.offerings.max_prices import told_spot_price

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
    delay, why = _delay_after(failure, recovery.failures.in_a_row_of(failure.kind), vm, policy)
    until = max(now + delay * (1 + 0.2 * jitter), _earliest(failure, now))
    return Wait(until, f"{why} ({told})", failure, pools.left(gate, vm.vm_id.key))


def counts_as_attempt(failure: Failure) -> bool:
    """Whether a refusal counts: a throttled request was never tried, one without a token never sent."""
    return failure.kind is not FailureKind.THROTTLED and not failure.lacks_token


def _delay_after(failure: Failure, failures_in_a_row: int, vm: Vm, policy: Policy) -> tuple[timedelta, str]:
    growth = 2 ** min(failures_in_a_row, MOST_DOUBLINGS)
    match failure.kind:
        case FailureKind.PRICE:
            # Spot prices move by the hour or slower; asking sooner only costs requests.
            price = told_spot_price(failure.message)
            told = f", {price:g}" if price is not None else ""
            return (
                policy.price_retry,
                f"the VM's max price, {vm.max_price} USD an hour, is below the current Spot price{told}",
            )
        case FailureKind.QUOTA:
            # Ends when other Spot VMs stop or somebody raises the quota: neither happens within seconds.
            return policy.slow_retry, "the subscription's Spot quota is used up: raise it, or delete other Spot VMs"
        case FailureKind.DENIED if failure.lacks_token:
            # An identity endpoint may fail for a minute; a missing or expired login, somebody has to mend.
            delay = min(policy.look_again * growth, policy.slow_retry)
            return delay, f"no start was sent, for there is no token to ask Azure with: {failure.message}"
        case FailureKind.DENIED:
            # A role, a lock or a policy: somebody has to mend it, and then the next try, within the hour, succeeds.
            return policy.slow_retry, "Azure does not let us start this VM: mend its access, lock or configuration"
        case FailureKind.THROTTLED:
            # Without a time from Azure the delay grows: a request that comes too soon prolongs the throttling.
            return min(policy.capacity_retry * growth, policy.capacity_retry_max), "Azure asked us to slow down"
        case FailureKind.GONE:
            # The VM was there a moment ago: the next look shows whether it is gone.
            return min(policy.look_again * growth, policy.capacity_retry_max), "Azure says that the VM is gone: looking"
        case FailureKind.CONFLICT:
            # Another operation is at work on the VM; that takes seconds to minutes.
            return min(policy.look_again * growth, policy.capacity_retry_max), "another operation is at work on the VM"
        case FailureKind.CAPACITY | FailureKind.UNKNOWN:
            # The reason is not known: soon at first, then slowly; the code stays in the recovery.
            return min(policy.capacity_retry * growth, policy.slow_retry), "Azure refused for a reason we do not know"
        case _:
            assert_never(failure.kind)


def _earliest(failure: Failure, now: datetime) -> datetime:
    return now + (failure.retry_after or timedelta())
