"""Where the responder and its peers play the same scenarios, in virtual time, and what came of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, Final

from bench.scenarios import BEGIN, SECOND
from localazure.event_grid.service import Lags
from localazure.resource_manager.limits import Limits
from localazure.virtual.app import Deployment
from localazure.virtual.azure import VirtualAzure
from localazure.virtual.clock import VirtualClock
from localazure.virtual.compute import ComputeDouble
from localazure.virtual.graph import GraphDouble
from localazure.virtual.wire import SMOOTH, NoFaults, RequestKind, Wire
from localazure.world.azure_errors import Refused
from localazure.world.happenings import ActionSucceeded, Annotated
from localazure.world.machines import PowerState
from localazure.world.world import World
from spot_responder.decisions.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from datetime import datetime, timedelta

    from bench.scenarios import Scenario
    from localazure.virtual.wire import Fate
    from localazure.world.happenings import Happening
    from localazure.world.machines import Machine
    from localazure.world.operations import StartCall

_LOOK: Final = 10 * SECOND
_LAGS: Final = Lags()


class Counted(NoFaults):
    """Lets every request through, in 50 ms, and counts them by kind."""

    def __init__(self) -> None:
        """Begin with none."""
        self.requests: Counter[RequestKind] = Counter()

    def of(self, request_kind: RequestKind, _target: str) -> Fate:
        """Let it through."""
        self.requests[request_kind] += 1
        return SMOOTH


class CountedLimits(Limits):
    """Azure's limits, counting what they refuse."""

    def __init__(self) -> None:
        """Begin with full buckets."""
        super().__init__()
        self.refused: Counter[str] = Counter()

    def take_arm(self, method: str, principal: str, subscription: str, action: str, now: datetime) -> dict[str, str]:
        """Count one request to ARM."""
        return self._counting(
            method, lambda: super(CountedLimits, self).take_arm(method, principal, subscription, action, now)
        )

    def take_graph(self, principal: str, now: datetime) -> dict[str, str]:
        """Count one query."""
        return self._counting("query", lambda: super(CountedLimits, self).take_graph(principal, now))

    def _counting(self, what: str, take: Callable[[], dict[str, str]]) -> dict[str, str]:
        try:
            return take()
        except Refused:
            self.refused[what] += 1
            raise


class PromptEvents:
    """Every event is delivered when Azure emits it, once."""

    def delays(self, happening: Happening) -> Sequence[timedelta]:
        """Deliver it."""
        match happening:
            case Annotated():
                return (_LAGS.annotation,)
            case ActionSucceeded():
                return (_LAGS.operation,)
            case _:
                return (_LAGS.availability,)


@dataclass(frozen=True, slots=True)
class Played:
    """What came of a scenario. Times are in seconds from the moment that counts: see ``waits_s`` and ``last_s``.

    ``waits_s``: for each VM, from when its event left the world, or it was deallocated if that was later, until the
    start that brought it up was accepted. ``back_after_s``: from the same moment until it ran, with how many starts.
    """

    contender: str
    scenario: str
    waits_s: list[float]
    last_accepted_s: float | None
    last_running_s: float | None
    never_back: int
    start_calls: int
    failed_starts: int
    throttled: dict[str, int]
    requests: dict[str, int]
    back_after_s: list[tuple[float, int]]
    resize_calls: int

    def row(self) -> dict[str, Any]:
        """Write it for ``bench.json``."""
        return {
            "contender": self.contender,
            "scenario": self.scenario,
            "p50_s": percentile(self.waits_s, 50),
            "p95_s": percentile(self.waits_s, 95),
            "p99_s": percentile(self.waits_s, 99),
            "last_accepted_s": self.last_accepted_s,
            "last_running_s": self.last_running_s,
            "never_back": self.never_back,
            "start_calls": self.start_calls,
            "failed_starts": self.failed_starts,
            "throttled": self.throttled,
            "requests": self.requests,
        }


def percentile(values: Sequence[float], percent: int) -> float | None:
    """Give a percentile, by nearest rank; ``None`` of nothing."""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) * percent // 100, len(ordered) - 1)], 3) if ordered else None


