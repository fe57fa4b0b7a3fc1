"""What an operator may set about decisions, and how patient we are where there is nothing to set."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

ANSWER_PATIENCE: Final = timedelta(minutes=2)
"""A start request whose answer we never saw is asked again after this long: we died, or the network did."""

START_PATIENCE: Final = timedelta(minutes=10)
"""How long an accepted start may take to show in the power state before it counts as gone astray."""

EVICTION_PATIENCE: Final = timedelta(minutes=5)
"""How long after an eviction's event a VM that still runs is read again: the event comes as the eviction begins
(docs/azure-facts.md events-10)."""

INTENT_GRACE: Final = timedelta(minutes=1)
"""A VM that is down for a reason nobody told yet is left alone this long: its owner's stop may still be on its way."""

LOOK_HOLDS: Final = timedelta(seconds=30)
"""A start is sent within so long of the look that it rests on, or not at all: tag and power state may have changed."""

LASTS: Final = timedelta(minutes=30)
"""What keeps us for so long from looking, deciding, starting or telling does not pass by itself: somebody is needed."""

GONE_AFTER: Final = timedelta(minutes=10)
"""A VM counts as gone when ARM has answered "not found" for so long, in two looks at least, and Resource Graph agrees:
public clouds answer so for a while about VMs that exist."""

GONE_THOUGH_SHOWN: Final = timedelta(days=1)
"""Resource Graph may show a VM for hours after it is gone: after so long, ARM's answer alone counts."""

FOLLOW_UP_OVERDUE: Final = timedelta(minutes=2)
"""A follow-up so late is taken as lost, and the sweep puts a find in its place."""

QUEUED_LOOK_HOLDS: Final = timedelta(minutes=15)
"""Who is queued in its pool is looked at so often at least: it may be gone, in another pool, or not ours any more."""

LONGEST_DELAY: Final = timedelta(days=6)
"""A queue message can be hidden for seven days at most; what has to wait longer is decided anew."""


class RestartWhen(StrEnum):
    """What it takes to restart a VM that is down."""

    UNLESS_STOPPED = "unless-stopped"
    EVICTED = "evicted"


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator may set; ``settings.py`` says what each is for."""

    restart_tag: str = "AttemptRestartAfterEviction"
    restart_when: RestartWhen = RestartWhen.UNLESS_STOPPED
    restarts_per_day: int = 10
    restarts_per_hour: int = 3
    brake: timedelta = timedelta(minutes=30)
    starts_per_hour: int = 12
    look_again: timedelta = timedelta(seconds=15)
    capacity_retry: timedelta = timedelta(minutes=1)
    capacity_retry_max: timedelta = timedelta(minutes=15)
    price_retry: timedelta = timedelta(hours=1)
    slow_retry: timedelta = timedelta(hours=1)

    @property
    def news_of_a_start(self) -> timedelta:
        """Give how long after an accepted start it is looked at: one takes some 20 seconds, to come up or to fail."""
        return self.look_again * 1.5

    def turn(self, waited: timedelta) -> timedelta:
        """Give how long after its pool's own time a VM comes that has waited so long.

        Soon at first, then a tenth of how long it has waited, up to a first pause: hundreds may be waiting.
        """
        return min(max(self.look_again, waited / 10), max(self.look_again, self.capacity_retry))
