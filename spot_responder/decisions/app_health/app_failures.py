"""What the app as a whole fails to do: sweeping, looking at VMs, publishing, comparing prices. Pure.

``responder/failure_notes.py`` keeps it in the table ``health``. What fails for one VM only is in that VM's recovery
(``Recovery.obstacle_since``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from spot_responder.decisions.policy import LASTS

LOOKS_COME_BACK: Final = timedelta(hours=2)
"""How long after its last refusal ``LOOK`` still counts as failing: a refused look is tried again within that time."""


class Activity(StrEnum):
    """What the app does as a whole, and may fail at."""

    SWEEP = "sweep"
    LOOK = "look"
    PUBLISH = "publish"
    PRICES = "prices"


@dataclass(frozen=True, slots=True)
class Failing:
    """An activity that has failed since ``since``; ``reason`` is the latest error, of ``latest_at``."""

    activity: Activity
    since: datetime
    latest_at: datetime
    reason: str

    def joined(self, before: Failing | None) -> Failing:
        """Give it with the time since which it fails: as noted ``before``, unless that note is out of date."""
        is_old = before is None or (self._is_look and self.latest_at - before.latest_at >= LOOKS_COME_BACK)
        return self if before is None or is_old else replace(self, since=min(self.since, before.since))

    def lasts(self, now: datetime) -> bool:
        """Whether it has failed for so long that it seems not to pass by itself. One failed sweep is not enough."""
        if self.activity in {Activity.SWEEP, Activity.PRICES}:
            return self.latest_at - self.since >= LASTS
        is_known = not self._is_look or now - self.latest_at < LOOKS_COME_BACK
        return is_known and now - self.since >= LASTS

    @property
    def _is_look(self) -> bool:
        return self.activity is Activity.LOOK
