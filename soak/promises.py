"""What must hold whatever happens, judged by the truth of the world: safe, live, polite, told."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from azure.core.exceptions import AzureError

from localazure.happenings import ActionSucceeded, Annotated
from localazure.machines import PowerState
from localazure.moves import DEALLOCATE
from spot_responder.doors import AzureRefusedError, ChangedMeanwhileError, StoreFailedError
from spot_responder.evidence import FAILED_START_WINDOW, WEAK_STOP_WINDOW
from spot_responder.policy import START_PATIENCE, RestartWhen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from localazure.happenings import Happening
    from localazure.machines import Machine
    from localazure.virtual.app import Deployment, Message
    from localazure.virtual.azure import VirtualAzure
    from soak.weather import Weather

LOOK: Final = timedelta(seconds=45)
"""A start may rest on what was true, or told, so long before it."""

CLOCKS: Final = timedelta(minutes=4)
"""Two clocks may be wrong by two minutes each."""

HOUR: Final = timedelta(hours=1)
MOST_STARTS_AN_HOUR: Final = 12
MOST_LOOKS_AN_HOUR: Final = 400
"""For each VM; some 240 are looks every 15 seconds."""

RESTORED_WITHIN: Final = timedelta(minutes=105)
"""From when nothing is wrong any more: a sweep, the longest delay (an hour and a fifth), and a start gone astray."""

_ON_THE_WAY: Final = frozenset({PowerState.STARTING, PowerState.DEALLOCATING})


@dataclass(frozen=True, slots=True)
class Findings:
    """What one schedule came to. ``broken`` has a line for each promise that did not hold."""

    seed: int
    vms: int
    faults: int
    unsafe_starts: int
    lost_vms: int
    unclosed: int
    max_starts_per_vm_hour: int
    looks: int
    broken: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Told:
    """That the app has answered the message which tells of a happening."""

    happening: Happening
    at: datetime


@dataclass(slots=True)
class Witness:
    """Watches one schedule."""

    azure: VirtualAzure
    weather: Weather
    deployment: Deployment
    _told: list[_Told] = field(default_factory=list)
    _telling: dict[str, Happening] = field(default_factory=dict)
    _opened: dict[str, str] = field(default_factory=dict)
    _holds: dict[str, list[tuple[datetime, bool]]] = field(default_factory=dict)
    _looks: Counter[str] = field(default_factory=Counter)
    _broken: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin to watch."""
        self.azure.app.done = self._on_done
        self.azure.app.failed = self._on_failed
        self.azure.app.storage.recoveries.written = self._on_row

    def is_all_over(self, calm_at: datetime) -> bool:
        """Whether nothing is to come: every VM that is due runs, every case is closed and told."""
        rows = [row for row, _ in self.azure.app.storage.recoveries.rows.values()]
        settled = all(row["outcome"] and row["recorded"] for row in rows)
        there = [machine for machine in self.azure.world.machines() if machine.deleted_at is None]
        waits = any(machine.power_state in _ON_THE_WAY or self._is_lost(machine) for machine in there)
        swept_twice = self.azure.clock.now() - calm_at > 2 * self.deployment.sweep_every
        return settled and not waits and swept_twice

    def broken_so_far(self) -> list[str]:
        """Give what may be said before the end: what was unsafe, impolite or a crash."""
        return [*self._unsafe_starts(), *self._impolite(), *self._broken]

    def findings(self, seed: int, calm_at: datetime) -> Findings:
        """Judge."""
        unsafe = list(self._unsafe_starts())
        lost = list(self._lost(calm_at))
        unclosed = list(self._unclosed())
        return Findings(
            seed,
            vms=len(self.azure.world.machines()),
            faults=self.weather.faults,
            unsafe_starts=len(unsafe),
            lost_vms=len(lost),
            unclosed=len(unclosed),
            max_starts_per_vm_hour=self._most_starts_an_hour(),
            looks=self.azure.app.handled,
            broken=(*unsafe, *lost, *self._impolite(), *unclosed, *self._broken),
        )

    def _on_done(self, message: Message) -> None:
        """Note what the app knows now, unless it put the message back."""
        event = json.loads(message.body)
        if message.tells is not None:
            self._telling[event["id"]] = message.tells
        self._looks[f"{event['subject'].lower()} {self.azure.clock.now():%d %H}"] += 1
        if event["id"] in self._telling and not self._is_back(event["id"]):
            self._told.append(_Told(self._telling[event["id"]], self.azure.clock.now()))

    def _is_back(self, event_id: str) -> bool:
        return any(json.loads(message.body)["id"] == event_id for message in self.azure.app.messages)

    def _on_failed(self, message: Message | None, error: Exception) -> None:
        if not isinstance(error, AzureError | AzureRefusedError | ChangedMeanwhileError | StoreFailedError):
            what = "a message" if message else "the sweep"
            self._broken.append(f"crash: {what} ended with {error!r}")

    def _on_row(self, row: Mapping[str, Any]) -> None:
        self._holds.setdefault(row["vm_id"].lower(), []).append((self.azure.clock.now(), bool(row["held_at"])))
        if not row["outcome"]:
            self._opened[row["recovery_id"]] = row["vm_id"]
            if not row["reason"] or not row["wake_at"]:
                self._broken.append(f"told: {row['vm_id']} waits without a reason or an end")

    # Safe.

    def _unsafe_starts(self) -> Iterator[str]:
        for at, vm_id in self.weather.starts:
            machine = self.azure.world.machine(vm_id)
            why = self._why_unsafe(machine, at)
            if why:
                yield f"safe: {machine.name} was started at {at:%d %H:%M:%S}: {why}"

    def _why_unsafe(self, machine: Machine, at: datetime) -> str | None:
        if self.deployment.dry_run:
            return "dry run"
        if not machine.is_spot:
            return "not Spot"
        if self._restores_itself(machine):
            return "its scale set restores it"
        seen = list(_conditions(machine, at - LOOK, at))
        if not any(_is_tagged(condition.tags) for condition in seen):
            return "not tagged"
        if not any(condition.power_state is PowerState.DEALLOCATED for condition in seen):
            return "not deallocated"
        if self._is_held(vm_id=machine.vm_id.lower(), at=at):
            return "an operator holds it"
        stop = next((told for told in self._told if self._forbids(told, machine, at)), None)
        return (
            f"its owner stopped it at {stop.happening.occurred_at:%d %H:%M:%S}, told {stop.at:%H:%M:%S}"
            if stop
            else None
        )

    def _is_held(self, vm_id: str, at: datetime) -> bool:
        """Whether its row said so for all the time that the start may rest on."""
        words = self._holds.get(vm_id, [])
        before = [held for since, held in words if since <= at - LOOK]
        return before[-1:] == [True] and all(held for since, held in words if at - LOOK < since <= at)

    def _forbids(self, told: _Told, machine: Machine, at: datetime) -> bool:
        """Whether the app knew of an owner's stop that still held when it started the VM."""
        stopped_at = told.happening.occurred_at
        if told.happening.vm_id != machine.vm_id or told.at > at - LOOK or not _is_stop(told.happening):
            return False
        if not all(_is_tagged(each.tags) for each in _conditions(machine, told.at - LOOK, told.at)):
            return False
        evicted_at = max((time for time in machine.evictions if time <= at), default=None)
        patience = WEAK_STOP_WINDOW if isinstance(told.happening, Annotated) else timedelta()
        if evicted_at is not None and stopped_at <= evicted_at + patience:
            return False
        if isinstance(told.happening, Annotated) and self._is_near_a_start_of_ours(machine, stopped_at, told.at):
            return False
        return not any(state in {PowerState.RUNNING, PowerState.STARTING} for state in _states(machine, stopped_at, at))

    def _is_near_a_start_of_ours(self, machine: Machine, stopped_at: datetime, told_at: datetime) -> bool:
        window = FAILED_START_WINDOW + CLOCKS
        key = machine.vm_id.lower()
        return any(vm_id == key and stopped_at - window <= at <= told_at for at, vm_id in self.weather.starts)

    # Live.

    def _lost(self, calm_at: datetime) -> Iterator[str]:
        for machine in self.azure.world.machines():
            if machine.deleted_at is None and self._is_lost(machine):
                yield f"live: {machine.name} was evicted at {machine.evictions[-1]:%d %H:%M:%S} and is still down"
            elif self._was_late(machine, calm_at):
                since = f"{machine.running_at:%d %H:%M:%S}"
                yield f"live: {machine.name} runs since {since} only, calm was at {calm_at:%H:%M}"

    def _is_lost(self, machine: Machine) -> bool:
        """Whether it is down and should not be."""
        if machine.power_state is not PowerState.DEALLOCATED or not machine.evictions:
            return False
        return self._is_covered(machine) and self._is_evicted(machine)

    def _is_covered(self, machine: Machine) -> bool:
        is_ours = machine.is_spot and _is_tagged(machine.tags) and not self._restores_itself(machine)
        return is_ours and machine.eviction_policy == "Deallocate" and not self.deployment.dry_run

    def _is_evicted(self, machine: Machine) -> bool:
        """Whether it went down by an eviction that its owner let stand, as far as the app can know."""
        evicted_at = machine.evictions[-1]
        if any(at >= evicted_at for at in machine.stop_calls):
            return False
        if not self.azure.world.eviction_annotations and self._owner_came_with_us(machine):
            return False
        must_be_told = self.deployment.policy.restart_when is RestartWhen.EVICTED or self._evictions_look_like_stops()
        return not must_be_told or any(
            _is_eviction(told.happening, machine.vm_id, evicted_at)
            and all(_is_tagged(each.tags) for each in _conditions(machine, told.at - LOOK, told.at))
            for told in self._told
        )

    def _owner_came_with_us(self, machine: Machine) -> bool:
        """Whether its owner stopped it just after a start of ours: his own start then looks like that one's echo."""
        key = machine.vm_id.lower()
        ours = [at for at, vm_id in self.weather.starts if vm_id == key]
        return any(timedelta() <= stop - at <= START_PATIENCE + CLOCKS for stop in machine.stop_calls for at in ours)

    def _evictions_look_like_stops(self) -> bool:
        return "VirtualMachineDeallocationInitiated" in self.azure.world.eviction_annotations

    def _was_late(self, machine: Machine, calm_at: datetime) -> bool:
        if not self._is_covered(machine) or not machine.evictions or machine.running_at is None:
            return False
        return machine.running_at > calm_at + self._allowance(machine, calm_at)

    def _allowance(self, machine: Machine, calm_at: datetime) -> timedelta:
        """Give how long a VM may be down once all is well: longer where brake or budget hold it."""
        policy = self.deployment.policy
        restores = [at for at, state in machine.power_history if state is PowerState.RUNNING and at <= calm_at]
        if sum(calm_at - at < 24 * HOUR for at in restores) >= policy.restarts_per_day:
            return 25 * HOUR
        braked = sum(calm_at - at < HOUR for at in restores) >= policy.restarts_per_hour
        key = machine.vm_id.lower()
        lately = sum(vm_id == key and calm_at - at < HOUR for at, vm_id in self.weather.starts)
        return RESTORED_WITHIN + (HOUR if braked or lately >= policy.starts_per_hour else timedelta())

    # Polite.

    def _most_starts_an_hour(self) -> int:
        times: dict[str, list[datetime]] = {}
        for at, vm_id in self.weather.starts:
            times.setdefault(vm_id, []).append(at)
        return max((_most_within_an_hour(each) for each in times.values()), default=0)

    def _impolite(self) -> Iterator[str]:
        busiest = self._most_starts_an_hour()
        if busiest > MOST_STARTS_AN_HOUR:
            yield f"polite: {busiest} starts of one VM within an hour"
        for key, count in self._looks.items():
            if count > MOST_LOOKS_AN_HOUR:
                yield f"polite: {count} looks within one hour at {key}"

    # Told.

    def _unclosed(self) -> Iterator[str]:
        storage = self.azure.app.storage
        for row, _ in storage.recoveries.rows.values():
            if not row["outcome"]:
                yield f"told: the case of {row['vm_id']} is still open: {row['reason']}"
        written = Counter(recovery_id for _, recovery_id in storage.history.rows)
        heard: dict[str, set[object]] = {}
        for event in storage.heard:
            heard.setdefault(event.id, set()).add((event.data or {}).get("outcome"))
        open_ids = {row["recovery_id"] for row, _ in storage.recoveries.rows.values() if not row["outcome"]}
        for recovery_id, vm_id in self._opened.items():
            if recovery_id not in open_ids and (written[recovery_id] != 1 or len(heard.get(recovery_id, ())) != 1):
                yield (
                    f"told: case {recovery_id} of {vm_id} is {written[recovery_id]} times in the history"
                    f" and was told as {heard.get(recovery_id, set())}"
                )

    def _restores_itself(self, machine: Machine) -> bool:
        return any(
            one.scale_set_id == machine.scale_set_id and one.restore_policy for one in self.azure.world.scale_sets
        )


