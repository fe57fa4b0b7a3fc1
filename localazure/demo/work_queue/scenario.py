"""A scenario of the demo with a work queue: its VMs are down, jobs arrive, the VMs come up, work, and go down again.

Played by ``demo.py`` beside ``scenarios.py``; ``run.py`` has the same VMs.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from localazure.demo.jobs.as_team import read_results, submit
from localazure.demo.jobs.team_worker import team_worker
from localazure.demo.jobs.work import ClaimEnd
from localazure.demo.jobs.work_log import Line, finished, read_claims, read_line
from localazure.demo.scenarios import Scenario, until
from localazure.demo.timeline import app_lines
from localazure.demo.work_queue.ending import VmTime, WorkEnding
from localazure.resource_manager.roles import DEALLOCATE_THIS_VM
from localazure.runtime.azurite import WORK_ACCOUNT
from localazure.world.machines import PowerState
from localazure.world.vm_lifecycle import DEALLOCATE
from spot_responder.demand.standings import Standing
from spot_responder.intake.work_queue_names import WORK_TAG

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from localazure.demo.jobs.team_worker import OwnFunction
    from localazure.demo.scenarios import Tell
    from localazure.deployed_storage import WorkQueueParameter
    from localazure.guests.guest import Command, Place
    from localazure.laptop import Laptop
    from localazure.world.machines import Machine

QUEUE: Final = "frames"
NAME: Final = f"{WORK_ACCOUNT}/{QUEUE}"
WORK_QUEUE: Final[WorkQueueParameter] = {
    "queue": QUEUE,
    "messagesPerVm": 5,
    "maxVms": 3,
    "idleMinutes": 0,
    "minimumMinutes": 0,
}
VMS: Final = {"frame-1": "Spot", "frame-2": "Spot", "frame-3": "Regular"}
"""The VMs of the queue, with their priorities."""

JOBS: Final = 30
_LINKS: Final = 8
_SEEN_AFTER: Final = 3
_EVICTED_AFTER: Final = 6
"""So many jobs are done when the app looks at the VMs at work, and when one of them is evicted: early enough that the
rest still asks for all VMs."""

_PATIENCE_S: Final = 100.0
_AN_ERROR: Final = 400


def worker_that_stops_its_vm(place: Place, own: OwnFunction | None = None) -> Command:
    """Give the command of a VM of the queue: a worker that deallocates the VM as soon as it has nothing to do."""
    options = ("--stop-vm-after-idle", "0", "--stop-vm-minimum", "0", "--arm", place.arm)
    return team_worker(place, QUEUE, *options, own=own)


async def add_vms_that_are_down(laptop: Laptop, own: OwnFunction | None = None) -> None:
    """Add the VMs of the queue, deallocated: each with a worker in it, and an identity that may stop this VM alone.

    ``own``: what the workers call in place of the team's function.
    """
    for name, priority in VMS.items():
        machine = laptop.world.add_vm(
            name,
            size="Standard_F2s_v2",
            priority=priority,
            tags={WORK_TAG: NAME},
            power_state=PowerState.DEALLOCATED,
        )
        laptop.access.assign(DEALLOCATE_THIS_VM, machine.vm_id, machine.vm_id)
        await laptop.guests.install(name, partial(worker_that_stops_its_vm, own=own))


@dataclass(slots=True)
class WorkQueueDemo:
    """The work queue of one demo: a scenario, and what its VMs did in it. Times are seconds since ``began_at``."""

    began_at: datetime
    _lines: list[Line] = field(default_factory=list)
    _arrived_s: float = 0.0

    def scenario(self, number: int) -> Scenario:
        """Make the scenario; it has been played when all is done and all VMs are down, or patience has ended."""
        return Scenario(number, f"{JOBS} jobs arrive while all VMs of their queue are down", (), self._play)

    async def ending(self, laptop: Laptop) -> WorkEnding:
        """Read the results, and say what became of the jobs and the VMs."""
        ended_s = self._seconds(laptop.clock.now())
        machines = [laptop.world.machine(name) for name in VMS]
        gone = {machine.name: [self._seconds(at) for at in machine.evictions] for machine in machines}
        return WorkEnding(
            queue=NAME,
            jobs=JOBS,
            arrived_s=self._arrived_s,
            done=await read_results(laptop.work, QUEUE, _LINKS),
            finished=tuple(line.job for line in self._lines if line.event == "finished"),
            claims=read_claims(self._lines, gone, ended_s),
            vms=tuple(self._vm_time(machine, laptop, ended_s) for machine in machines),
        )

    async def _play(self, laptop: Laptop, tell: Tell) -> None:
        laptop.guests.listen(lambda name, text: self._printed(laptop.clock.now(), name, text))
        await add_vms_that_are_down(laptop)
        await submit(laptop.work, QUEUE, JOBS, _LINKS)
        self._arrived_s = self._seconds(laptop.clock.now())
        await laptop.wakes.send_message(NAME)
        tell(NAME, f"{JOBS} jobs arrive; all of its VMs are down")
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await until(lambda: len(finished(self._lines)) >= _SEEN_AFTER)
                # As whoever submits the next job does. Without it, a look comes at the next sweep.
                await laptop.wakes.send_message(NAME)
                await until(lambda: self._may_be_evicted(laptop))
                laptop.world.evict(self._busy_spot_vms(laptop)[0])
                await self._until_all_is_done(laptop)
                tell(NAME, f"all {JOBS} jobs are done, and all of its VMs are deallocated")
        except TimeoutError:
            done = len(finished(self._lines))
            tell(NAME, f"given up after {_PATIENCE_S:.0f} s: {done} of {JOBS} jobs are done, or a VM is still up")

    async def _until_all_is_done(self, laptop: Laptop) -> None:
        """Wait until all VMs are down and each job has its result: a worker may be cut off before it says so."""
        done = 0
        while done < JOBS:
            await until(lambda: not any(self._is_up(laptop, name) for name in VMS))
            done = len(await read_results(laptop.work, QUEUE, _LINKS))

    def _busy_spot_vms(self, laptop: Laptop) -> list[str]:
        claims = read_claims(self._lines, {}, self._seconds(laptop.clock.now()))
        busy = {claim.vm for claim in claims if claim.end is ClaimEnd.OPEN}
        return [name for name in sorted(busy) if laptop.world.machine(name).is_spot]

    def _may_be_evicted(self, laptop: Laptop) -> bool:
        """Whether a Spot VM is at work, and the app has seen that all are: it asks for each that is evicted then."""
        if len(finished(self._lines)) < _EVICTED_AFTER or not self._busy_spot_vms(laptop):
            return False
        looks = [line["reason"] for line in app_lines(laptop.host_log)[0] if line["event"] == "work queue"]
        return bool(looks) and f"; {len(VMS)} {Standing.SERVES};" in looks[-1]

    @staticmethod
    def _is_up(laptop: Laptop, name: str) -> bool:
        return laptop.world.machine(name).power_state is not PowerState.DEALLOCATED

    def _vm_time(self, machine: Machine, laptop: Laptop, ended_s: float) -> VmTime:
        return VmTime(
            name=machine.name,
            up=tuple(self._up(machine, ended_s)),
            is_deallocated=not self._is_up(laptop, machine.name),
            stopped_itself=self._stopped_itself(laptop, machine),
            evicted_s=self._seconds(machine.evicted_at) if machine.evicted_at else None,
        )

    def _up(self, machine: Machine, ended_s: float) -> Iterator[tuple[float, float]]:
        """Give each time that a VM was not deallocated."""
        since_s: float | None = None
        for at, state in machine.power_history:
            if state is PowerState.DEALLOCATED:
                if since_s is not None:
                    yield since_s, self._seconds(at)
                since_s = None
            elif since_s is None:
                since_s = self._seconds(at)
        if since_s is not None:
            yield since_s, ended_s

    @staticmethod
    def _stopped_itself(laptop: Laptop, machine: Machine) -> bool:
        return any(
            call.operation == DEALLOCATE and call.principal == call.vm_id == machine.vm_id and call.status < _AN_ERROR
            for call in laptop.world.calls
        )

    def _printed(self, at: datetime, name: str, text: str) -> None:
        line = read_line(self._seconds(at), name, text)
        if line is not None and name in VMS:
            self._lines.append(line)

    def _seconds(self, at: datetime) -> float:
        return (at - self.began_at).total_seconds()
