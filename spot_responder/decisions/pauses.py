"""How long each pause after a failure is: of a pool without capacity, of a refused start, of a message. Pure.

Where it may last, each pause is twice as long as the one before. Called by ``pools.py`` and ``refused_starts.py``; for
a message that could not be answered by ``responder/unanswered.py``, which puts it on the queue again.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final, assert_never

from spot_responder.intake.azure_errors import FailureKind
from spot_responder.offerings.max_prices import told_spot_price

if TYPE_CHECKING:
    from spot_responder.decisions.policy import Policy
    from spot_responder.intake.azure_errors import Failure
    from spot_responder.intake.own_messages import Requeues
    from spot_responder.intake.vms import Vm

MOST_DOUBLINGS: Final = 24
"""How often a pause is doubled at most: six days, the longest that can be set, doubled so often is still a
timedelta."""

REQUEUE: Final = timedelta(minutes=1)
"""How long the first requeue of a message takes, where Azure does not say when to come back."""

STOP_BACK: Final = timedelta(seconds=20)
"""How long the first requeue of an owner's stop takes, up to twice that: short enough to be read before a VM that is
down for no known reason would be started (``INTENT_GRACE``). It grows up to
``REQUEUE``, each time up to twice as long by chance."""

REQUEUE_MAX: Final = timedelta(minutes=15)
"""The longest that a requeue takes, up to twice that, after many failures."""

SHORT_WAITS: Final = 8
"""How often a message comes back as soon as its turn may come, if only the app's own pace or its other workers hold it
up: in a mass eviction that is over within seconds. After so many times it counts as an outage."""


def pause_without_capacity(refusals: int, policy: Policy, jitter: float) -> timedelta:
    """Give how long a pool is closed that has refused so many starts before, a tenth more or less by chance."""
    return _doubled(policy.capacity_retry, refusals, policy.capacity_retry_max) * (0.9 + 0.2 * jitter)


def pause_after(failure: Failure, failures_in_a_row: int, vm: Vm, policy: Policy) -> tuple[timedelta, str]:
    """Give how long a start is not tried again after a refusal of any other kind, and why.

    ``failures_in_a_row``: how many of its kind came before it.
    """
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
            delay = _doubled(policy.look_again, failures_in_a_row, policy.slow_retry)
            return delay, f"no start was sent, for there is no token to ask Azure with: {failure.message}"
        case FailureKind.DENIED:
            # A role, a lock or a policy: somebody has to mend it, and then the next try, within the hour, succeeds.
            return policy.slow_retry, "Azure does not let us start this VM: mend its access, lock or configuration"
        case FailureKind.THROTTLED:
            # Without a time from Azure the delay grows: a request that comes too soon prolongs the throttling.
            return _doubled(
                policy.capacity_retry, failures_in_a_row, policy.capacity_retry_max
            ), "Azure asked us to slow down"
        case FailureKind.GONE:
            # The VM was there a moment ago: the next look shows whether it is gone.
            return _doubled(
                policy.look_again, failures_in_a_row, policy.capacity_retry_max
            ), "Azure says that the VM is gone: looking"
        case FailureKind.CONFLICT:
            # Another operation is at work on the VM; that takes seconds to minutes.
            return _doubled(
                policy.look_again, failures_in_a_row, policy.capacity_retry_max
            ), "another operation is at work on the VM"
        case FailureKind.CAPACITY | FailureKind.UNKNOWN:
            # The reason is not known: soon at first, then slowly; the code stays in the recovery.
            return _doubled(
                policy.capacity_retry, failures_in_a_row, policy.slow_retry
            ), "Azure refused for a reason we do not know"
        case _:
            assert_never(failure.kind)


def requeue_delay(times: Requeues, failure: Failure, jitter: float, *, is_stop: bool) -> tuple[timedelta, Requeues]:
    """Give how long a requeue takes, and the counts to be noted in it. ``is_stop``: it reports an owner's stop.

    Waiting for a turn is no failure, and makes no delay grow: otherwise a refusal after some turns would cost minutes.
    """
    wait = failure.retry_after
    if failure.is_contention and wait is not None and times.waited < SHORT_WAITS:
        return wait * (1 + jitter), replace(times, waited=times.waited + 1)
    again = replace(times, refused=times.refused + 1)
    if times.refused == 0 and wait is not None:
        return wait, again
    first, longest = (STOP_BACK, REQUEUE) if is_stop else (REQUEUE, REQUEUE_MAX)
    growing = _doubled(first, times.refused, longest) * (1 + jitter)
    return max(growing, wait or timedelta()), again


def _doubled(first: timedelta, times: int, longest: timedelta) -> timedelta:
    return min(first * 2.0 ** min(times, MOST_DOUBLINGS), longest)
