"""When jobs arrive, and what befalls the VMs: the same for the responder and for every peer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Final

from bench.scenarios import MINUTE, SECOND
from localazure.world.durations import Durations
from soak.work.worker import LONGEST_BOOT_S
from spot_responder.demand.work_queues import WorkQueue
from spot_responder.intake.work_queue_names import WorkQueueName

START: Final = 20 * SECOND
"""From when a start is accepted until the VM runs; its worker begins ``LONGEST_BOOT_S`` later."""

BOOT_S: Final = START.total_seconds() + LONGEST_BOOT_S
IDLE: Final = 5 * MINUTE
DURATIONS: Final = Durations(
    until_unavailable=3 * SECOND, deallocation=15 * SECOND, start=START, failed_start=20 * SECOND
)
NAME: Final = WorkQueueName("farm", "frames")


@dataclass(frozen=True, slots=True)
class Arrival:
    """A job: when it arrives, from the beginning on, and how long its work takes, in seconds."""

    at: timedelta
    seconds: float


@dataclass(frozen=True, slots=True)
class Scenario:
    """``vms`` that are all down, jobs that arrive, VMs that are evicted: the one that is busy longest, at these times.

    ``needed``: how many VMs the work needs, as ceil(backlog / messages for a VM) of each burst, added up; an eviction
    needs a start more.
    """

    title: str
    vms: int
    arrivals: tuple[Arrival, ...]
    messages_per_vm: int
    needed: int
    evicted_at: tuple[timedelta, ...] = ()

    @property
    def queue(self) -> WorkQueue:
        """Give the work queue, as the responder is told of it."""
        return WorkQueue(
            NAME,
            "https://farm.queue.core.windows.net",
            "https://farm.table.core.windows.net",
            messages_per_vm=self.messages_per_vm,
            max_vms=self.vms,
            idle=IDLE,
            minimum=timedelta(),
        )

    @property
    def ends_after(self) -> timedelta:
        """Say when all is over, also where a job has to be done again."""
        return max(each.at for each in self.arrivals) + timedelta(hours=3)

    @property
    def least_vm_s(self) -> float:
        """Give the seconds of VMs that the work needs at least: itself, each boot, and an idle time for each VM."""
        boots = (self.needed + len(self.evicted_at)) * BOOT_S
        return sum(each.seconds for each in self.arrivals) + boots + self.needed * IDLE.total_seconds()


def _singles() -> Scenario:
    """One job now and then, far enough apart that each finds all VMs down."""
    chance = Random(0)  # noqa: S311 - no secret
    arrivals, at = [], timedelta()
    for _ in range(100):
        at += timedelta(minutes=chance.uniform(12, 40))
        arrivals.append(Arrival(at, chance.choice((5.0, 60.0, 240.0))))
    return Scenario("100 single jobs, 12 to 40 minutes apart", 4, tuple(arrivals), 1, len(arrivals))


def _long_jobs() -> Scenario:
    """Eight jobs of an hour, which are in nobody's sight once they are claimed, and a trickle of short ones."""
    long = [Arrival(timedelta(), 3600.0)] * 8
    short = [Arrival(timedelta(minutes=4 * number + 7), 20.0) for number in range(13)]
    return Scenario("8 jobs of an hour, a short one each 4 minutes", 12, (*long, *short), 1, 9)


SINGLES: Final = _singles()
BURST: Final = Scenario("300 jobs of 2 minutes at once", 80, (Arrival(timedelta(), 120.0),) * 300, 5, 60)
LONG: Final = _long_jobs()
EVICTED: Final = Scenario(
    "60 jobs of 10 minutes, 5 evictions",
    40,
    (Arrival(timedelta(), 600.0),) * 60,
    3,
    20,
    tuple(timedelta(minutes=4 + 5 * number) for number in range(5)),
)
ALL: Final = (SINGLES, BURST, LONG, EVICTED)
