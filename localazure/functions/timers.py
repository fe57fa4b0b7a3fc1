"""Runs a function whenever its timer is due, one run after another. Started by ``triggers.py``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from localazure.functions.worker import TypedData

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from localazure.functions.ncrontab import Schedule
    from localazure.functions.worker import RpcException


@dataclass(frozen=True, slots=True)
class Timer:
    """One timer trigger.

    ``now`` gives the time, aware; ``wait_until`` waits for a time and says whether it came (``False``: the host stops).
    """

    schedule: Schedule
    work: Callable[[TypedData], Awaitable[RpcException | None]]
    now: Callable[[], datetime]
    wait_until: Callable[[datetime], Awaitable[bool]]

    async def run(self) -> None:
        """Run the function at each time of its schedule until the host stops.

        A time that passes while the function still runs is passed over: a timer never overlaps itself.
        """
        last: datetime | None = None
        while True:
            # A clock that wakes us a little early must not give us the same time twice.
            due = self.schedule.next_after(self.now() if last is None else max(self.now(), last))
            if not await self.wait_until(due):
                return
            await self.work(timer_info(last, due, self.schedule.next_after(due)))
            last = due


def timer_info(last: datetime | None, due: datetime, following: datetime) -> TypedData:
    """Give what Azure's host tells a timer function.

    No schedule is remembered over a restart, so a timer is never past due.
    """
    told = None if last is None else last.isoformat()
    return TypedData(
        json=json.dumps(
            {
                "Schedule": {"AdjustForDST": True},
                "ScheduleStatus": {"Last": told, "LastUpdated": due.isoformat(), "Next": following.isoformat()},
                "IsPastDue": False,
            }
        )
    )
