"""The evictions that every recipe has to stand. A job takes half a second a step."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final


@dataclass(frozen=True, slots=True)
class Eviction:
    """``notice_s``: ``None`` for none at all. ``steps``: of each job."""

    words: str
    notice_s: int | None
    steps: int


class Story(Enum):
    """What befalls the VM."""

    IN_TIME = Eviction("notice of 25 s, jobs of 6 s", 25, 12)
    TOO_LONG = Eviction("notice of 10 s, jobs of 15 s", 10, 30)
    NO_NOTICE = Eviction("no notice, jobs of 6 s", None, 12)


SHORT_STEPS: Final = 2
"""The last job is short and waits for nothing. The VM that is evicted has no slot for it: a second VM does it, and then
is idle and ready.
"""

STEPS_BEFORE: Final = 4
"""The eviction begins when the other jobs have done so many steps."""
