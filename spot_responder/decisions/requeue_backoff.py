"""When a message that could not be answered comes back: ever later, for as long as it fails. Pure.

Called by ``responder/unanswered.py``, which puts it on the queue again.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from spot_responder.decisions.pools import MOST_DOUBLINGS

if TYPE_CHECKING:
    from spot_responder.intake.azure_errors import Failure
    from spot_responder.intake.own_messages import Requeues

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
    growing: timedelta = min(first * 2 ** min(times.refused, MOST_DOUBLINGS), longest) * (1 + jitter)
    return max(growing, wait or timedelta()), again
