"""The process-kill test: the laptop Azure, real processes, VMs recovering, and the app's host killed again and again.

``python -m soak.responder.kills`` (``make kills``) writes the result into ``.local/kills.json``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any, Final

from localazure.demo.scenarios import TAG
from localazure.laptop import REPOSITORY, laptop_azure
from localazure.runtime.processes import NotAloneError, StartError, alone
from localazure.world.durations import Durations
from localazure.world.machines import PowerState
from soak.command_line import say, seed_or_any, write_report
from soak.responder.killer import Killer, Point
from spot_responder.decisions.publishing.published_events import CLOSED_TYPE

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from localazure.event_grid.azure_events import JsonObject
    from localazure.laptop import Laptop
    from localazure.world.machines import Machine

FOLDER: Final = REPOSITORY / ".local"
SECOND: Final = timedelta(seconds=1)
LEASE: Final = 8 * SECOND
"""Azure's host leases a message for ten minutes: so long would each wait that a killed host had in hand."""

DURATIONS: Final = Durations(
    until_unavailable=0.3 * SECOND, deallocation=SECOND, start=1.5 * SECOND, failed_start=0.7 * SECOND
)
APP_SETTINGS: Final = {
    "SWEEP_SCHEDULE": "*/15 * * * * *",
    "LOOK_AGAIN_SECONDS": "2",
    "CAPACITY_RETRY_SECONDS": "4",
    "CAPACITY_RETRY_MAX_SECONDS": "8",
}
POOLS: Final = tuple(
    f"Standard_{name}"
    for name in ("D2s_v5", "D4s_v5", "D8s_v5", "E2s_v5", "E4s_v5", "F2s_v2", "F4s_v2", "L8s_v3", "B2s", "B4ms")
)
_RESTORED: Final = "restored"
_AT_ONCE: Final = 0.4
"""So many of the VMs of a crowd, of 1, are evicted at the beginning."""

_PATIENCE: Final = timedelta(minutes=4)
_TRIES: Final = 3
_LOOK_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Plan:
    """So many VMs, and a kill at each of these points.

    ``is_crowded``: many VMs are evicted at the beginning, the others between the kills; and every other pool has no
    free place then, and gets one after the other. Otherwise a kill finds one VM on its way back, others are evicted
    before the next host is up, and all is over before the next kill.
    """

    vms: int
    points: Sequence[Point]
    is_crowded: bool


WHOLE: Final = Plan(
    vms=50,
    # First those whose VM has to wait longest, so that this is over when the last host dies.
    points=(
        *(3 * [Point.START_LOST]),
        *(3 * [Point.WRITING]),
        *(3 * [Point.START_UNANSWERED]),
        *(3 * [Point.START_LATE]),
        *(3 * [Point.VM_UNANSWERED]),
        *(3 * [Point.GRAPH_UNANSWERED]),
        *(3 * [Point.OUTCOME_LOST]),
        *(3 * [Point.OUTCOME_UNANSWERED]),
        *(8 * [Point.AT_RANDOM]),
    ),
    is_crowded=True,
)


@dataclass(frozen=True, slots=True)
class Findings:
    """What a run came to. ``broken`` has a line for each promise that did not hold."""

    vms: int
    kills: Counter[Point]
    restored: int
    lost: tuple[str, ...]
    started_while_running: tuple[str, ...]
    told_twice: tuple[str, ...]
    untold: tuple[str, ...]
    missed: tuple[str, ...]

    @property
    def broken(self) -> tuple[str, ...]:
        """Every line, and one for each point at which no host was killed, of which the run shows nothing."""
        return (*self.lost, *self.started_while_running, *self.told_twice, *self.untold, *self.missed)

    def report(self, seed: int) -> dict[str, object]:
        """Make the content of ``kills.json``."""
        return {
            "vms": self.vms,
            "kills": self.kills.total(),
            "kills_at": {str(point): self.kills[point] for point in Point if self.kills[point]},
            "restored": self.restored,
            "lost": len(self.lost),
            "started_while_running": len(self.started_while_running),
            "told_twice": len(self.told_twice),
            "untold": len(self.untold),
            "seed": seed,
        }


