"""What one look at a work queue sees, what is kept between two looks, and what a look decides. Pure.

``responder/work/looks.py`` gathers a ``Look``, ``decide_demand.py`` decides on it, ``clients/work/table.py`` keeps the
``Watch``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from spot_responder.text import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date, datetime

    from spot_responder.decisions.recoveries import Recovery
    from spot_responder.intake.vms import Vm, VmId
    from spot_responder.intake.work_queue_names import WorkQueueName


CLOCK_FAST_BY: Final = timedelta(minutes=15)
"""How far a VM's clock may be ahead of the app's; what its workers write with a later time is not believed."""

MOST_PEEKED: Final = 32
"""How many messages Azure shows at once (docs/azure-facts.md work-2)."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many messages the queue has: those that a worker can take now, and all, also those that somebody holds."""

    visible: int
    total: int

    @property
    def told(self) -> str:
        """Write it: ``30 messages, 24 of them to take``. More than Azure shows at once are not counted one by one."""
        to_take = str(self.visible) if self.visible <= MOST_PEEKED else f"{MOST_PEEKED} or more"
        return f"{count(self.total, 'message')}, {to_take} of them to take"


class Doing(StrEnum):
    """What a slot of a worker does, as it writes into the table ``workers``."""

    IDLE = "idle"
    BUSY = "busy"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class Word:
    """What a slot of a worker wrote last. ``stops_vm``: it stops because it is about to deallocate its own VM."""

    vm_name: str
    doing: Doing
    at: datetime
    stops_vm: bool = False


def believed(words: Iterable[Word], now: datetime) -> tuple[Word, ...]:
    """Leave out words of a time that has not come. A VM's clock may be fast by minutes; a forged row is by years."""
    return tuple(word for word in words if word.at <= now + CLOCK_FAST_BY)


@dataclass(frozen=True, slots=True)
class QueueVm:
    """A VM that serves the queue: as Resource Graph shows it, its row, and what its workers wrote.

    ``row_is_odd``: it has a row that cannot be read, so nothing is known of what it says.
    """

    vm: Vm
    recovery: Recovery | None
    words: tuple[Word, ...] = ()
    row_is_odd: bool = False


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at a work queue sees."""

    backlog: Backlog
    vms: tuple[QueueVm, ...]


class Trouble(StrEnum):
    """What somebody is told of a VM that serves a work queue: nothing stops it from outside."""

    SILENT = "silent"
    SHUT_DOWN_INSIDE = "shut-down-inside"
    STAYS_UP = "stays-up"

    @property
    def says(self) -> str:
        """Say it in a sentence."""
        return _SAYS[self]


_SAYS: Final = {
    Trouble.SILENT: "it runs and no worker of it says anything: look at the worker's journal on the VM",
    Trouble.SHUT_DOWN_INSIDE: "it was shut down from inside and is still billed: deallocate it",
    Trouble.STAYS_UP: "it has nothing to do and does not deallocate itself: may its identity do so?",
}


@dataclass(frozen=True, slots=True)
class VmWatch:
    """What is kept of a VM between two looks.

    ``up_since``: since when looks see it running; ``seen_up_at``: when one saw last that it was not deallocated;
    ``ran_at``: that it ran. ``idle_since``: since when none of its workers is busy; ``stopped_since``: since when it is
    stopped or stopping, not deallocated. ``asked_at``: when a look asked for its start; ``asks_in_vain``: how often,
    since a worker of it spoke. ``boot_failures``: how often in a row it was up without a word of a worker.
    ``own_stops``: when its worker wrote that it was about to deallocate it. ``left_out_since``: since when looks do not
    see it, though it was up or asked for before. ``let_go_at``: when its queue ceased to ask for it, while its
    start may have been on its way. ``told``: somebody was told that it is silent, shut down inside, or stays up; once
    for each time.
    """

    up_since: datetime | None = None
    seen_up_at: datetime | None = None
    ran_at: datetime | None = None
    idle_since: datetime | None = None
    stopped_since: datetime | None = None
    asked_at: datetime | None = None
    asks_in_vain: int = 0
    own_stops: tuple[datetime, ...] = ()
    left_out_since: datetime | None = None
    let_go_at: datetime | None = None
    boot_failures: int = 0
    told: Trouble | None = None


@dataclass(frozen=True, slots=True)
class UpTime:
    """How long the VMs of a queue were up on a day (UTC), all together, and how long of that with nothing to do."""

    day: date
    up: timedelta
    idle: timedelta


@dataclass(frozen=True, slots=True)
class Watch:
    """What is kept of a work queue between two looks.

    ``began_at``: when the latest look began; ``under_way``: it is not over yet; ``looked_at``: when it was read last.
    ``due_at``: when the one valid follow-up is due, ``None`` without one; ``follow_up``: its number. ``asked_for``: the
    VMs that the queue asks for, as the keys of their ids. ``waiting_since``: since when there are messages that nobody
    took; ``unserved_since``: and no worker is busy with another one either. ``failing_since``: since when what is to be
    looked at cannot be read. ``joins_at``: when a wake comes again that came right after a look. ``up_times``: of the
    last days, oldest first.
    """

    name: WorkQueueName
    began_at: datetime | None = None
    under_way: bool = False
    looked_at: datetime | None = None
    due_at: datetime | None = None
    follow_up: int = 0
    asked_for: frozenset[str] = frozenset()
    vms: Mapping[str, VmWatch] = field(default_factory=dict)
    backlog: Backlog | None = None
    waiting_since: datetime | None = None
    unserved_since: datetime | None = None
    failing_since: datetime | None = None
    joins_at: datetime | None = None
    up_times: tuple[UpTime, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Demand:
    """What a look decides: ``start`` these VMs, keep this ``watch``, and tell somebody of these ``troubles``.

    ``goes_on``: whether a follow-up has to look again soon. ``waits_since``: since when nobody works on what there is,
    if that is too long.
    """

    start: tuple[VmId, ...]
    watch: Watch
    goes_on: bool
    troubles: tuple[tuple[VmId, Trouble], ...] = ()
    waits_since: datetime | None = None
