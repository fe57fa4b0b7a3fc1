"""When a worker that has nothing to do stops its own VM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

WINDOW_S: Final = 10.0
"""A worker must be seen idle twice, so far apart, before it stops its VM: a job may come right before a look."""

UP_MINUTES: Final = 10
"""So long a VM is up at least before it is stopped, where nobody says otherwise."""
TRIED_AGAIN_S: Final = 600.0
"""After Azure refused to stop the VM, it is asked again so much later."""


@dataclass(frozen=True)
class OwnStop:
    """How long the worker must have been idle, and the VM up, in seconds; 0 is at once, and never "never"."""

    idle_s: float
    minimum_s: float


@dataclass(frozen=True)
class SeenIdle:
    """That the worker was seen idle long enough: since when it was, and when it was first seen so."""

    idle_since_s: float
    seen_at_s: float


def seen_idle(
    rule: OwnStop, idle_since_s: float | None, up_s: float, now_s: float, before: SeenIdle | None
) -> SeenIdle | None:
    """Note whether the worker is idle long enough at this look; ``before``: what the look before noted."""
    if idle_since_s is None or now_s - idle_since_s < rule.idle_s or up_s < rule.minimum_s:
        return None
    return before if before and before.idle_since_s == idle_since_s else SeenIdle(idle_since_s, now_s)


def is_due(seen: SeenIdle | None, now_s: float) -> bool:
    """Whether the VM is to be stopped: seen idle twice, a window apart, and nothing was claimed in between."""
    return seen is not None and now_s - seen.seen_at_s >= WINDOW_S
