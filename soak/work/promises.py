"""What must hold of work queues, judged by the true state of the world: live, busy, idle, bounded, safe.

Called by ``schedule.py``. The numbers are those of issue and ``docs/promises.md``: while there is work and capacity
somebody works on it (``live``); no busy VM is stopped (``busy``, seen by ``worker.py``); nothing stays up without work
unless somebody is told (``idle``); starts are as bounded as ever (``bounded``). ``safe`` is the responder's own first
promise, for VMs that serve work.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from azure.core.exceptions import AzureError

from localazure.virtual.compute import PRINCIPAL
from localazure.world.happenings import ActionSucceeded
from localazure.world.machines import PowerState
from localazure.world.world import OWNER
from soak.responder.live import owner_came_with_us
from soak.responder.polite import MOST_STARTS_AN_HOUR, most_starts_an_hour
from soak.responder.seen import CLOCKS, LOOK, Seen, Told, conditions, is_start, is_stop, states
from soak.work.worker import LONGEST_BOOT_S
from spot_responder.decisions.evidence import OWN_STOP_TAKES
from spot_responder.demand.decide_demand import LOOK_EVERY, WATCH_HOLDS
from spot_responder.demand.own_stops import GRAPH_IS_BEHIND
from spot_responder.responder.ports import AzureRefusedError, ChangedMeanwhileError, StoreFailedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from localazure.virtual.app import Deployment
    from localazure.virtual.azure import VirtualAzure
    from localazure.virtual.storage import Message
    from localazure.virtual.work import Job
    from localazure.world.happenings import Happening
    from localazure.world.machines import Machine
    from soak.work.story import Story
    from soak.work.worker import Farm
    from spot_responder.demand.work_queues import WorkQueue

_SLACK: Final = timedelta(seconds=30)
_UP: Final = frozenset({PowerState.RUNNING, PowerState.STARTING, PowerState.STOPPED, PowerState.STOPPING})
_DAY: Final = timedelta(days=1)
_LITTLE_LAG: Final = timedelta(seconds=60)
"""A VM that was asked for counts as coming up for two minutes (``demand/standings.py``), and the graph may be older."""

_BRAKE_AT: Final = 3
"""So many restarts after evictions within an hour, and the brake holds a VM for a while."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What one schedule came to. ``broken`` has a line for each promise that did not hold."""

    seed: int
    vms: int
    jobs: int
    starts: int
    own_stops: int
    probes: int
    faults_injected: int
    looks: int
    broken: tuple[str, ...]


