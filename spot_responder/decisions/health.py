"""What the app is kept from doing as a whole: sweeping, looking, publishing. Pure.

What keeps it from one VM stands in that VM's recovery (``Recovery.obstacle_since``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from spot_responder.decisions.policy import LASTS

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

    def joined(self, before: Failing | None) -> Failing:
        """Give it with the time since when it fails: as noted ``before``, unless that is a story of long ago."""
        is_old = before is None or (self._is_look and self.latest_at - before.latest_at >= LOOKS_COME_BACK)
        return self if before is None or is_old else replace(self, since=min(self.since, before.since))

    def lasts(self, now: datetime) -> bool:
        """Whether it does not pass by itself, as it seems. A sweep may be seldom: one that failed is not two."""
        if self.activity is Activity.SWEEP:
            return self.latest_at - self.since >= LASTS
        is_known = not self._is_look or now - self.latest_at < LOOKS_COME_BACK
        return is_known and now - self.since >= LASTS

    @property
    def _is_look(self) -> bool:
        return self.activity is Activity.LOOK
