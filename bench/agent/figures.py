"""The part ``agent`` of the bench: all its figures, and the targets that they are held against."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.agent import contest, real_time
from bench.report import Target, at_most

if TYPE_CHECKING:
    from pathlib import Path


def figures(folder: Path) -> tuple[dict[str, Any], list[Target]]:
    """Play the contest in virtual time, and measure the agent in real time."""
    rows = [contest.row(contender) for contender in contest.CONTENDERS]
    ours = rows[0]
    notices, idle = real_time.notices(folder), real_time.idle(folder)
    return {"virtual": rows, "notices": notices, "idle": idle}, [
        at_most("agent: notice to first hook, p99, real time", notices["p99_s"], 1.3, " s"),
        at_most("agent, idle: processor time, of a core", idle["agent"]["percent_of_a_core"], 0.3, " %"),
        at_most("agent: resident memory, at most", idle["agent"]["resident_at_most_mb"], 30, " MB"),
        at_most("agent: events of siblings acted upon, of 100", ours["siblings"]["acted_upon"], 0),
        at_most("agent: VMs out of work after 100 cancelled notices", ours["cancelled"]["still_out_of_work"], 0),
    ]