async def play(folder: Path, plan: Plan, seed: int) -> Findings:
    """Let VMs be evicted, kill the host at each point of the plan, and judge when all is over."""
    chance = Random(seed)  # noqa: S311 - no secret
    killer = Killer(chance)
    async with laptop_azure(folder, APP_SETTINGS, DURATIONS, lease=LEASE, between=killer.middleware()) as laptop:
        story = _Story(laptop, killer, chance, laptop.clock.now())
        story.set_the_scene(plan)
        await story.let_hosts_die(plan)
        story.end_the_shortage()
        story.tell("all is over" if await story.until_all_is_over() else "patience is over")
        return await _judged(laptop, killer.kills, plan.points)


@dataclass(frozen=True, slots=True)
class _Story:
    laptop: Laptop
    killer: Killer
    chance: Random
    began_at: datetime

    def set_the_scene(self, plan: Plan) -> None:
        """Add tagged Spot VMs."""
        world = self.laptop.world
        for number in range(plan.vms):
            machine = world.add_vm(f"vm-{number + 1}", size=POOLS[number % len(POOLS)], tags=TAG)
            if plan.is_crowded and number % 2:
                world.set_capacity(machine.pool, 0)

    async def let_hosts_die(self, plan: Plan) -> None:
        """Evict VMs, give back a place now and then, and kill."""
        left = self.laptop.world.machines()
        self.chance.shuffle(left)
        if plan.is_crowded:
            self._evict(left, int(len(left) * _AT_ONCE))
        each_time = len(left) / len(plan.points)
        for number, point in enumerate(plan.points):
            due = len(left) - int(each_time * (len(plan.points) - 1 - number))
            self._evict(left, due if plan.is_crowded else 1)
            self._free_a_place()
            await self._kill_at(point)
            if not plan.is_crowded:
                self._evict(left, due - 1)
                if not await self.until_all_is_over():
                    return

    def _evict(self, left: list[Machine], count: int) -> None:
        for _ in range(count):
            self.laptop.world.evict(left.pop().vm_id)

    async def _kill_at(self, point: Point) -> None:
        for _ in range(_TRIES):
            if await self.killer.kill_at(point, self.laptop.host):
                self.tell(f"killed {point}")
                return
            # Nothing came by: perhaps since no VM can start.
            self._free_a_place()
        self.tell(f"not killed {point}: the app did not come there")

    def _free_a_place(self) -> None:
        """Let one more VM of those that are down find a place."""
        world = self.laptop.world
        pools = [machine.pool for machine in world.machines() if machine.power_state is PowerState.DEALLOCATED]
        short = [pool for pool in pools if world.market.free(pool) is not None]
        if short:
            pool = self.chance.choice(short)
            world.set_capacity(pool, (world.market.free(pool) or 0) + 1)

    def end_the_shortage(self) -> None:
        """Let there be plenty of capacity."""
        for machine in self.laptop.world.machines():
            self.laptop.world.set_capacity(machine.pool, None)

    async def until_all_is_over(self) -> bool:
        """Wait until every evicted VM runs and every recovery is closed and told. Give whether it was in time."""
        deadline = self.laptop.clock.now() + _PATIENCE
        while self.laptop.clock.now() < deadline:
            if all(machine.running_at for machine in self.laptop.world.machines()) and await self._is_all_told():
                return True
            await asyncio.sleep(_LOOK_S)
        return False

    def tell(self, what: str) -> None:
        """Say how it stands."""
        seconds = (self.laptop.clock.now() - self.began_at).total_seconds()
        down = sum(1 for machine in self.laptop.world.machines() if not machine.running_at)
        say(f"{seconds:6.1f} s  {self.killer.kills.total():2} kills, {down:2} VMs down: {what}")

    async def _is_all_told(self) -> bool:
        rows, history = await _rows(self.laptop, "recoveries"), await _rows(self.laptop, "history")
        return all(row["closed_at"] and row["recorded"] for row in rows) and all(row["published"] for row in history)


