"""That the worker is to stop, why, and until when its jobs may take their time.

A notice (of an eviction, a reboot) and a signal stop jobs at their next safe point, and kill them when time is up. New
code only keeps the worker from claiming more: what runs is finished.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from spot_worker.deciding.record.pointers import Ending

if TYPE_CHECKING:
    from spot_worker.deciding.stops.stop_notice import Notice
    from spot_worker.running.ports import Clock

SIGNAL_GRACE_S: Final = 6.5
"""All must be over 10 seconds after SIGTERM: the rest is for record, message (2 s), table and log."""
LONGEST_GRACE_S: Final = 20.0
_MARGIN_S: Final = 3.0
_SHORTEST_GRACE_S: Final = 1.0
TO_GIVE_BACK_S: Final = 2.0
"""What the record and the message may take after the jobs were killed."""


class Why(str, Enum):
    """Why the worker stops."""

    NOTICE = "notice"
    SIGNAL = "signal"
    RELOAD = "new code"
    DONE = "done"
    OWN_STOP = "nothing to do"


class Stopping:
    """What all slots look at. ``is_asked``: nothing more is claimed. ``is_urgent``: what runs is to stop as well."""

    def __init__(self, clock: Clock) -> None:
        """Nothing is asked yet."""
        self._clock = clock
        self._asked, self._urgent = asyncio.Event(), asyncio.Event()
        self._urgent_at = self._kill_at = float("inf")
        self.why: Why | None = None

    @property
    def is_asked(self) -> bool:
        """Whether nothing more is to be claimed."""
        return self._asked.is_set()

    @property
    def is_urgent(self) -> bool:
        """Whether jobs are to stop at their next safe point."""
        return self._urgent.is_set()

    @property
    def ending(self) -> Ending:
        """How a claim ends that is stopped now."""
        return Ending.EVICTED if self.why is Why.NOTICE else Ending.STOPPED

    def signal(self) -> None:
        """Stop because somebody ended us."""
        self._stop(Why.SIGNAL, SIGNAL_GRACE_S)

    def notice(self, notice: Notice) -> None:
        """Stop because the VM will go."""
        left = LONGEST_GRACE_S if notice.seconds_left is None else notice.seconds_left - _MARGIN_S
        self._stop(Why.NOTICE, min(max(left, _SHORTEST_GRACE_S), LONGEST_GRACE_S))

    def reload(self) -> None:
        """Claim nothing more, so that new code can take over."""
        self.why = self.why or Why.RELOAD
        self._asked.set()

    def done(self) -> None:
        """Claim nothing more: there is nothing more to do, for new code either."""
        if self.why in (None, Why.RELOAD):
            self.why = Why.DONE
        self._asked.set()

    def own_stop(self) -> None:
        """Claim nothing more, since this VM is to be stopped for want of work."""
        self.why = self.why or Why.OWN_STOP
        self._asked.set()

    @property
    def grace_s(self) -> float:
        """How long jobs may take from when they were asked to stop."""
        return self._kill_at - self._urgent_at

    def left_s(self) -> float:
        """Say how long jobs may still take."""
        return self._kill_at - self._clock.monotonic()

    async def asked(self) -> None:
        """Wait until nothing more is to be claimed."""
        await self._asked.wait()

    async def pause(self, seconds: float) -> None:
        """Wait for so long, or until nothing more is to be claimed."""
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._asked.wait(), seconds)

    async def urgent(self) -> None:
        """Wait until jobs are to stop."""
        await self._urgent.wait()

    async def time_is_up(self) -> None:
        """Wait until jobs are to be killed."""
        await self._urgent.wait()
        while self.left_s() > 0:  # noqa: ASYNC110 - by a clock that is not the loop's; the end may come nearer
            await asyncio.sleep(min(self.left_s(), 1.0))

    def _stop(self, why: Why, grace_s: float) -> None:
        # An eviction outweighs the signal that may come with it; the earlier end holds.
        self.why = Why.NOTICE if Why.NOTICE in (why, self.why) else why
        now = self._clock.monotonic()
        self._urgent_at = min(self._urgent_at, now)
        self._kill_at = min(self._kill_at, now + grace_s)
        self._asked.set()
        self._urgent.set()


async def unless_stopped(work: Any, stopping: Stopping) -> Any:  # noqa: ANN401 - whatever the work gives
    """Give what the work gives; ``None`` if the worker is to stop before that."""
    working = asyncio.ensure_future(work)
    stopped = asyncio.ensure_future(stopping.asked())
    await asyncio.wait({working, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if working.done():
        return working.result()
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    return None
