"""The settings that decisions depend on, and the times that nobody can set.

``settings.py`` reads a ``Policy`` from the environment; every module of ``decisions`` takes it as an argument.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from spot_responder.offerings.fallback_tag import MOST_SIZES

if TYPE_CHECKING:
    from spot_responder.intake.work_queue_names import WorkQueueName

ANSWER_PATIENCE: Final = timedelta(minutes=2)
"""How long a start request may go without an answer before it is sent again: the app may have crashed, or the network
failed."""

START_PATIENCE: Final = timedelta(minutes=10)
"""How long an accepted start may take to show in the power state before it counts as gone astray."""

EVICTION_PATIENCE: Final = timedelta(minutes=5)
"""How long after an eviction's event a VM that still runs is read again: the event comes as the eviction begins
(docs/azure-facts.md events-10)."""

NOTICE_HOLDS: Final = timedelta(minutes=5)
"""How long after an agent's notice the VM may go down for it to count as that eviction. Azure gives half a minute at
most (docs/azure-facts.md notices-1); the clock of a VM may be some minutes off."""

READY_WITHIN: Final = timedelta(minutes=15)
"""How long after its restore a VM's agent may take to report that the workload goes on: the boot, and recovering what
was saved."""

AGENT_REMEMBERED: Final = timedelta(days=30)
"""How long an agent that once reported is expected to report again: it may have been uninstalled since."""

INTENT_GRACE: Final = timedelta(minutes=1)
"""How long a VM is left alone that is down for no known reason: the report of its owner's stop may still be on its
way."""

LOOK_HOLDS: Final = timedelta(seconds=30)
"""The longest time between reading a VM and handing its start to the client, which may keep it for another ten seconds
until its turn comes: after that, tag and power state may have changed."""

LASTS: Final = timedelta(minutes=30)
"""How long the app may be kept from looking, deciding, starting or publishing before somebody is needed: by then it
does not pass by itself."""

GONE_AFTER: Final = timedelta(minutes=10)
"""How long ARM must have answered "not found", in two looks at least and with Resource Graph agreeing, before a VM
counts as gone: public clouds answer so for a while about VMs that exist."""

GONE_THOUGH_SHOWN: Final = timedelta(days=1)
"""How long ARM must have answered "not found" before a VM counts as gone that Resource Graph still shows: the graph may
be hours old."""

RESTARTS_REMEMBERED: Final = timedelta(days=1)
"""How far back the brake counts restarts (``RESTARTS_PER_DAY``), and so how long a closed recovery's row is kept at
least (``Recovery.is_worth_remembering``)."""

BRAKE_COUNTS: Final = timedelta(hours=1)
"""How far back restarts count for the brake's pause, from the latest one."""

STARTS_REMEMBERED: Final = timedelta(hours=1)
"""How far back the budget counts start requests (``STARTS_PER_HOUR``)."""

RESIZES_REMEMBERED: Final = timedelta(days=1)
"""How far back changes of a VM's size are counted."""

RESIZES_PER_DAY: Final = 24
"""How many changes of its size are asked for one VM within a day: two for each of ten restarts, and some for an outage
of all its sizes."""

RESIZES_PER_HOUR: Final = MOST_SIZES + 1
"""How many of them within an hour: to each size that a tag may name, and back. With their starts, and the one with the
VM's own size, five use 11 of the 12 requests of ``STARTS_PER_HOUR``, and of Azure's bucket of that VM."""

KEPT_FOR_HOME: Final = 1
"""How many of either are kept for the way back to its first size, so that an outage of all sizes ends there; but not
from a size that this recovery has not tried."""

RESIZE_TAKES: Final = timedelta(seconds=3)
"""How long after an accepted change of size its VM is read: it is deallocated, so that only its description changes."""

RESIZE_LOOK_HOLDS: Final = timedelta(seconds=20)
"""The longest time between reading a VM and handing a change of its size to the client: with the client's ten seconds
the look is at most half a minute old. On a VM that runs it would be a restart (docs/azure-facts.md sizes-7)."""

UNFIT_HOLDS: Final = timedelta(days=1)
"""How long a size is not tried again that Azure refused for a reason that is not known to pass."""

FOLLOW_UP_OVERDUE: Final = timedelta(minutes=2)
"""How late a follow-up may be before it counts as lost, and the sweep puts a find in its place."""

QUEUED_LOOK_HOLDS: Final = timedelta(minutes=15)
"""How long a queued VM goes without being read: it may be gone, in another pool, or no longer covered."""

LONGEST_DELAY: Final = timedelta(days=6)
"""The longest time that a message is hidden on the queue, which allows seven days; a longer wait is decided anew
then."""


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
    resizes: bool = False
    work_queues: frozenset[WorkQueueName] = frozenset()

    @property
    def news_of_a_start(self) -> timedelta:
        """Give how long after an accepted start its VM is read: a start takes some 20 seconds to come up or to fail."""
        return self.look_again * 1.5

    def turn(self, waited: timedelta) -> timedelta:
        """Give how long after its pool's own time a VM comes back that has waited for ``waited``.

        Soon at first, then a tenth of that time, at most a first pause: hundreds of VMs may be waiting.
        """
        return min(max(self.look_again, waited / 10), max(self.look_again, self.capacity_retry))
