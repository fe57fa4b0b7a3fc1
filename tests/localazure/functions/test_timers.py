"""Timers: they run on their schedule, and never overlap."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from localazure.functions.ncrontab import Schedule
from localazure.functions.timers import Timer
from tests.localazure.functions.small_app import running, until

if TYPE_CHECKING:
    from pathlib import Path

    from localazure.functions.worker import RpcException, TypedData


def test_a_timer_runs_on_its_schedule(tmp_path: Path) -> None:
    """The schedule comes from the app setting; the function learns when it ran last and will run next."""

    async def story() -> list[dict[str, Any]]:
        async with running(tmp_path, SWEEP="* * * * * *") as (at, _):
            await until(lambda: len(at.recorded("ticks")) >= 2)
            return at.recorded("ticks")

    first, second, *_ = asyncio.run(story())
    assert (first["Last"], first["past_due"]) == (None, False)
    assert second["Last"] == first["LastUpdated"]
    assert datetime.fromisoformat(second["Next"]) > datetime.fromisoformat(second["LastUpdated"])


@pytest.mark.parametrize(
    ("takes_s", "expected"),
    [(25, ["00:10", "00:40", "01:10", "01:40"]), (0, ["00:10", "00:20", "00:30", "00:40"])],
    ids=["takes 25 s", "takes no time"],
)
def test_a_timer_never_overlaps_itself(takes_s: int, expected: list[str]) -> None:
    """Times that pass while the function runs fall out, and no time comes twice where the clock wakes us early."""
    clock = [datetime(2026, 1, 31, 12, tzinfo=UTC)]
    due: list[str] = []

    async def work(info: TypedData) -> RpcException | None:
        due.append(json.loads(info.json or "")["ScheduleStatus"]["LastUpdated"][14:19])
        clock[0] += timedelta(seconds=takes_s)
        return None

    async def wait_until(moment: datetime) -> bool:
        clock[0] = max(clock[0], moment - timedelta(milliseconds=3))
        return len(due) < len(expected)

    asyncio.run(Timer(Schedule.parse("*/10 * * * * *"), work, lambda: clock[0], wait_until).run())
    assert due == expected