class Witness:
    """Watches one schedule, and judges it."""

    def __init__(self, azure: VirtualAzure, farm: Farm, deployment: Deployment) -> None:
        """Begin to watch."""
        self._azure, self._farm, self._deployment = azure, farm, deployment
        self._seen = Seen(azure, farm.faults, deployment)
        self._broken: list[str] = []
        self._told: dict[str, list[datetime]] = {}
        self._looks: dict[str, dict[str, datetime]] = {}
        self.probes = 0
        azure.app.done = self._on_done
        azure.app.failed = self._on_failed
        azure.app.storage.recoveries.written = self._on_row
        azure.app.storage.work.written = self._on_look

    def hear_trouble(self, vm_id: str) -> None:
        """Note that somebody was told of a VM."""
        self._told.setdefault(vm_id.lower(), []).append(self._azure.clock.now())

    # What is asked while a schedule ends.

    def is_at_rest(self, queue: WorkQueue) -> bool:
        """Whether a queue has nothing left that anybody could do, and no VM of it is up that should not be."""
        left = self._azure.app.work_queues[queue.name].left
        is_done = not left or not self.available(queue)
        return is_done and not list(self._stays_up(queue))

    def available(self, queue: WorkQueue) -> list[Machine]:
        """Give the VMs of a queue that could work on it: whoever is up counts against ``maxVms``."""
        ours = [machine for machine in self._of(queue) if self._may_work(machine, queue)]
        down = [machine for machine in ours if machine.power_state is PowerState.DEALLOCATED]
        stuck = [one for one in self._of(queue) if one.power_state in _UP and one not in ours]
        room = queue.max_vms - len(stuck) > 0
        return [machine for machine in ours if machine not in down or room]

    def unfinished(self, queue: WorkQueue) -> Iterator[str]:
        """Say of each message that nobody has done why that is wrong."""
        for job in self._azure.app.work_queues[queue.name].left if self.available(queue) else ():
            yield f"live: a job of {queue.name}, submitted at {job.submitted_at:%d %H:%M:%S}, is not done"

    def staying(self, queue: WorkQueue) -> Iterator[str]:
        """Say of each VM that stays up without work."""
        for machine in self._stays_up(queue):
            told = "" if self._stops_itself(machine, queue) else ", and nobody is told"
            yield f"idle: {machine.name} is {machine.power_state} without work{told}"

    def late(self, queue: WorkQueue, job: Job, *, woken: bool) -> Iterator[str]:
        """Say whether a job of calm times was claimed too late."""
        self.probes += 1
        allowed = self._allowed(queue, woken=woken)
        claimed = job.claimed_at
        if claimed is None or claimed - job.submitted_at > allowed:
            after = f"after {claimed - job.submitted_at}" if claimed else "never"
            how = "with a wake" if woken else "without a wake"
            at = f"{job.submitted_at:%d %H:%M:%S}"
            yield f"live: a job of {queue.name}, submitted {how} at {at}, was claimed {after}, allowed {allowed}"

    def findings(self, seed: int, story: Story, ending: list[str]) -> Findings:
        """Judge."""
        broken = (*self._unsafe(story), *self._unbounded(), *ending, *self._farm.broken, *self._broken)
        return Findings(
            seed,
            vms=len(self._azure.world.machines()),
            jobs=sum(len(queue.jobs) for queue in self._azure.app.work_queues.values()),
            starts=len(self._farm.faults.starts),
            own_stops=sum(map(len, self._farm.own_stops.values())),
            probes=self.probes,
            faults_injected=self._farm.faults.injected,
            looks=self._azure.app.handled,
            broken=broken,
        )

    # live and idle

    def _of(self, queue: WorkQueue) -> list[Machine]:
        there = [machine for machine in self._azure.world.machines() if machine.deleted_at is None]
        return [machine for machine in there if machine.tags.get("StartForWork") == str(queue.name)]

    def _may_work(self, machine: Machine, queue: WorkQueue) -> bool:
        """Whether nothing of its own keeps a VM from working for a queue."""
        workers = [worker for worker in self._farm.on(machine) if worker.name == queue.name and worker.boots]
        if not workers or machine.power_state in {PowerState.STOPPED, PowerState.STOPPING}:
            return False
        if machine.power_state is not PowerState.DEALLOCATED:
            return True
        if owner_came_with_us(self._seen, machine) or self._start_was_not_heard(machine):
            return False
        return not self.is_stopped_by_owner(machine) and not self._is_braked(machine)

    def is_stopped_by_owner(self, machine: Machine) -> bool:
        """Whether it was the owner who stopped it since it last ran. An owner's start that fails may not be told."""
        own = self._farm.own_stops.get(machine.vm_id, [])
        theirs = [at for at in machine.stop_calls if at not in own]
        since = max((at for at, state in machine.power_history if state is PowerState.RUNNING), default=None)
        return any(since is None or at >= since for at in theirs)

    def _start_was_not_heard(self, machine: Machine) -> bool:
        """Whether it was started after a stop, and neither an event nor a look could tell of that run.

        The stop may be known from its annotation, and who may write to the table of workers may have taken away what
        explained it.
        """
        started_at = max((at for at, state in machine.power_history if state is PowerState.STARTING), default=None)
        if started_at is None or not any(at < started_at for at in machine.stop_calls):
            return False
        told = [one.happening for one in self._seen.told if one.happening.vm_id == machine.vm_id]
        own = self._farm.own_stops.get(machine.vm_id, [])
        theirs = max((at for at in machine.stop_calls if at < started_at and at not in own), default=None)
        if any(one.occurred_at >= started_at and _shows_a_run(one, theirs) for one in told):
            return False
        lag = self._farm.faults.rates.longest_graph_lag
        # What the app looks at each sweep, and Resource Graph shows that late.
        return all(run <= self._deployment.sweep_every + lag + GRAPH_IS_BEHIND for run in _runs(machine, started_at))

    def _is_braked(self, machine: Machine) -> bool:
        now = self._azure.clock.now()
        evictions = [at for at in machine.evictions if now - at < _DAY]
        lately = [at for at in evictions if now - at < timedelta(hours=2)]
        policy = self._deployment.policy
        return len(evictions) >= policy.restarts_per_day or len(lately) >= _BRAKE_AT

    def _stays_up(self, queue: WorkQueue) -> Iterator[Machine]:
        """Give the VMs that are up without work for longer than is promised, and nobody was told."""
        now, jobs = self._azure.clock.now(), self._azure.app.work_queues[queue.name].jobs
        worked_until = max((job.done_at or now for job in jobs), default=None)
        for machine in self._of(queue):
            if machine.power_state not in _UP:
                continue
            since = max(machine.power_history[-1][0], worked_until or machine.power_history[-1][0])
            told = self._told.get(machine.vm_id.lower(), ())
            is_told = any(at >= self._up_since(machine, queue) for at in told)
            if now - since > self._idle_allowed(queue) and (self._stops_itself(machine, queue) or not is_told):
                yield machine

    def _up_since(self, machine: Machine, queue: WorkQueue) -> datetime:
        """Give since when it is up, as looks may see it: it may have been down where none read anything."""
        lag, ends = self._farm.faults.rates.longest_graph_lag, machine.power_history
        looks = self._looks.get(str(queue.name), {}).values()
        since = ends[-1][0]
        for (began, state), (ended, _) in reversed(list(pairwise(ends))):
            if state not in _UP and any(began + lag < at < ended for at in looks):
                break
            since = began
        return since

    def _stops_itself(self, machine: Machine, queue: WorkQueue) -> bool:
        """Whether its own stop works: it runs one worker, of this queue, which may stop it."""
        workers = self._farm.on(machine)
        is_alone = len(workers) == 1 and workers[0].name == queue.name
        return is_alone and workers[0].boots and workers[0].may_stop and machine.power_state is PowerState.RUNNING

    def _idle_allowed(self, queue: WorkQueue) -> timedelta:
        """Give how long a VM may be up without work: idle and minimum time, two looks; or until somebody is told.

        A worker that was refused asks again ten minutes later; a VM without a word counts as silent after ten.
        """
        told = queue.idle + queue.minimum + 3 * LOOK_EVERY + self._deployment.sweep_every
        return told + timedelta(minutes=10) + self._seen.clocks_apart() + CLOCKS

    def _allowed(self, queue: WorkQueue, *, woken: bool) -> timedelta:
        """Give how long a job may wait in calm times until a worker has it: the promise, and how long a VM takes."""
        durations = self._azure.world.durations
        begins = durations.start + timedelta(seconds=LONGEST_BOOT_S + 5)
        broken = [one for one in self._of(queue) if one not in self.available(queue)]
        # A VM whose worker does not begin is found out after ten minutes, and another one is tried. One instance may
        # note since when it is up, and another one, by its own clock, find it silent.
        apart = self._seen.clocks_apart()
        silent = len(broken) * (timedelta(minutes=10) + 2 * LOOK_EVERY + begins + apart)
        looks = LOOK_EVERY if woken else self._deployment.sweep_every
        return looks + begins + silent + apart + _SLACK

    # safe and bounded

    def _unsafe(self, story: Story) -> Iterator[str]:
        for at, vm_key in self._farm.faults.starts:
            machine = self._azure.world.machine(vm_key)
            why = self._why_unsafe(story, machine, at)
            if why:
                yield f"safe: {machine.name} was started at {at:%d %H:%M:%S}: {why}"

    def _why_unsafe(self, story: Story, machine: Machine, at: datetime) -> str | None:
        lately = list(conditions(machine, at - LOOK, at))
        names = {each.tags.get("StartForWork") for each in lately}
        queues = [queue for queue in self._deployment.work_queues if str(queue.name) in names]
        if not queues:
            restarts = any(each.tags.get("AttemptRestartAfterEviction") == "true" for each in lately)
            return None if restarts and None in names else "it serves no work queue"
        if not any(each.power_state is PowerState.DEALLOCATED for each in lately):
            return "not deallocated"
        if self._is_held(machine.vm_id.lower(), at):
            return "an operator holds it"
        # Where it has lost the tag lately, it may be started as any other VM.
        if None not in names:
            since = at - WATCH_HOLDS - LOOK_EVERY - LOOK - self._seen.clocks_apart()
            if not any(self._had_work(story, queue, since, at) for queue in queues):
                return "its queue had no work"
            own_stop = self._own_stop(machine, at)
            if own_stop and not any(self._had_work(story, queue, own_stop - LOOK, at) for queue in queues):
                return f"it had stopped itself at {own_stop:%d %H:%M:%S}, and there was no work after that"
        stop = next((told for told in self._seen.told if self._forbids(told, machine, at)), None)
        if stop is None:
            return None
        return f"its owner stopped it at {stop.happening.occurred_at:%d %H:%M:%S}, told {stop.at:%H:%M:%S}"

    def _had_work(self, story: Story, queue: WorkQueue, since: datetime, at: datetime) -> bool:
        """Whether a queue had a message between two times, or Azure counted one."""
        jobs = [*self._azure.app.work_queues[queue.name].jobs, *story.expired_of(queue)]
        for job in jobs:
            end = story.expired[job][1] if job in story.expired else job.done_at
            if job.submitted_at <= at and (end is None or end >= since):
                return True
        return any(name == queue.name and begin <= at and end >= since for name, begin, end in story.miscounts)

    def _own_stop(self, machine: Machine, at: datetime) -> datetime | None:
        """Give when it stopped itself, if that is why it is down; a look before that is overtaken."""
        came_up_at = max((since for since, state in machine.power_history if since < at and state in _UP), default=None)
        own = [stop for stop in self._farm.own_stops.get(machine.vm_id, ()) if stop < at]
        return max((stop for stop in own if came_up_at is None or stop >= came_up_at), default=None)

    def _is_held(self, vm_key: str, at: datetime) -> bool:
        words = self._seen.holds.get(vm_key, [])
        before = [held for since, held in words if since <= at - LOOK]
        return before[-1:] == [True] and all(held for since, held in words if at - LOOK < since <= at)

    def _forbids(self, told: Told, machine: Machine, at: datetime) -> bool:
        """Whether the app knew of an owner's stop that still held when it started the VM."""
        happening = told.happening
        if happening.vm_id != machine.vm_id or told.at > at - LOOK:
            return False
        if not isinstance(happening, ActionSucceeded) or not is_stop(happening) or happening.caller != OWNER:
            return False
        if not all(self._is_covered(each.tags) for each in conditions(machine, told.at - LOOK, told.at)):
            return False
        stopped_at = happening.occurred_at
        if any(stopped_at <= evicted_at <= at for evicted_at in machine.evictions):
            return False
        return not any(state in {PowerState.RUNNING, PowerState.STARTING} for state in states(machine, stopped_at, at))

    def _is_covered(self, tags: Mapping[str, str]) -> bool:
        return tags.get("StartForWork") in {str(queue.name) for queue in self._deployment.work_queues}

    def _unbounded(self) -> Iterator[str]:
        busiest = most_starts_an_hour(self._seen)
        if busiest > MOST_STARTS_AN_HOUR:
            yield f"bounded: {busiest} starts of one VM within an hour"
        if self._farm.faults.rates.longest_graph_lag <= _LITTLE_LAG and not self._seen.clocks_apart():
            for queue in self._deployment.work_queues:
                yield from self._crowded(queue)

    def _crowded(self, queue: WorkQueue) -> Iterator[str]:
        """Say where the app had more VMs of a queue up at once than that may have."""
        machines = [one for one in self._azure.world.machines() if self._served_always(one, queue)]
        spans = [span for machine in machines for span in _up_by_us(machine)]
        for begin, _ in spans:
            up = sum(since <= begin < until for since, until in spans)
            if up > queue.max_vms:
                yield f"bounded: {up} VMs of {queue.name} were up at {begin:%d %H:%M:%S}, {queue.max_vms} may be"

    @staticmethod
    def _served_always(machine: Machine, queue: WorkQueue) -> bool:
        return all(each.tags.get("StartForWork") == str(queue.name) for _, each in machine.conditions)

    # What the app does, as it does it.

    def _on_done(self, message: Message) -> None:
        if message.tells is None or message.is_wake:
            return
        event = json.loads(message.body)
        waiting = (json.loads(each.body) for each in self._azure.app.messages if not each.is_wake)
        if not any(each["id"] == event["id"] for each in waiting):
            self._seen.told.append(Told(message.tells, self._azure.clock.now()))

    def _on_failed(self, message: Message | None, error: Exception) -> None:
        if not isinstance(error, AzureError | AzureRefusedError | StoreFailedError | ChangedMeanwhileError):
            what = "a message" if message else "the sweep"
            self._broken.append(f"crash: {what} ended with {error!r}")

    def _on_look(self, row: Mapping[str, Any]) -> None:
        seen = self._looks.setdefault(f"{row['PartitionKey']}/{row['RowKey']}", {})
        seen.setdefault(row["looked_at"], self._azure.clock.now())

    def _on_row(self, row: Mapping[str, Any]) -> None:
        self._seen.holds.setdefault(row["vm_id"].lower(), []).append((self._azure.clock.now(), bool(row["held_at"])))


def _shows_a_run(happening: Happening, since: datetime | None) -> bool:
    """Whether it says that the VM was started, or that it stopped itself and had run since its owner's stop.

    A VM that its owner stops may stop itself in the same minutes: only a later stop of its own tells of another run.
    """
    if isinstance(happening, ActionSucceeded) and is_stop(happening) and happening.caller != OWNER:
        return since is None or happening.occurred_at - OWN_STOP_TAKES > since
    return is_start(happening)


def _runs(machine: Machine, after: datetime) -> list[timedelta]:
    """Give how long each run of a VM took that began later."""
    later = [(at, state) for at, state in machine.power_history if at > after]
    return [end - begin for (begin, state), (end, _) in pairwise(later) if state is PowerState.RUNNING]


def _up_by_us(machine: Machine) -> Iterator[tuple[datetime, datetime]]:
    """Give from when to when a VM was up because of a start of ours."""
    ends = [at for at, state in machine.power_history if state is PowerState.DEALLOCATED]
    last = machine.deleted_at or datetime.max.replace(tzinfo=UTC)
    for call in machine.start_calls:
        if call.caller == PRINCIPAL and call.status == HTTPStatus.ACCEPTED:
            yield call.at, min((at for at in ends if at > call.at), default=last)
