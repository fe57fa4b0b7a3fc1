"""What is announced, in the worker's own words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Notice:
    """Something is going to happen to the VM. ``seconds_left``: ``None`` where nobody says how many."""

    event_type: str
    event_id: str
    seconds_left: float | None
