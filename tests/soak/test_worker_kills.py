"""Workers die at marked points while they work on Azurite: a small ``make kills-worker``, with real processes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from soak.worker.kills.__main__ import Plan, play
from soak.worker.kills.killed_worker import CHILD, NOTICED, TERMINATED, Point
from soak.worker.kills.killing_proxy import Asked

if TYPE_CHECKING:
    from pathlib import Path

POINTS = [
    Point(Asked.CLAIM, is_after=True),
    Point(Asked.RESULT, is_after=True),
    Point(Asked.RESULT_ROW),
    CHILD,
    NOTICED,
    TERMINATED,
]


def test_no_job_is_lost_or_done_twice_when_workers_are_killed(tmp_path: Path) -> None:
    """Two workers die where a claim, a result and its row are written, and otherwise: each job has one result."""
    found = asyncio.run(play(tmp_path, Plan(2, POINTS), seed=1))
    assert found.broken == ()
    assert found.results == found.jobs
    assert found.ends.total() == len(POINTS)