async def _judged(laptop: Laptop, kills: Counter[Point], points: Sequence[Point]) -> Findings:
    rows, history = await _rows(laptop, "recoveries"), await _rows(laptop, "history")
    evicted = [machine for machine in laptop.world.machines() if machine.evictions]
    lost = [f"lost: {one.name} is {one.power_state}" for one in evicted if not one.running_at]
    restored = {row["vm_id"].lower() for row in history if row["outcome"] == _RESTORED}
    return Findings(
        vms=len(evicted),
        kills=kills,
        restored=sum(1 for one in evicted if one.running_at and one.vm_id.lower() in restored),
        lost=tuple(lost),
        started_while_running=tuple(line for one in evicted for line in _wrong_starts(one)),
        told_twice=tuple(_told_twice(laptop, evicted, history)),
        untold=tuple(_untold(laptop, evicted, rows, history)),
        missed=tuple(f"missed: no host was killed {point}" for point in Point if point in points and not kills[point]),
    )


def _wrong_starts(machine: Machine) -> Iterator[str]:
    """Find the start requests that met a VM which was not deallocated."""
    for call in machine.start_calls:
        before = [state for at, state in machine.power_history if at < call.at][-1]
        if before is not PowerState.DEALLOCATED:
            yield f"started: {machine.name} was {before} when a start came at {call.at:%H:%M:%S.%f}"


def _closings(laptop: Laptop) -> list[JsonObject]:
    return [event for event in laptop.outcomes.published if event["type"] == CLOSED_TYPE]


def _told_twice(laptop: Laptop, evicted: list[Machine], history: list[dict[str, Any]]) -> Iterator[str]:
    """Find VMs, each evicted once, with several recoveries in the history, and recoveries told in two ways.

    That the same is published again under the same id is allowed: who listens tells by the id.
    """
    cases: dict[str, list[str]] = {}
    words: dict[str, set[str]] = {}
    for row in history:
        cases.setdefault(row["vm_id"].lower(), []).append(row["outcome"])
        words[row["RowKey"]] = {row["outcome"]}
    for machine in evicted:
        outcomes = cases.get(machine.vm_id.lower(), [])
        if len(outcomes) > len(machine.evictions):
            yield f"told twice: {machine.name} was evicted once, and the history has {', '.join(outcomes)}"
    said: dict[str, set[str]] = {}
    for event in _closings(laptop):
        said.setdefault(str(event["id"]), set()).add(json.dumps(event["data"], sort_keys=True))
        words.setdefault(str(event["id"]), set()).add(_outcome_of(event))
    for recovery_id, told in words.items():
        if len(told) > 1 or len(said.get(recovery_id, ())) > 1:
            yield f"told twice: recovery {recovery_id} ended in {', '.join(sorted(told))}: {said.get(recovery_id)}"


def _outcome_of(event: JsonObject) -> str:
    data = event["data"]
    return str(data["outcome"]) if isinstance(data, dict) else "nothing"


def _untold(
    laptop: Laptop, evicted: list[Machine], rows: list[dict[str, Any]], history: list[dict[str, Any]]
) -> Iterator[str]:
    heard = {str(event["id"]) for event in _closings(laptop)}
    told = {row["vm_id"].lower(): row["outcome"] for row in history if row["RowKey"] in heard and row["published"]}
    still_open = {row["vm_id"].lower(): row["reason"] for row in rows if not (row["closed_at"] and row["recorded"])}
    for machine in evicted:
        key = machine.vm_id.lower()
        if key in still_open:
            yield f"untold: the recovery of {machine.name} is not over: {still_open[key]}"
        elif told.get(key) != _RESTORED:
            yield f"untold: that {machine.name} was restored; told was {told.get(key, 'nothing')}"


async def _rows(laptop: Laptop, table: str) -> list[dict[str, Any]]:
    return [dict(row) async for row in laptop.tables.get_table_client(table).list_entities()]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the test. Exit code 0 if every promise held, 1 if one was broken or the laptop Azure did not come up."""
    parser = argparse.ArgumentParser(
        prog="python -m soak.responder.kills", description="Kill the app while VMs recover."
    )
    parser.add_argument("--seed", type=int, default=None, help="of what is left to chance")
    given = parser.parse_args(arguments)
    seed = seed_or_any(given.seed)
    say(f"{WHOLE.vms} VMs, {len(WHOLE.points)} kills, seed {seed}")
    folder = FOLDER / "kills"
    try:
        with alone(folder):
            found = asyncio.run(play(folder, WHOLE, seed))
    except (StartError, NotAloneError) as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    for line in found.broken:
        say(line)
    report = found.report(seed)
    write_report(FOLDER / "kills.json", report)
    return 1 if found.broken else 0


if __name__ == "__main__":
    sys.exit(main())