def play_responder(
    scenario: Scenario, instances: int = 1, name: str = "responder", policy: Policy | None = None
) -> Played:
    """Let the responder play, with as many instances as the platform would run."""
    requests, limits = Counted(), CountedLimits()
    with VirtualAzure(
        BEGIN,
        Deployment(policy or Policy(), instances=instances),
        chance=Random(0),  # noqa: S311 - no secret
        durations=scenario.durations,
        fault_plan=requests,
        event_fault_plan=PromptEvents(),
        limits=limits,
    ) as azure:
        scenario.set_up(azure.world, azure.clock)
        _run(scenario, azure.world, azure.clock)
        return _played(name, scenario, azure.world, requests, limits)


@dataclass(frozen=True, slots=True)
class Azure:
    """What a peer sees of Azure: the SDKs, the time, and events if it listens."""

    world: World
    clock: VirtualClock
    wire: Wire
    limits: CountedLimits

    def compute(self, subscription_id: str) -> Any:  # noqa: ANN401 - a double of the SDK's client
        """Give the client of one subscription."""
        return ComputeDouble(subscription_id, self.world, self.wire, self.limits)

    def graph(self) -> Any:  # noqa: ANN401 - a double of the SDK's client
        """Give the client of Resource Graph."""
        return GraphDouble(self.world, self.wire, self.limits)


type Peer = Callable[[Azure], Coroutine[Any, Any, None]]


def play_peer(name: str, peer: Peer, scenario: Scenario) -> Played:
    """Let a peer play the same scenario."""
    requests, limits = Counted(), CountedLimits()
    world = World(BEGIN, scenario.durations)
    clock = VirtualClock(BEGIN, world)
    azure = Azure(world, clock, Wire(requests, clock.settle, lambda: None), limits)
    scenario.set_up(world, clock)
    try:
        clock.spawn(peer(azure))
        _run(scenario, world, clock)
        return _played(name, scenario, world, requests, limits)
    finally:
        clock.close()


def _run(scenario: Scenario, world: World, clock: VirtualClock) -> None:
    """Run until every VM is back, or patience ends."""
    end = BEGIN + scenario.patience
    all_evicted = BEGIN + scenario.evicted_within
    while clock.now() < end:
        clock.run_until(min(clock.now() + _LOOK, end))
        if clock.now() > all_evicted and all(machine.running_at for machine in world.machines()):
            return


def _played(name: str, scenario: Scenario, world: World, requests: Counted, limits: CountedLimits) -> Played:
    machines = world.machines()
    begin = BEGIN + (scenario.back_after or 0 * SECOND)
    accepted = [_accepted_at(machine.start_calls) for machine in machines if machine.running_at]
    running = [machine.running_at for machine in machines if machine.running_at]
    everybody = len(running) == len(machines)
    succeeded = len(running)
    calls = sum(len(machine.start_calls) for machine in machines)
    return Played(
        contender=name,
        scenario=scenario.title,
        waits_s=[
            (_accepted_at(machine.start_calls) - _could_start_at(machine)).total_seconds()
            for machine in machines
            if machine.running_at
        ],
        last_accepted_s=(max(accepted) - begin).total_seconds() if everybody else None,
        last_running_s=(max(running) - begin).total_seconds() if everybody else None,
        never_back=len(machines) - len(running),
        start_calls=calls,
        failed_starts=calls - succeeded,
        throttled=dict(limits.refused),
        requests={
            request_kind.name.lower(): count
            for request_kind, count in sorted(requests.requests.items(), key=lambda one: one[0].name)
        },
        back_after_s=[
            ((machine.running_at - _could_start_at(machine)).total_seconds(), len(machine.start_calls))
            for machine in machines
            if machine.running_at
        ],
        resize_calls=sum(len(machine.resize_calls) for machine in machines),
    )


def _accepted_at(calls: Sequence[StartCall]) -> datetime:
    return max(call.at for call in calls if call.status == 202)  # noqa: PLR2004 - accepted


def _could_start_at(machine: Machine) -> datetime:
    down = min(at for at, state in machine.power_history if state is PowerState.DEALLOCATED)
    return max(down, machine.evicted_at + _LAGS.annotation) if machine.evicted_at else down
