"""When the next request of one kind may be sent, so that Azure seldom refuses it as too many. Pure: time is given.

ARM allows each principal a number of requests at once and a number each second after that, and each answer says how
many are left. The app sends at a rate in proportion to that: fast while many are left, and as many as come back where
no more are left than are to be left unused. Several instances of the app know of each other only by that number: with
two of them half of that is left, and each sends half of what comes back. A ``Pace`` is one process's estimate,
corrected by each answer.

Called by ``clients/rate_limiter.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

_SLOWEST: Final = 0.05
"""The smallest part of its refill that is drawn from a nearly empty bucket: without requests, no answer would say that
it has filled."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """A token bucket as Azure documents it; one token is one request.

    ``size`` is what can be sent at once, ``refill`` what comes back in a second. One process alone sends ``refill`` a
    second when ``left_unused`` is left; the lower that is, the more of the bucket is used, and the fewer processes
    share it without running it dry.
    """

    size: float
    refill: float
    left_unused: float


READS: Final = Bucket(250, 25, 100)
"""The bucket of ARM's reads, for each principal and subscription (docs/azure-facts.md arm-9). Left unused is what comes
back in four seconds."""

WRITES: Final = Bucket(200, 10, 35)
"""The bucket of ARM's writes, of which a start is one."""

QUERIES: Final = Bucket(15, 1.4, 15)
"""The bucket of Resource Graph's queries: 15 within 5 seconds for each principal (docs/azure-facts.md graph-1). Half of
that is used: VMs that wait 0.7 seconds for the next query share it."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The estimate of one bucket. Times are in seconds, of any clock that never goes back.

    ``left`` is how many tokens there were at the time ``at``; ``sent`` counts the requests, and ``heard`` is the number
    of the latest one whose answer was used; nothing is sent before ``not_before``.
    """

    bucket: Bucket
    left: float
    at: float
    not_before: float
    sent: int = 0
    heard: int = 0


def begin(bucket: Bucket, now: float) -> Pace:
    """Begin without an answer of Azure: as if the bucket were down to its level."""
    return Pace(bucket, bucket.left_unused, now, now)


def wait_for(pace: Pace, now: float, line: int = 0) -> float:
    """Give the seconds until one more request may be sent, with ``line`` others before it."""
    return max(pace.not_before - now, 0.0) + line * _space(pace.bucket, _left(pace, now))


def send(pace: Pace, now: float) -> Pace:
    """Note that a request is sent now; ``sent`` is its number."""
    left = _left(pace, now) - 1
    return replace(pace, left=left, at=now, not_before=now + _space(pace.bucket, left), sent=pace.sent + 1)


def hear(pace: Pace, now: float, number: int, left: float) -> Pace:
    """Take in how many tokens Azure says are left, with the answer to request ``number``.

    Answers overtake each other: one to an earlier request is ignored. Later requests are not counted in it yet.
    """
    if number <= pace.heard:
        return pace
    believed = min(left, pace.bucket.size) - (pace.sent - number)
    not_before = max(pace.not_before, pace.at + _space(pace.bucket, believed))
    return replace(pace, left=believed, at=now, not_before=not_before, heard=number)


def refuse(pace: Pace, now: float, wait: float) -> Pace:
    """Take in a 429: nothing is sent for ``wait`` seconds, and then slowly at first."""
    until = now + wait
    return replace(pace, left=0.0, at=until, not_before=max(pace.not_before, until), heard=pace.sent)


def _left(pace: Pace, now: float) -> float:
    return min(pace.left + pace.bucket.refill * max(now - pace.at, 0.0), pace.bucket.size)


def _space(bucket: Bucket, left: float) -> float:
    """Give the seconds from one request to the next."""
    return 1 / (bucket.refill * max(left / bucket.left_unused, _SLOWEST))
