"""What the tests of the log queries share: stories whose log is kept, and the names of the queries."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from spot_responder.decisions.app_health.event_path import EventPath, EventPathState
from tests.harness.log_analytics import REACHES, Logbook

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.stories import StoryAzure


SHOWN = [
    "evictions",
    "failures-by-kind",
    "failures-by-pool",
    "notice-lead",
    "open-recoveries",
    "time-to-restore",
    "workload-ready",
]
SILENCE = "alarm-app-silent"
ALARMS = sorted(REACHES.keys() - {SILENCE})
D2 = "standard_d2s_v5 in westeurope"
D4 = "standard_d4s_v5 in westeurope"
DAY = timedelta(days=1)
NOTHING_TOLD = EventPath(EventPathState.QUIET, 0, 0, None, None)


@contextmanager
def watched(azure: StoryAzure) -> Iterator[Logbook]:
    """Keep the log of what the app does in this Azure."""
    logbook = Logbook()
    with logbook.written_by_the_app(lambda: azure.now):
        yield logbook


def out_of_capacity(azure: StoryAzure, name: str = "render-1", size: str = "Standard_D2s_v5") -> None:
    """Evict a VM for which there is no capacity any more."""
    azure.add_vm(name, size=size)
    azure.world.set_capacity(azure.pool_key(name), 0)
    azure.world.evict(name)


def lines(logbook: Logbook, event: str) -> list[dict[str, Any]]:
    """Give the product's own lines of one kind."""
    told = [json.loads(row["Message"]) for row in logbook.rows["AppTraces"]]
    return [line for line in told if line["event"] == event]


def names(rows: list[dict[str, Any]]) -> list[str]:
    """Give the VMs' names of a result."""
    return [row["vm"].rpartition("/")[2] for row in rows]


def answers(logbook: Logbook, name: str, *times: datetime) -> list[dict[str, Any]]:
    """Ask at several times, as an alarm's rule does, and give all that was ever found."""
    return [row for time in times for row in logbook.ask(name, time)]
