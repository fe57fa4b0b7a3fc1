"""Token buckets, by which Azure limits the number of requests. Called by ``limits.py``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Rate:
    """A bucket holds ``size`` tokens; ``refill`` come back at the end of every ``period``."""

    size: int
    refill: int
    period: timedelta


class TokenBucket:
    """One bucket. Tokens come back in steps, as Compute documents it: so many "every minute"."""

    def __init__(self, rate: Rate, now: datetime) -> None:
        """Begin full."""
        self._rate = rate
        self._tokens = rate.size
        self._since = now

    def remaining(self, now: datetime) -> int:
        """Say how many tokens there are."""
        self._refill(now)
        return self._tokens

    def take(self, now: datetime) -> None:
        """Take one token; there must be one. The first one out of a full bucket starts its period."""
        self._refill(now)
        if self._tokens == self._rate.size:
            self._since = now
        self._tokens -= 1

    def until_refill(self, now: datetime) -> timedelta:
        """Say how long it is until tokens come back; nothing where the bucket is full."""
        self._refill(now)
        return timedelta() if self._tokens == self._rate.size else self._since + self._rate.period - now

    def _refill(self, now: datetime) -> None:
        periods = max((now - self._since) // self._rate.period, 0)
        self._since += periods * self._rate.period
        self._tokens = min(self._tokens + periods * self._rate.refill, self._rate.size)


class Buckets:
    """Buckets by key, made full when first asked for."""

    def __init__(self) -> None:
        """Begin with none."""
        self._buckets: dict[Hashable, TokenBucket] = {}

    def bucket(self, key: Hashable, rate: Rate, now: datetime) -> TokenBucket:
        """Find the bucket of this key, or make it."""
        if key not in self._buckets:
            self._buckets[key] = TokenBucket(rate, now)
        return self._buckets[key]


def whole_seconds(wait: timedelta) -> int:
    """Round a wait up to whole seconds, one at least, as a ``Retry-After`` header needs it."""
    return max(math.ceil(wait.total_seconds()), 1)
