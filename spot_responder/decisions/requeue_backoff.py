"""When a signal that could not be looked into comes back: ever later, for as long as it fails. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from spot_responder.decisions.pools import MOST_DOUBLINGS
from spot_responder.intake.azure_errors import OWN_PACE

if TYPE_CHECKING:
    from spot_responder.intake.azure_errors import Failure
    from spot_responder.intake.own_messages import Requeues

REQUEUE: Final = timedelta(minutes=1)
"""A signal that could not be looked into comes back after this long, where Azure does not say when."""

STOP_BACK: Final = timedelta(seconds=20)
"""So soon, and up to twice that, what tells of an owner's stop comes back first: before a VM that is down for no known
reason would be started (``INTENT_GRACE``). Then ever later, up to ``REQUEUE`` and twice that."""

REQUEUE_MAX: Final = timedelta(minutes=15)
"""A signal that could not be looked into again and again comes back ever later, up to this."""

SHORT_WAITS: Final = 8
"""So often a signal comes back as soon as its turn may come, where it is our own pace that holds it up: in a mass
eviction that is a matter of seconds. Longer, and it is no rush but an outage."""


def requeue_delay(times: Requeues, failure: Failure, jitter: float, *, is_stop: bool) -> tuple[timedelta, Requeues]:
    """Say after how long a signal comes back, and how often it was requeued by then. ``is_stop``: it is an owner's.

    To stand in line is no failure, and makes no delay grow: else a refusal after some turns in vain would cost minutes.
    """
    wait = failure.retry_after
    if failure.code == OWN_PACE and wait is not None and times.waited < SHORT_WAITS:
        return wait * (1 + jitter), replace(times, waited=times.waited + 1)
    again = replace(times, refused=times.refused + 1)
    if times.refused == 0 and wait is not None:
        return wait, again
    first, longest = (STOP_BACK, REQUEUE) if is_stop else (REQUEUE, REQUEUE_MAX)
    growing: timedelta = min(first * 2 ** min(times.refused, MOST_DOUBLINGS), longest) * (1 + jitter)
    return max(growing, wait or timedelta()), again
