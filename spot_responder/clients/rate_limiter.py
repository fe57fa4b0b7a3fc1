"""Lets each request wait for its turn, and reads in each answer what Azure says is left.

Called by the clients of ARM and Resource Graph; the arithmetic is in ``decisions/token_bucket.py``.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from math import inf
from typing import TYPE_CHECKING, Final

from spot_responder.decisions.token_bucket import Bucket, Pace, begin, hear, refuse, send, wait_for
from spot_responder.intake.azure_errors import OWN_PACE, Failure, FailureKind, classify
from spot_responder.responder.ports import AzureRefusedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from azure.core.pipeline import PipelineResponse

LONGEST_WAIT_S: Final = 10.0
"""How long a request may wait for its turn, in seconds; a message with a longer wait is requeued. The messages that one
process answers at a time (``host.json``) need less than that for one bucket."""

MOST_LINES: Final = 2000
"""How many buckets are remembered: a subscription that was not asked about for long begins with a new one."""

_AT_ONCE_S: Final = 0.001
"""How long a wait is not worth a sleep, in seconds: two readings of the clock may differ by as much."""

_ONE_VM_ONLY: Final = "Resource;0"
"""The end of Compute's header for a bucket of one VM (``…/UpdateVMResource;0``): requests for other VMs go on."""


@dataclass(slots=True)
class Answer:
    """What matters of one answer. Give ``hear`` to the SDK as its ``raw_response_hook``."""

    remaining_header: str
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)

    def hear(self, response: PipelineResponse[object, object]) -> None:
        """Keep what matters for the pace."""
        self.take(response.http_response)

    def take(self, answer: object) -> None:
        """Keep what matters for the pace of an answer that no SDK hands to a hook."""
        self.status = getattr(answer, "status_code", 0)
        self.headers = getattr(answer, "headers", {})

    @property
    def left(self) -> float | None:
        """How many requests Azure says are left."""
        text = self.headers.get(self.remaining_header, "")
        return float(text) if text.isdecimal() else None

    @property
    def wait_s(self) -> float | None:
        """How long no request may be sent; ``None`` where Azure did not answer 429, or for one VM only."""
        if self.status != HTTPStatus.TOO_MANY_REQUESTS:
            return None
        if self.headers.get("x-ms-ratelimit-remaining-resource", "").endswith(_ONE_VM_ONLY):
            return None
        wait = classify(self.status, None, self.headers).retry_after
        return wait.total_seconds() if wait else LONGEST_WAIT_S


@dataclass(slots=True)
class Waiters:
    """The requests that wait for a turn out of one bucket: first come, first served."""

    pace: Pace
    length: int = 0
    head: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(slots=True)
class Turns:
    """Gives turns out of buckets of one kind, one for each key (a subscription). One for the whole process."""

    bucket: Bucket
    remaining_header: str
    holds_at_most_s: float = inf
    """How long a 429 delays other requests at most, whatever it asks of the one that was refused."""
    _lines: dict[str, Waiters] = field(default_factory=dict)

    @asynccontextmanager
    async def turn(self, key: str, what: str) -> AsyncIterator[Answer]:
        """Wait until a request may be sent, and take in its answer; ``what`` completes "Azure refused to …".

        Raises:
            AzureRefusedError: throttled, with the time to come back, where the wait would be too long.
        """
        waiters = self._line(key)
        wait_s = wait_for(waiters.pace, _now(), waiters.length)
        if wait_s > LONGEST_WAIT_S:
            raise _not_yet(wait_s, what)
        await _stand_in(waiters, what)
        waiters.pace = send(waiters.pace, _now())
        number, answer = waiters.pace.sent, Answer(self.remaining_header)
        try:
            yield answer
        finally:
            self._take_in(waiters, number, answer)

    def _line(self, key: str) -> Waiters:
        waiters = self._lines.pop(key, None) or Waiters(begin(self.bucket, _now()))
        if len(self._lines) >= MOST_LINES:
            self._lines.pop(next(iter(self._lines)))
        self._lines[key] = waiters
        return waiters

    def _take_in(self, waiters: Waiters, number: int, answer: Answer) -> None:
        if answer.wait_s is not None:
            waiters.pace = refuse(waiters.pace, _now(), min(answer.wait_s, self.holds_at_most_s))
        elif answer.left is not None:
            waiters.pace = hear(waiters.pace, _now(), number, answer.left)


async def _stand_in(waiters: Waiters, what: str) -> None:
    waiters.length += 1
    leave_at = _now() + LONGEST_WAIT_S
    try:
        async with waiters.head:
            # Computed anew after each sleep: an answer may have changed the pace. The wait is bounded,
            # since a start must not rest on a look that has become too old.
            while (wait_s := wait_for(waiters.pace, _now())) > _AT_ONCE_S:
                if _now() + wait_s > leave_at:
                    raise _not_yet(wait_s, what)
                await asyncio.sleep(wait_s)
    finally:
        waiters.length -= 1


def _not_yet(wait_s: float, what: str) -> AzureRefusedError:
    message = f"others are in line for {wait_s:.0f} s, by the pace that Azure sets"
    return AzureRefusedError(Failure(FailureKind.THROTTLED, OWN_PACE, message, timedelta(seconds=wait_s)), what)


def _now() -> float:
    return asyncio.get_running_loop().time()
