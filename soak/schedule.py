"""One schedule: a small world, hours of random faults, then calm; drawn from a seed, so that it can be repeated."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Final

from azure.core.exceptions import AzureError

from localazure.virtual.app import Deployment
from localazure.virtual.azure import VirtualAzure
from localazure.virtual.wire import RequestKind
from localazure.world.azure_errors import Refused
from localazure.world.durations import Durations
from localazure.world.machines import PowerState
from localazure.world.world import OWNER
from soak.faults import REFUSALS, START_CODES, STUCK_WITH, FaultRates, Faults, Outage
from soak.promises import Witness
from spot_responder.decisions.policy import Policy, RestartWhen
from spot_responder.intake.vms import VmId
from spot_responder.operators.act import hold, release
from spot_responder.responder.ports import ChangedMeanwhileError, StoreFailedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from localazure.world.machines import Machine
    from soak.promises import Findings

TEN: Final = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
TAG: Final = {"AttemptRestartAfterEviction": "true"}
_SIZES: Final = ("Standard_D2s_v5", "Standard_D4s_v5")
_WRONG_TAGS: Final[tuple[dict[str, str], ...]] = (
    {},
    {"AttemptRestartAfterEviction": "yes"},
    {"AttemptRestart": "true"},
)
_OUR_OWN: Final = (RequestKind.ROW_WRITE, RequestKind.ROW_WRITE, RequestKind.ROW_READ)
"""Kinds of requests that fail more often than others: without our own tables we know the least."""

_STEP: Final = timedelta(minutes=5)
CALM_AT_MOST: Final = timedelta(hours=26)
"""After so long of calm everything must be over: the brake holds a VM for a day at most."""


def run_schedule(seed: int) -> Findings:
    """Run one schedule, and say what was found."""
    chance = Random(seed)  # noqa: S311 - no secret
    faults = Faults(_rates(chance), chance)
    deployment = _deployment(chance)
    with VirtualAzure(
        TEN, deployment, chance=chance, durations=_durations(chance), fault_plan=faults, event_fault_plan=faults
    ) as azure:
        faults.tell_time_by(azure.clock)
        azure.world.eviction_annotations = _eviction_annotations(chance)
        story = Story(azure, faults, chance)
        witness = Witness(azure, faults, deployment)
        story.set_the_scene()
        story.let_things_happen(TEN + timedelta(minutes=chance.uniform(12, 60)))
        witness.judge_what_lasts()
        calm_at = story.calm_down()
        while not witness.is_all_over(calm_at) and azure.clock.now() - calm_at < CALM_AT_MOST:
            azure.run_for(_STEP)
        return witness.findings(seed, calm_at)


def _rates(chance: Random) -> FaultRates:
    bad = chance.choice((0.0, 0.02, 0.1))
    events = chance.choice((0.0, 0.1, 0.5))
    return FaultRates(
        refused=bad,
        start_refused=chance.choice((0.0, 0.0, 0.0, 0.9)),
        lost=bad / 2,
        slow=chance.choice((0.0, bad, 0.3, 0.9)),
        death=chance.choice((0.0, 0.0, 0.01, 0.03)),
        event_lost=events,
        event_doubled=events,
        event_late=events,
        operation_spoiled=bad,
        row_hidden=bad / 2,
        power_state_hidden=bad / 2,
        longest_graph_lag=timedelta(seconds=chance.choice((0, 30, 900))),
    )


def _deployment(chance: Random) -> Deployment:
    instances = chance.choice((1, 2, 3))
    longest_error_s = chance.choice((0, 20, 120))
    return Deployment(
        Policy(
            restart_when=chance.choice((*(4 * [RestartWhen.UNLESS_STOPPED]), RestartWhen.EVICTED)),
            restarts_per_day=chance.choice((10, 10, 10, 4)),
        ),
        instances=instances,
        dry_run=chance.randrange(30) == 0,
        clock_errors=tuple(
            timedelta(seconds=chance.uniform(-longest_error_s, longest_error_s)) for _ in range(instances)
        ),
    )


def _durations(chance: Random) -> Durations:
    return Durations(
        deallocation=timedelta(seconds=chance.choice((5, 15, 90))),
        start=timedelta(seconds=chance.choice((8, 20, 90))),
        failed_start=timedelta(seconds=chance.choice((2, 20, 120))),
    )


def _eviction_annotations(chance: Random) -> tuple[str, ...]:
    """Draw one of the readings of what nobody has seen yet (docs/azure-assumptions.md E1, E4)."""
    preempted = ("VirtualMachinePreempted",)
    return chance.choice((preempted, preempted, preempted, (*preempted, "VirtualMachineDeallocationInitiated"), ()))


def be_quiet() -> None:
    """Let the product log nothing, and asyncio look for nothing: both cost more than what they watch."""
    logging.getLogger("spot_responder").setLevel(logging.CRITICAL)
    os.environ.pop("PYTHONDEVMODE", None)


class Story:
    """What happens to the VMs of one schedule."""

    def __init__(self, azure: VirtualAzure, faults: Faults, chance: Random) -> None:
        """Tell a story of this Azure."""
        self._azure, self._world, self._faults, self._chance = azure, azure.world, faults, chance

    def set_the_scene(self) -> None:
        """Add VMs: most of them tagged, Spot and in one pool."""
        count = self._chance.choice((1, 1, 2, 2, 3, 5))
        zone = self._chance.choice((None, "1"))
        for number in range(count):
            self._world.add_vm(
                f"vm-{number}",
                size=self._chance.choice((_SIZES[0], _SIZES[0], _SIZES[1])),
                zone=zone,
                priority="Spot" if self._rarely_not(0.93) else "Regular",
                tags=TAG if self._rarely_not(0.9) else self._chance.choice(_WRONG_TAGS),
                eviction_policy="Deallocate" if self._rarely_not(0.95) else "Delete",
                max_price=self._chance.choice((-1.0, -1.0, 0.05)),
                scale_set_id=self._scale_set(number),
            )

    def let_things_happen(self, until: datetime) -> None:
        """Let chance act, every few minutes."""
        for _ in range(self._chance.choice((0, 0, 1, 2))):
            self._begin_an_outage(until)
        if self._rarely_not(0.05):
            request_kind, now = self._chance.choice((RequestKind.GRAPH, RequestKind.VM_READ)), self._azure.clock.now()
            self._faults.outages.append(Outage(request_kind, now, until, self._chance.choice(REFUSALS[request_kind])))
        if self._chance.randrange(6) == 0:
            self._stick(self._chance.choice(self._world.machines()))
        if self._chance.randrange(8) == 0:
            self._faults.logins_out.append(self._while(until))
        acts = [act for act, weight in self._acts() for _ in range(weight)]
        while self._azure.clock.now() < until:
            self._chance.choice(acts)(self._chance.choice(self._world.machines()))
            self._azure.run_for(timedelta(seconds=self._chance.expovariate(1 / self._chance.choice((20, 200, 500)))))

    def calm_down(self) -> datetime:
        """End all that is wrong; give when."""
        self._faults.is_calm = True
        # What an operator asked for in bad weather may take its time, and must not come after what is asked for now.
        self._azure.run_for(_STEP)
        for machine in self._world.machines():
            self._world.set_capacity(machine.pool, None)
            self._world.set_price(machine.size, machine.location, 0.0)
            self._world.set_quota(machine.subscription_id, machine.location, None)
            self._world.spare(machine.vm_id)
            if self._is_held(machine):
                # Of any other VM an operator's word would make up for a follow-up that was lost.
                self._azure.clock.complete(self._as_operator(VmId.parse(machine.vm_id), holds=False))
        return self._azure.clock.now()

    def _is_held(self, machine: Machine) -> bool:
        rows = [row for row, _ in self._azure.app.storage.recoveries.rows.values()]
        return any(row["held_at"] for row in rows if row["vm_id"].lower() == machine.vm_id.lower())

    def _acts(self) -> tuple[tuple[Callable[[Machine], None], int], ...]:
        return (
            (self._evict, 14),
            (self._change_capacity, 6),
            (self._change_price, 2),
            (self._change_quota, 1),
            (self._stop, 3),
            (self._start, 3),
            (self._change_tags, 2),
            (self._resize, 1),
            (self._delete, 1),
            (self._let_start_fail, 5),
            (self._refuse_start, 2),
            (self._stick, 1),
            (self._simulate_eviction, 1),
            (self._hold_or_release, 2),
            (lambda _: self._azure.app.kill_one(), 3),
            (lambda _: self._azure.app.clear_messages(), 1),
        )

    def _evict(self, machine: Machine) -> None:
        is_up = machine.power_state in {PowerState.RUNNING, PowerState.STARTING}
        if machine.deleted_at is None and machine.is_spot and is_up:
            self._world.evict(machine.vm_id)

    def _change_capacity(self, machine: Machine) -> None:
        self._world.set_capacity(machine.pool, self._chance.choice((0, 0, 1, 2, None)))

    def _change_price(self, machine: Machine) -> None:
        self._world.set_price(machine.size, machine.location, self._chance.choice((0.01, 0.09)))

    def _change_quota(self, machine: Machine) -> None:
        self._world.set_quota(machine.subscription_id, machine.location, self._chance.choice((0, None, None)))

    def _stop(self, machine: Machine) -> None:
        if machine.deleted_at is None:
            self._as_owner(lambda: self._world.stop_by_owner(machine.vm_id))

    def _start(self, machine: Machine) -> None:
        if machine.deleted_at is None:
            self._as_owner(lambda: self._world.start(machine, OWNER))

    def _change_tags(self, machine: Machine) -> None:
        if machine.deleted_at is None:
            self._world.retag(machine.vm_id, self._chance.choice((TAG, TAG, *_WRONG_TAGS)))

    def _resize(self, machine: Machine) -> None:
        """Change the size, as Azure allows while a VM is deallocated: it is in another pool then."""
        if machine.power_state is PowerState.DEALLOCATED:
            machine.size = self._chance.choice(_SIZES)

    def _delete(self, machine: Machine) -> None:
        if machine.deleted_at is None and self._rarely_not(0.3):
            self._world.delete(machine.vm_id)

    def _let_start_fail(self, machine: Machine) -> None:
        if machine.deleted_at is None:
            self._world.fail_next_start(machine.vm_id, *self._chance.choice(START_CODES))

    def _refuse_start(self, machine: Machine) -> None:
        if machine.deleted_at is None:
            self._world.refuse_next_start(machine.vm_id, *self._chance.choice(START_CODES))

    def _stick(self, machine: Machine) -> None:
        """Let each start be refused for one reason, which does not pass by itself."""
        self._faults.stuck[machine.vm_id.lower()] = self._chance.choice(STUCK_WITH)

    def _simulate_eviction(self, machine: Machine) -> None:
        if machine.deleted_at is None:
            self._as_owner(lambda: self._world.simulate_eviction(machine.vm_id))

    def _hold_or_release(self, machine: Machine) -> None:
        """Hold a VM or release it, as an operator does; as weather permits."""
        self._azure.clock.spawn(self._as_operator(VmId.parse(machine.vm_id), holds=self._rarely_not(0.4)))

    async def _as_operator(self, vm_id: VmId, *, holds: bool) -> None:
        ports, now = self._azure.app.ports(lambda: None), self._azure.clock.now()
        with suppress(ChangedMeanwhileError, StoreFailedError, AzureError):
            if holds:
                await hold(ports.store, vm_id, now, lambda: f"hold-{now.isoformat()}")
            else:
                await release(ports.store, ports.queue, vm_id, now, lambda: f"release-{now.isoformat()}")

    def _as_owner(self, act: Callable[[], object]) -> None:
        try:
            act()
        except Refused:
            return

    def _begin_an_outage(self, until: datetime) -> None:
        request_kind = self._chance.choice((*RequestKind, *_OUR_OWN))
        begin, end = self._while(until)
        self._faults.outages.append(Outage(request_kind, begin, end, self._chance.choice(REFUSALS[request_kind])))

    def _while(self, until: datetime) -> tuple[datetime, datetime]:
        begin = self._azure.clock.now() + (until - self._azure.clock.now()) * self._chance.random()
        return begin, begin + timedelta(minutes=self._chance.uniform(1, 40))

    def _scale_set(self, number: int) -> str | None:
        if self._rarely_not(0.9):
            return None
        return self._world.add_scale_set(f"set-{number}", restore_policy=self._rarely_not(0.5))

    def _rarely_not(self, chance: float) -> bool:
        return self._chance.random() < chance