def _is_stop(happening: Happening) -> bool:
    if isinstance(happening, ActionSucceeded):
        return happening.operation == DEALLOCATE
    return isinstance(happening, Annotated) and happening.annotation == "VirtualMachineDeallocationInitiated"


def _is_eviction(happening: Happening, vm_id: str, at: datetime) -> bool:
    is_annotation = isinstance(happening, Annotated) and happening.annotation == "VirtualMachinePreempted"
    return is_annotation and (happening.vm_id, happening.occurred_at) == (vm_id, at)


def _is_tagged(tags: Mapping[str, str]) -> bool:
    return tags.get("AttemptRestartAfterEviction") == "true"


def _conditions(machine: Machine, begin: datetime, end: datetime) -> Iterator[Any]:
    """Give every condition that held at some moment between two times."""
    last = machine.deleted_at or datetime.max.replace(tzinfo=end.tzinfo)
    for (since, condition), (until, _) in pairwise([*machine.conditions, (last, None)]):
        if since <= end and until >= begin:
            yield condition


def _states(machine: Machine, after: datetime, until: datetime) -> Iterator[PowerState]:
    """Give the power states that began after one time and by another."""
    return (state for at, state in machine.power_history if after < at <= until)


def _most_within_an_hour(times: list[datetime]) -> int:
    times.sort()
    most, first = 0, 0
    for last, time in enumerate(times):
        while time - times[first] >= HOUR:
            first += 1
        most = max(most, last - first + 1)
    return most
