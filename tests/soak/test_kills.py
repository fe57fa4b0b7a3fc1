"""The app's process dies at every marked point while VMs recover: a small ``make kills``, with real processes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from soak.responder.killer import Point
from soak.responder.kills import Plan, play

if TYPE_CHECKING:
    from pathlib import Path

# Where a start may be lost with its host, it is asked for again after two minutes only: `make kills` waits for those.
POINTS = [point for point in Point if point not in {Point.START_LOST, Point.WRITING, Point.AT_RANDOM}]


def test_no_vm_is_lost_or_started_twice_when_the_app_is_killed(tmp_path: Path) -> None:
    """Twelve VMs, a kill at each point: all run again, no start met a VM that was up, each end is told once."""
    found = asyncio.run(play(tmp_path, Plan(12, POINTS, is_crowded=False), seed=1))
    assert found.broken == ()
    assert found.restored == found.vms == 12
    assert set(found.kills) == set(POINTS)
