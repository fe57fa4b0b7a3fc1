"""Where the responder and its peers play the same scenarios about work, in virtual time, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING, Any, Final

from spot_worker.deciding.stops.own_stop import OwnStop

from bench.scenarios import BEGIN, SECOND
from bench.stage import PromptEvents, percentile
from bench.work.scenarios import DURATIONS, NAME
from localazure.virtual.app import Deployment
from localazure.virtual.azure import VirtualAzure
from localazure.virtual.clock import VirtualClock
from localazure.virtual.work import VirtualWorkQueue
from localazure.world.machines import PowerState
from localazure.world.world import World
from soak.responder.faults import FaultRates, Faults
from soak.work.worker import Farm, Worker
from spot_responder.decisions.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from datetime import datetime

    from bench.work.scenarios import Arrival, Scenario
    from localazure.virtual.work import Job
    from localazure.world.machines import Machine

NEVER: Final = OwnStop(float("inf"), 0.0)
_BILLED: Final = frozenset({PowerState.STARTING, PowerState.RUNNING, PowerState.STOPPED})


@dataclass(frozen=True, slots=True)
class Played:
    """What came of a scenario; seconds."""

    contender: str
    scenario: str
    wait_p50_s: float | None
    wait_p99_s: float | None
    vm_s: float
    least_vm_s: float
    vms_started: int
    vms_needed: int
    busy_stopped: int
    jobs: int
    lost: int

    @property
    def vm_time(self) -> float:
        """Give the VM time, over the least that the work needs."""
        return round(self.vm_s / self.least_vm_s, 3)


@dataclass(slots=True)
class Stage:
    """A world with VMs that are down, and a queue; ``busy_stopped`` counts VMs that somebody stopped amid a job."""

    world: World
    clock: VirtualClock
    queue: VirtualWorkQueue
    farm: Farm
    machines: list[Machine] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    busy_stopped: int = 0

    def run_until(self, moment: datetime) -> None:
        """Let everything happen up to a time."""
        self.clock.run_until(moment)

    def start(self, machine: Machine) -> None:
        """Start a VM, as a peer does."""
        self.clock.settle()
        self.world.start(machine, "peer")
        self.clock.settle()

    def stop(self, machine: Machine) -> None:
        """Deallocate a VM, as a peer does."""
        self.clock.settle()
        self.busy_stopped += any(worker.is_busy for worker in self.farm.on(machine))
        self.world.stop_by_owner(machine.vm_id, "peer")
        self.clock.settle()

    def down(self) -> list[Machine]:
        """Give the VMs that can be started."""
        return [machine for machine in self.machines if machine.power_state is PowerState.DEALLOCATED]

    def running(self) -> list[Machine]:
        """Give the VMs that run or are coming up."""
        return [one for one in self.machines if one.power_state in {PowerState.RUNNING, PowerState.STARTING}]


type Peer = Callable[[Stage], Coroutine[Any, Any, None]]


def play_responder(scenario: Scenario) -> Played:
    """Let the responder play, with workers that stop their own VMs."""
    with VirtualAzure(
        BEGIN,
        Deployment(Policy(), work_queues=(scenario.queue,)),
        chance=Random(0),  # noqa: S311 - no secret
        durations=DURATIONS,
        event_fault_plan=PromptEvents(),
    ) as azure:
        stage = _stage(azure.world, azure.clock, azure.app.work_queues[NAME])
        rule = OwnStop(scenario.queue.idle.total_seconds(), scenario.queue.minimum.total_seconds())
        _set_up(stage, scenario, rule, lambda: azure.app.wake(str(NAME)))
        stage.run_until(BEGIN + scenario.ends_after)
        return _played("responder", stage, scenario)


def play_peer(name: str, peer: Peer, scenario: Scenario) -> Played:
    """Let a peer play the same scenario: it starts the VMs, and stops them."""
    world = World(BEGIN, DURATIONS)
    clock = VirtualClock(BEGIN, world)
    stage = _stage(world, clock, VirtualWorkQueue(clock.now))
    try:
        _set_up(stage, scenario, NEVER, lambda: None)
        clock.spawn(peer(stage))
        stage.run_until(BEGIN + scenario.ends_after)
        return _played(name, stage, scenario)
    finally:
        clock.close()


def _stage(world: World, clock: VirtualClock, queue: VirtualWorkQueue) -> Stage:
    chance = Random(1)  # noqa: S311 - no secret
    faults = Faults(FaultRates(), chance, is_calm=True)
    return Stage(world, clock, queue, Farm(clock, world, faults, chance, {NAME: queue}))


def _set_up(stage: Stage, scenario: Scenario, rule: OwnStop, wake: Callable[[], object]) -> None:
    """Add the VMs with their workers; let jobs arrive and VMs be evicted."""
    for number in range(scenario.vms):
        tags = {"StartForWork": str(NAME)}
        machine = stage.world.add_vm(f"vm-{number:03d}", tags=tags, power_state="deallocated")
        stage.machines.append(machine)
        Worker(stage.farm, machine, NAME, rule)

    stage.farm.watch()

    def arrive(arrival: Arrival) -> None:
        stage.jobs.append(stage.queue.submit(arrival.seconds))
        wake()

    for arrival in scenario.arrivals:
        stage.clock.call_after(arrival.at + SECOND, partial(arrive, arrival))
    for at in scenario.evicted_at:
        stage.clock.call_after(at, lambda: _evict(stage))


def _evict(stage: Stage) -> None:
    """Evict the VM that has run for longest."""
    stage.clock.settle()
    running = [machine for machine in stage.machines if machine.running_at is not None]
    if running:
        longest = min(running, key=lambda machine: (machine.power_history[-1][0], machine.name))
        stage.world.evict(longest.vm_id)
        stage.clock.settle()


def _played(name: str, stage: Stage, scenario: Scenario) -> Played:
    waits = [(job.claimed_at - job.submitted_at).total_seconds() for job in stage.jobs if job.claimed_at]
    return Played(
        contender=name,
        scenario=scenario.title,
        wait_p50_s=percentile(waits, 50),
        wait_p99_s=percentile(waits, 99),
        vm_s=round(sum(_billed_s(machine, stage.clock.now()) for machine in stage.machines), 1),
        least_vm_s=scenario.least_vm_s,
        vms_started=sum(len(machine.start_calls) for machine in stage.machines),
        vms_needed=scenario.needed + len(scenario.evicted_at),
        busy_stopped=stage.busy_stopped + sum(line.startswith("busy") for line in stage.farm.broken),
        jobs=len(scenario.arrivals),
        lost=len(scenario.arrivals) - sum(job.done_at is not None for job in stage.jobs),
    )


def _billed_s(machine: Machine, now: datetime) -> float:
    history = [*machine.power_history, (now, machine.power_state)]
    return sum((until - since).total_seconds() for (since, state), (until, _) in pairwise(history) if state in _BILLED)
