"""A scenario of the demo with workers: forty jobs on three Spot VMs, each of which is evicted in the middle.

Played by ``demo.py`` beside ``scenarios.py``; ``run.py`` puts the same guest into a VM of `make run`.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from localazure.demo.agent_scenario import agent_state, agent_without_hooks
from localazure.demo.jobs.as_team import read_results, submit
from localazure.demo.jobs.ending import JobsEnding
from localazure.demo.jobs.team_worker import team_worker
from localazure.demo.jobs.work import Away, ClaimEnd, Work
from localazure.demo.jobs.work_log import Line, finished, read_claims, read_line
from localazure.demo.scenarios import TAG, End, Player, Scenario, until
from localazure.guests.announcements import Progress
from localazure.guests.guest import together
from localazure.guests.notices import Notice
from localazure.world.machines import PowerState

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from localazure.demo.scenarios import Tell
    from localazure.guests.guest import Command, Guest, Place
    from localazure.guests.scheduled_events import ScheduledEvent
    from localazure.laptop import Laptop
    from localazure.world.machines import Machine

QUEUE: Final = "jobs"
JOBS: Final = 40
_LINKS: Final = 12
NAMES: Final = ("work-1", "work-2", "work-3")

_SECOND: Final = timedelta(seconds=1)
_EVICTIONS: Final = ((6, "work-1", Notice(8 * _SECOND)), (12, "work-2", None), (18, "work-3", Notice(3 * _SECOND)))
"""After so many results a VM is evicted, with this notice or without: in the middle of a job."""

_CAN_STILL_BE_TOLD_S: Final = 1.0
"""A job that began less long ago goes on when the worker is told, a second or two later."""

_BETWEEN_CHECKPOINTS_S: Final = (0.4, 0.7)
"""So long after a checkpoint there is work to lose, and the next one, or the end, is not there yet."""

_TOLD_EACH: Final = 10
_PATIENCE: Final = 100 * _SECOND
_MOST_LOOKS: Final = 15


def worker_command(place: Place) -> Command:
    """Give the command of a VM with the agent and a worker in it, and lay the team's code onto the VM's disk."""
    worker = team_worker(place, QUEUE, "--agent-state", str(agent_state(place)))
    return together(agent_without_hooks(place), worker)


async def workers_that_wait(laptop: Laptop) -> dict[str, Guest]:
    """Start the VMs with their workers, and come back when all wait for jobs: what that costs delays nobody then."""
    waiting: set[str] = set()

    def printed(name: str, text: str) -> None:
        line = read_line(0, name, text)
        if line is not None and line.event == "started":
            waiting.add(name)

    laptop.guests.listen(printed)
    for name in NAMES:
        laptop.world.add_vm(name, size="Standard_D4as_v5", tags=TAG)
    guests = {name: await laptop.guests.install(name, worker_command) for name in NAMES}
    with suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE.total_seconds()):
            await until(lambda: waiting >= set(NAMES))
    return guests


@dataclass(slots=True)
class Jobs:
    """The jobs of one demo: a scenario, and what the workers did in it. Times are seconds since ``began_at``."""

    guests: Mapping[str, Guest]
    began_at: datetime
    _lines: list[Line] = field(default_factory=list)
    _told_s: dict[str, list[float]] = field(default_factory=dict)

    def scenario(self, number: int) -> Scenario:
        """Make the scenario; it has been played when each job has its result, or patience has ended."""
        players = tuple(Player(name, End.RESTORED, 1) for name in NAMES)
        return Scenario(number, f"{JOBS} jobs, each of their VMs evicted in the middle", players, self._play)

    async def ending(self, laptop: Laptop) -> JobsEnding:
        """Read the results, and say what was done for them."""
        done = await read_results(laptop.work, QUEUE, _LINKS)
        # A worker that says that a job is finished writes the row then; if it is evicted meanwhile, the next one does.
        for _ in range(_MOST_LOOKS):
            if len(done) >= len(finished(self._lines)):
                break
            done = await read_results(laptop.work, QUEUE, _LINKS)
        return JobsEnding(self._work(laptop, {one.job: str(one.number) for one in done}), done)

    def _work(self, laptop: Laptop, names: Mapping[str, str]) -> Work:
        ended_s = self._seconds(laptop.clock.now())
        away = tuple(one for name in NAMES for one in self._away(laptop.world.machine(name)))
        gone = {name: [one.since_s for one in away if one.vm == name] for name in NAMES}
        return Work(NAMES, JOBS, names, read_claims(self._lines, gone, ended_s), away, ended_s)

    async def _play(self, laptop: Laptop, tell: Tell) -> None:
        laptop.guests.listen(lambda name, text: self._printed(laptop.clock.now(), name, text))
        laptop.announcements.listen(self._announced)
        await submit(laptop.work, QUEUE, JOBS, _LINKS)
        tell(QUEUE, f"{JOBS} jobs are submitted")
        counting = asyncio.create_task(self._count(tell))
        try:
            async with asyncio.timeout(_PATIENCE.total_seconds()):
                for results, name, notice in _EVICTIONS:
                    await until(partial(self._are_done, results))
                    await until(partial(self._is_in_the_middle, laptop, name, is_told=notice is not None))
                    laptop.announcements.evict(name, notice)
                await counting
        except TimeoutError:
            tell(QUEUE, f"after {_PATIENCE.seconds} s only {len(finished(self._lines))} of {JOBS} jobs are done")
        finally:
            counting.cancel()

    def _is_in_the_middle(self, laptop: Laptop, name: str, *, is_told: bool) -> bool:
        """Whether an eviction now interrupts a job. Azure announces nothing to a VM that never asked."""
        now_s = self._seconds(laptop.clock.now())
        claims = [claim for claim in read_claims(self._lines, {}, now_s) if claim.vm == name]
        under_way = [claim for claim in claims if claim.end is ClaimEnd.OPEN]
        if is_told:
            has_asked = self.guests[name].metadata.events_read_at is not None
            return has_asked and any(now_s - claim.began_s < _CAN_STILL_BE_TOLD_S for claim in under_way)
        least_s, most_s = _BETWEEN_CHECKPOINTS_S
        return any(least_s < now_s - max(claim.saved_s, default=now_s) < most_s for claim in under_way)

    def _are_done(self, results: int) -> bool:
        return len(finished(self._lines)) >= results

    async def _count(self, tell: Tell) -> None:
        for number in range(_TOLD_EACH, JOBS + 1, _TOLD_EACH):
            await until(partial(self._are_done, number))
            tell(QUEUE, f"{number} of {JOBS} jobs are done")

    def _printed(self, at: datetime, name: str, text: str) -> None:
        line = read_line(self._seconds(at), name, text)
        if line is not None and name in NAMES:
            self._lines.append(line)

    def _announced(self, at: datetime, event: ScheduledEvent, progress: Progress) -> None:
        if progress is Progress.ANNOUNCED:
            for name in event.resources:
                self._told_s.setdefault(name, []).append(self._seconds(at))

    def _away(self, machine: Machine) -> Iterator[Away]:
        """Give a VM's evictions. The notice of one came after the one before."""
        before_s = 0.0
        for evicted_at in machine.evictions:
            since_s = self._seconds(evicted_at)
            told = [at_s for at_s in self._told_s.get(machine.name, []) if before_s < at_s <= since_s]
            back = [at for at, state in machine.power_history if state is PowerState.RUNNING and at > evicted_at]
            yield Away(machine.name, told[0] if told else None, since_s, self._seconds(back[0]) if back else None)
            before_s = since_s

    def _seconds(self, at: datetime) -> float:
        return (at - self.began_at).total_seconds()
