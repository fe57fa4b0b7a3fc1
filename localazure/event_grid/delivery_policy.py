"""When Event Grid tries a delivery again, and when it gives up (docs/azure-facts.md delivery-2).

Called by ``service.py`` and ``event_delivery.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

NO_ANSWER: Final = 0
"""Stands in the place of an HTTP status where the endpoint could not be reached at all."""
TIMED_OUT: Final = 408

_DELIVERED: Final = frozenset({200, 201, 202, 203, 204})

# Microsoft adds a little randomness and may skip steps; here the schedule is exact, so that tests can be.
_SCHEDULE: Final = (
    timedelta(seconds=10),
    timedelta(seconds=30),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=10),
    timedelta(minutes=30),
    timedelta(hours=1),
    timedelta(hours=3),
    timedelta(hours=6),
    timedelta(hours=12),
)
_AT_LEAST: Final[Mapping[int, timedelta]] = {
    401: timedelta(minutes=5),
    404: timedelta(minutes=5),
    TIMED_OUT: timedelta(minutes=2),
    503: timedelta(seconds=30),
}
_OUTCOMES: Final[Mapping[int, str]] = {
    NO_ANSWER: "SocketError",
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    TIMED_OUT: "TimedOut",
    413: "PayloadTooLarge",
    503: "Busy",
}

TOO_MANY_ATTEMPTS: Final = "MaxDeliveryAttemptsExceeded"
TOO_OLD: Final = "TimeToLiveExceeded"
# Published for Event Grid deliveries to Event Hubs only; the docs have no sample of this reason for basic topics.
NOT_RETRIED: Final = "Undeliverable due to client error"


@dataclass(frozen=True, slots=True)
class DeliveryPolicy:
    """The retry policy of an event subscription, with Azure's own defaults."""

    max_delivery_attempts: int = 30
    event_time_to_live: timedelta = timedelta(hours=24)

    def reason_to_stop(self, attempts: int, status: int, never_retried: frozenset[int]) -> str | None:
        """Give the dead-letter reason after a failed attempt, or ``None`` when another one is to follow."""
        if status in never_retried:
            return NOT_RETRIED
        return TOO_MANY_ATTEMPTS if attempts >= self.max_delivery_attempts else None

    def is_too_old(self, published_at: datetime, now: datetime) -> bool:
        """Say whether an event's time to live is over. Event Grid looks only when the next attempt is due."""
        return now - published_at >= self.event_time_to_live


def is_delivered(status: int) -> bool:
    """Say whether an endpoint's answer means that it has the event. Any other success status does not."""
    return status in _DELIVERED


def pause_after(attempts: int, status: int) -> timedelta:
    """Say how long Event Grid waits after so many failed attempts, of which the last was answered by ``status``."""
    scheduled = _SCHEDULE[min(attempts, len(_SCHEDULE)) - 1]
    return max(scheduled, _AT_LEAST.get(status, scheduled))


def outcome_of(status: int) -> str:
    """Name a failed attempt as the dead-letter field ``lastDeliveryOutcome`` does."""
    return _OUTCOMES.get(status, "GenericError")
