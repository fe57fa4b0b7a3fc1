"""The lease on a message: its visibility timeout, renewed at a third, by the newest pop receipt.

One lock is around renewing, giving back and deleting: a renewal that overtakes a delete would make finished work run
again. Time is that of the monotonic clock, from before the request: the service's time began later.
"""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import TYPE_CHECKING, Callable, Final

from spot_worker.running.ports import LeaseLostError, StorageError

if TYPE_CHECKING:
    from spot_worker.running.ports import Clock, Log, Queue, Received

_LOOKS_EVERY_S: Final = 1.0
"""A VM that stood still sees at once that its lease has run out: timers of the loop did not count that time."""
_AFTER_FAILURE_S: Final = 1.0


class Lost(str, Enum):
    """How a lease is lost. ``GONE``: the queue says so; ``RAN_OUT``: it could not be renewed in time.

    ``RECEIPT``: a renewal was not answered. If it was done all the same, no receipt of ours is the newest, and the
    queue would say the same as if somebody else had the message.
    """

    GONE = "the message is gone or somebody else has it"
    RAN_OUT = "the lease could not be renewed in time"
    RECEIPT = "a renewal was not answered, and the receipt from before it is no longer good"


class Lease:
    """The lease on the message ``message_id``. ``lost`` becomes done when it is lost; ``put_at``: see ``Received``."""

    def __init__(
        self, outside: tuple[Queue, Clock, Log], received: Received, asked_at: float, visibility_s: int
    ) -> None:
        """Begin with a message that was asked for at this time."""
        self._queue, self._clock, self._log = outside
        self._visibility_s, self._margin_s = visibility_s, max(1.0, visibility_s / 10)
        self.message_id, self.put_at, self._receipt = received.message_id, received.put_at, received.receipt
        self._lock = asyncio.Lock()
        self._held_from = asked_at
        self._is_over = self._is_unanswered = False
        self.lost: asyncio.Future[Lost] = asyncio.get_running_loop().create_future()

    def left_s(self) -> float:
        """Say how long work may still go on if the lease is not renewed."""
        return self._held_from + self._visibility_s - self._margin_s - self._clock.monotonic()

    async def keep(self, renewed: Callable[[], None]) -> None:
        """Renew until the lease is over or lost; ``renewed`` is called after each renewal."""
        third = self._visibility_s / 3
        due = self._held_from + third
        while not (self._is_over or self.lost.done()):
            now, left = self._clock.monotonic(), self.left_s()
            if left <= 0:
                self.lost.set_result(Lost.RAN_OUT)
            elif now < due:
                await asyncio.sleep(min(due - now, _LOOKS_EVERY_S))
            elif await self._renew(min(left, third)):  # one that hangs must leave time for another
                due = self._held_from + third
                renewed()
            else:
                due = now + min(_AFTER_FAILURE_S, third)

    async def _renew(self, within_s: float) -> bool:
        async with self._lock:
            if self._is_over:
                return False
            asked_at = self._clock.monotonic()
            try:
                renewing = self._queue.renew(self.message_id, self._receipt, self._visibility_s)
                self._receipt = await asyncio.wait_for(renewing, within_s)
            except LeaseLostError:
                self.lost.set_result(self._how_lost())
            except (StorageError, asyncio.TimeoutError) as error:
                self._is_unanswered = True
                self._log.say("lease not renewed", message_id=self.message_id, error=str(error) or "no answer")
            else:
                self._held_from, self._is_unanswered = asked_at, False
                return True
            return False

    def _how_lost(self) -> Lost:
        return Lost.RECEIPT if self._is_unanswered else Lost.GONE

    async def give_back(self, after_s: int) -> None:
        """Let the message be taken again after so long, by anybody. It may be with somebody else already."""
        async with self._lock:
            self._is_over = True
            try:
                self._receipt = await self._queue.renew(self.message_id, self._receipt, after_s)
            except LeaseLostError:
                self._log.say("message not given back", message_id=self.message_id, why=self._how_lost().value)

    async def delete(self) -> None:
        """Delete the message. If somebody else has it, they will find what came of the job, and delete it."""
        async with self._lock:
            self._is_over = True
            try:
                await self._queue.delete(self.message_id, self._receipt)
            except LeaseLostError:
                self._log.say("message not deleted", message_id=self.message_id, why=self._how_lost().value)
