"""What the app is kept from doing as a whole: sweeping, looking, publishing. Pure.

What keeps it from one VM stands in that VM's recovery (``Recovery.obstacle_since``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from spot_responder.policy import LASTS

LOOKS_COME_BACK: Final = timedelta(hours=2)
"""A look that was refused is tried again within so long: where none was since, nothing is known of now."""


class Activity(StrEnum):
    """What the app does."""

    SWEEP = "sweep"
    LOOK = "look"
    PUBLISH = "publish"


@dataclass(frozen=True, slots=True)
class Failing:
    """An activity that has not succeeded ``since`` then; ``reason`` is what was the matter at ``latest_at``."""

    activity: Activity
    since: datetime
    latest_at: datetime
    reason: str

    def lasts(self, now: datetime) -> bool:
        """Whether it does not pass by itself, as it seems."""
        is_known = self.activity is not Activity.LOOK or now - self.latest_at < LOOKS_COME_BACK
        return is_known and now - self.since >= LASTS
