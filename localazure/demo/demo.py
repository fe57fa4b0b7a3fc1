"""The demo: plays all scenarios in one world, shows the timeline, and compares each VM's end with the expected one.

Called by ``commands.py``; the scenarios are in ``scenarios.py`` and ``agent_scenario.py``.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from localazure.demo.agent_scenario import agent_scenario
from localazure.demo.jobs.picture import picture
from localazure.demo.jobs.scenario import Jobs, workers_that_wait
from localazure.demo.scenarios import SCENARIOS, End, Player, Scenario
from localazure.demo.timeline import Timeline, app_lines
from localazure.demo.work_queue.scenario import WORK_QUEUE, WorkQueueDemo
from localazure.laptop import RESIZER_CLIENT_ID, laptop_azure
from localazure.world.durations import Durations

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path

    from localazure.demo.jobs.ending import JobsEnding
    from localazure.demo.work_queue.ending import WorkEnding
    from localazure.laptop import Laptop
    from localazure.world.machines import Machine

SECOND: Final = timedelta(seconds=1)
PICTURE: Final = "demo-worker.svg"
DURATIONS: Final = Durations(
    until_unavailable=0.5 * SECOND, deallocation=2 * SECOND, start=3 * SECOND, failed_start=SECOND
)
GRAPH_LAG: Final = SECOND

# Real waits are minutes and hours; here they are seconds. Polling is as in host.json, which is the app's own.
APP_SETTINGS: Final = {
    "SWEEP_SCHEDULE": "*/10 * * * * *",
    "LOOK_AGAIN_SECONDS": "1",
    "CAPACITY_RETRY_SECONDS": "3",
    "CAPACITY_RETRY_MAX_SECONDS": "6",
    "PRICE_RETRY_SECONDS": "4",
    "RESIZE_CLIENT_ID": RESIZER_CLIENT_ID,
}
PATIENCE: Final = 120 * SECOND
WATCHED_FOR: Final = 25 * SECOND
"""VMs that are to be left alone are watched at least so long: two sweeps and more."""

LOOK_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Ending:
    """How it ended for one VM: a row of ``demo.json``."""

    scenario: Scenario
    player: Player
    machine: Machine
    first_signal_at: datetime | None
    outcome: str
    reason: str

    @property
    def is_as_expected(self) -> bool:
        """Whether the VM came to its end, and without more start requests than there may be."""
        return self.outcome == self.player.end and len(self.machine.start_calls) <= self.player.most_starts

    def row(self) -> dict[str, object]:
        """Write it for ``demo.json``; times are ISO 8601 in UTC."""
        accepted = [call.at for call in self.machine.start_calls if call.status < 400]  # noqa: PLR2004 - an HTTP error
        return {
            "name": self.machine.name,
            "scenario": self.scenario.number,
            "expected": self.player.end,
            "outcome": self.outcome,
            "evicted_at": _iso(self.machine.evicted_at),
            "first_signal_at": _iso(self.first_signal_at),
            "start_accepted_at": _iso(accepted[0] if accepted else None),
            "running_at": _iso(self.machine.running_at),
            "start_calls": len(self.machine.start_calls),
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class Played:
    """How the demo ended, for its VMs, for its jobs, and for its work queue."""

    endings: list[Ending]
    jobs: JobsEnding
    work: WorkEnding

    @property
    def is_as_expected(self) -> bool:
        """Whether all of it is."""
        worked = self.jobs.is_as_expected and self.work.is_as_expected
        return worked and all(ending.is_as_expected for ending in self.endings)


async def play(folder: Path) -> Played:
    """Play all scenarios and say how they ended; the timeline goes to standard output."""
    sys.stdout.write("Starting the laptop Azure, with the app in it …\n")
    sys.stdout.flush()
    async with laptop_azure(folder, APP_SETTINGS, DURATIONS, work_queues=(WORK_QUEUE,)) as laptop:
        laptop.graph.lag = GRAPH_LAG
        workers = await workers_that_wait(laptop)
        began_at = laptop.clock.now()
        jobs, work = Jobs(workers, began_at), WorkQueueDemo(began_at)
        numbers = itertools.count(len(SCENARIOS) + 1)
        more = (agent_scenario, jobs.scenario, work.scenario)
        scenarios = (*SCENARIOS, *(scenario(next(numbers)) for scenario in more))
        sys.stdout.write(
            f"{len(scenarios)} scenarios at once; what takes minutes and hours in Azure takes seconds here.\n"
        )
        timeline = Timeline(began_at)
        timeline.listen(laptop)
        follow = asyncio.create_task(timeline.follow(laptop))

        def tell(who: str, what: str) -> None:
            timeline.tell(laptop.clock.now(), who, what)

        await asyncio.gather(*(scenario.play(laptop, tell) for scenario in scenarios))
        await _until_all_is_over(laptop, scenarios, began_at)
        follow.cancel()
        return Played(_endings(laptop, scenarios, began_at), await jobs.ending(laptop), await work.ending(laptop))


async def _until_all_is_over(laptop: Laptop, scenarios: Iterable[Scenario], began_at: datetime) -> None:
    """Wait until every VM that shall come back has, and the others were watched long enough; or patience ends."""
    waited_for = [player for scenario in scenarios for player in scenario.players if player.end is End.RESTORED]
    while laptop.clock.now() < began_at + PATIENCE:
        watched = laptop.clock.now() >= began_at + WATCHED_FOR
        if watched and all(outcome(laptop, player) == End.RESTORED for player in waited_for):
            return
        await asyncio.sleep(LOOK_S)


def _endings(laptop: Laptop, scenarios: Iterable[Scenario], began_at: datetime) -> list[Ending]:
    lines, _ = app_lines(laptop.host_log)
    # The reason of the end: what is said of a VM that runs already says nothing about how it came to run.
    decisions = [line for line in lines if line["event"] == "decision" and line["reason"] != "it runs"]
    reasons = {line["vm"].lower(): line["reason"] for line in decisions}
    endings = []
    for scenario in scenarios:
        for player in scenario.players:
            machine = laptop.world.machine(player.name)
            first_signal_at = laptop.event_grid.log.first_signal_at(machine.vm_id, began_at)
            reason = reasons.get(machine.vm_id.lower(), "")
            endings.append(Ending(scenario, player, machine, first_signal_at, outcome(laptop, player), reason))
    return endings


def outcome(laptop: Laptop, player: Player) -> str:
    """Say how it stands for a VM: what the world shows, what the responder told of it, and what its guest left."""
    machine = laptop.world.machine(player.name)
    if machine.running_at and player.size and machine.size != player.size:
        return f"started as {machine.size}"
    if machine.running_at and "restored" in outcomes_told(laptop, machine):
        is_resumed = not player.leaves or (laptop.guests.installed[player.name].disk / player.leaves).exists()
        return End.RESTORED if is_resumed else "started, but its work does not go on"
    if machine.start_calls:
        return "started"
    return End.LEFT_ALONE


def outcomes_told(laptop: Laptop, machine: Machine) -> list[str]:
    """Give the outcomes that the responder published about a VM."""
    published = [event["data"] for event in laptop.outcomes.published]
    told = [data for data in published if isinstance(data, dict) and data["vmId"].lower() == machine.vm_id.lower()]
    return [data["outcome"] for data in told if "outcome" in data]


def report(played: Played) -> dict[str, Any]:
    """Make the content of ``demo.json``."""
    endings = played.endings
    alone = [ending for ending in endings if ending.player.end is End.LEFT_ALONE]
    wanted = [ending for ending in endings if ending.player.end is End.RESTORED]
    return {
        "vms": [ending.row() for ending in endings],
        "totals": {
            "evicted": sum(1 for ending in endings if ending.machine.evicted_at),
            "restored": sum(1 for ending in endings if ending.outcome == End.RESTORED),
            "wrongly_started": sum(1 for ending in alone if ending.machine.start_calls),
            "lost": sum(1 for ending in wanted if ending.outcome != End.RESTORED),
            **played.jobs.totals(),
        },
        "work": played.work.row(),
    }


def summary(endings: list[Ending]) -> str:
    """Make the table that ends the demo."""
    lines = ["", f"{'scenario':<62}{'VM':<14}{'end':<12}{'starts':>6}{'back after':>12}"]
    for ending in endings:
        title = f"{ending.scenario.number} {ending.scenario.title}"
        starts = len(ending.machine.start_calls)
        line = f"{title:<62}{ending.player.name:<14}{ending.outcome:<12}{starts:>6}{_back_after(ending):>12}"
        lines.append(line if ending.is_as_expected else f"{line}  <- expected {_expected(ending.player)}")
    return "\n".join(lines) + "\n"


def _expected(player: Player) -> str:
    return f"{player.end} with {player.most_starts} starts at most"


def run(folder: Path) -> int:
    """Play the demo, write ``demo.json`` into the folder, and give the exit code: 0 where all came as expected."""
    played = asyncio.run(play(folder))
    told = report(played)
    (folder / "demo.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    drawn = folder / PICTURE
    drawn.write_text(picture(played.jobs.work, played.jobs.headline(), played.jobs.below()), encoding="utf-8")
    sys.stdout.write(f"{summary(played.endings)}\n{played.jobs.summary()}Who worked on what, and when: {drawn}\n")
    sys.stdout.write(f"\n{played.work.summary()}")
    totals = ", ".join(f"{name} {count}" for name, count in told["totals"].items() if name not in played.jobs.totals())
    good = "All as expected" if played.is_as_expected else "NOT as expected"
    sys.stdout.write(f"\n{good}: {totals}, {played.jobs.words()}; {played.work.words()}.\n")
    return 0 if played.is_as_expected else 1


def _back_after(ending: Ending) -> str:
    if not ending.machine.running_at or not ending.machine.evicted_at:
        return "-"
    return f"{(ending.machine.running_at - ending.machine.evicted_at).total_seconds():.1f} s"


def _iso(time: datetime | None) -> str | None:
    return time.isoformat() if time else None
