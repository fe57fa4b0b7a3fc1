"""The real responder in the real world, with a virtual clock: days pass in milliseconds.

The doors lead straight into the laptop Azure's world and into tables and a queue that are kept in memory. What is in
the rows goes through the product's own row format, so a column that is forgotten is seen.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import json
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from localazure.azure_events import DeliverySchema, azure_event
from localazure.refusals import Refused
from localazure.world import Durations, World
from spot_responder.clients.compute import operation_of_answer
from spot_responder.clients.rows import pool_from_row, pool_row, recovery_from_row, recovery_key, recovery_row
from spot_responder.doors import AzureRefusedError, ChangedMeanwhileError, Clients, GateChangedError, Stored
from spot_responder.failures import classify
from spot_responder.policy import Policy
from spot_responder.pools import Pool
from spot_responder.responder import Responder
from spot_responder.settings import Settings
from spot_responder.vms import Annotation, PowerState, Vm, VmId
from tests.makers import TEN

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from localazure.happenings import Happening
    from localazure.machines import Condition, Machine
    from spot_responder.pools import PoolId
    from spot_responder.recoveries import Recovery
    from spot_responder.situations import Operation

TAG = {"AttemptRestartAfterEviction": "true"}
STEPS_AT_MOST = 100_000


@dataclass
class VirtualGraph:
    """Resource Graph, which may lag behind; and may be unable to answer."""

    world: World
    lag: timedelta = timedelta()
    failing: list[AzureRefusedError] = field(default_factory=list)
    blind: bool = False

    async def confirm(self, vm_id: VmId) -> Vm | None:
        """Show the VM as it was ``lag`` ago."""
        if self.failing:
            raise self.failing.pop(0)
        if self.blind:
            return None
        machine = self.world.find(str(vm_id))
        condition = machine.condition_at(self.world.now - self.lag) if machine else None
        return self._vm(machine, condition) if machine and condition else None

    async def deallocated_spot_vms(self, restart_tag: str) -> list[VmId]:
        """Show what the sweep's query would."""
        shown = [await self.confirm(VmId.parse(machine.vm_id)) for machine in self.world.machines()]
        down = [vm for vm in shown if vm and vm.is_spot and vm.power_state is PowerState.DEALLOCATED]
        return [vm.vm_id for vm in down if vm.has_tag(restart_tag)]

    def _vm(self, machine: Machine, condition: Condition) -> Vm:
        annotation = condition.annotation
        restored = any(s.scale_set_id == machine.scale_set_id and s.restore_policy for s in self.world.scale_sets)
        return Vm(
            vm_id=VmId.parse(machine.vm_id),
            location=machine.location,
            size=machine.size,
            priority=machine.priority,
            tags=condition.tags,
            power_state=PowerState.parse(condition.power_state),
            zone=machine.zone,
            max_price=machine.max_price,
            annotation=Annotation(annotation.name, annotation.occurred_at) if annotation else None,
            scale_set_id=machine.scale_set_id,
            restored_by_scale_set=restored,
        )


@dataclass
class VirtualCompute:
    """ARM: the truth, and the start."""

    world: World
    failing: list[AzureRefusedError] = field(default_factory=list)
    answers_lost: int = 0
    silences: int = 0
    tells_power_state: bool = True

    async def current(self, vm_id: VmId) -> Vm | None:
        """Show the VM as it is; ARM does not tell of scale sets' policies."""
        if self.failing:
            raise self.failing.pop(0)
        vm = await VirtualGraph(self.world).confirm(vm_id)
        if vm is None:
            return None
        power_state = vm.power_state if self.tells_power_state else PowerState.UNKNOWN
        return replace(vm, power_state=power_state, annotation=None, restored_by_scale_set=None)

    async def start(self, vm_id: VmId) -> str | None:
        """Start it, or say why not; an answer may get lost on the way back."""
        machine = self.world.find(str(vm_id))
        if machine is None:
            raise AzureRefusedError(classify(404, None, {}), f"start {vm_id}")
        try:
            operation = self.world.start(machine, caller="responder")
        except Refused as refused:
            failure = classify(refused.status, refused.body(), refused.headers)
            raise AzureRefusedError(failure, f"start {vm_id}") from refused
        if self.silences:
            self.silences -= 1
            raise AzureRefusedError(classify(None, "timed out", {}), f"start {vm_id}")
        if self.answers_lost:
            self.answers_lost -= 1
            raise LostAnswerError
        return f"https://arm/{operation.operation_id}"

    async def operation(self, operation_url: str) -> Operation:
        """Show the operation, as ARM words it."""
        operation = self.world.operations[operation_url.rpartition("/")[2]]
        error = {"code": operation.error.code, "message": operation.error.message} if operation.error else None
        return operation_of_answer({"status": operation.status, "error": error}, {})


class LostAnswerError(Exception):
    """We died between the request and its answer."""


@dataclass
class VirtualTables:
    """Tables with ETags, in memory."""

    rows: dict[tuple[str, str], tuple[dict[str, Any], str]] = field(default_factory=dict)
    pool_rows: dict[PoolId, tuple[dict[str, Any], str]] = field(default_factory=dict)
    history: list[Recovery] = field(default_factory=list)
    published: set[str] = field(default_factory=set)
    etags: itertools.count[int] = field(default_factory=itertools.count)
    before_save: Callable[[Recovery], None] | None = None
    crashes_before_history: int = 0

    async def load(self, vm_id: VmId) -> Stored[Recovery | None]:
        """Load a row."""
        row, etag = self.rows.get(recovery_key(vm_id), (None, None))
        return Stored(recovery_from_row(row) if row else None, etag)

    async def save(self, recovery: Recovery, etag: str | None) -> str:
        """Save a row, if it is still the one that was loaded."""
        if self.before_save:
            self.before_save(recovery)
        key = recovery_key(recovery.vm_id)
        if self.rows.get(key, (None, None))[1] != etag:
            raise ChangedMeanwhileError(str(key))
        self.rows[key] = (recovery_row(recovery), f"etag-{next(self.etags)}")
        return self.rows[key][1]

    async def load_pool(self, pool_id: PoolId) -> Stored[Pool]:
        """Load a gate."""
        row, etag = self.pool_rows.get(pool_id, (None, None))
        return Stored(pool_from_row(row) if row else Pool(pool_id), etag)

    async def save_pool(self, pool: Pool, etag: str | None) -> None:
        """Save a gate, if it is still the one that was loaded."""
        if self.pool_rows.get(pool.pool_id, (None, None))[1] != etag:
            raise GateChangedError(str(pool.pool_id))
        self.pool_rows[pool.pool_id] = (pool_row(pool), f"etag-{next(self.etags)}")

    async def all_recoveries(self) -> list[Stored[Recovery]]:
        """Load all rows."""
        return [Stored(recovery_from_row(row), etag) for row, etag in self.rows.values()]

    async def forget(self, stored: Stored[Recovery]) -> None:
        """Delete a row, unless it changed meanwhile."""
        key = recovery_key(stored.value.vm_id)
        if self.rows[key][1] == stored.etag:
            del self.rows[key]

    async def write_history(self, recovery: Recovery) -> None:
        """Write into the history; a process may die before it does."""
        if self.crashes_before_history:
            self.crashes_before_history -= 1
            raise LostAnswerError
        if recovery.recovery_id not in [known.recovery_id for known in self.history]:
            self.history.append(recovery)

    async def unpublished(self, _since: datetime) -> list[Recovery]:
        """Give those that nobody noted as published."""
        return [recovery for recovery in self.history if recovery.recovery_id not in self.published]

    async def note_published(self, recovery: Recovery) -> None:
        """Note it."""
        self.published.add(recovery.recovery_id)


@dataclass
class VirtualQueue:
    """A queue whose messages become visible at their time."""

    world: World
    messages: list[tuple[datetime, int, str]] = field(default_factory=list)
    order: itertools.count[int] = field(default_factory=itertools.count)
    crashes_before_put: int = 0
    crashes_after_put: int = 0

    async def put(self, event: Mapping[str, object], delay: timedelta) -> None:
        """Put a message; a process may die right before or after it."""
        if self.crashes_before_put:
            self.crashes_before_put -= 1
            raise LostAnswerError
        if self.crashes_after_put:
            self.crashes_after_put -= 1
            self.put_now(event, delay)
            raise LostAnswerError
        self.put_now(event, delay)

    def put_now(self, event: Mapping[str, object], delay: timedelta = timedelta()) -> None:
        """Put a message, from outside the responder."""
        heapq.heappush(self.messages, (self.world.now + delay, next(self.order), json.dumps(event)))


@dataclass
class VirtualOutcomes:
    """Hears outcomes; may be out of order."""

    told: list[Recovery] = field(default_factory=list)
    failing: list[AzureRefusedError] = field(default_factory=list)

    async def publish(self, recovery: Recovery) -> None:
        """Hear one."""
        if self.failing:
            raise self.failing.pop(0)
        self.told.append(recovery)


class VirtualAzure:
    """A world from ten o'clock on, the responder in it, and the events between them."""

    def __init__(
        self,
        policy: Policy | None = None,
        *,
        dry_run: bool = False,
        sweep_every: timedelta = timedelta(minutes=15),
        durations: Durations | None = None,
    ) -> None:
        """Begin at ten, with nothing in it."""
        self.world = World(TEN, durations or Durations())
        self.graph = VirtualGraph(self.world)
        self.compute = VirtualCompute(self.world)
        self.tables = VirtualTables()
        self.queue = VirtualQueue(self.world)
        self.outcomes = VirtualOutcomes()
        self.lost: Callable[[Happening], bool] = lambda _: False
        self._sweep_every = sweep_every
        self._next_sweep = TEN + sweep_every
        ids = itertools.count(1)
        self.responder = Responder(
            clients=Clients(self.graph, self.compute, self.tables, self.queue, self.outcomes),
            settings=Settings(
                queue_endpoint="https://queue",
                table_endpoint="https://table",
                arm_endpoint="https://arm",
                outcomes_endpoint=None,
                dry_run=dry_run,
                policy=policy or Policy(),
            ),
            clock=lambda: self.world.now,
            roll=lambda: 0.5,
            new_id=lambda: f"id-{next(ids)}",
        )
        self.world.listen(self._deliver)

    def add_vm(self, name: str = "render-1", **fields: Any) -> Machine:  # noqa: ANN401 - whatever a VM has
        """Add a tagged Spot VM that runs."""
        return self.world.add_vm(name, **{"tags": TAG, **fields})

    def run_until(self, time: datetime) -> None:
        """Let everything happen up to a time: moves of the world, messages, sweeps."""
        for _ in range(STEPS_AT_MOST):
            due = self._next_due()
            if due > time:
                self.world.advance(time)
                return
            self.world.advance(due)
            self._sweep_if_due()
            self._handle_if_due()
        message = f"more than {STEPS_AT_MOST} steps before {time}: something spins"
        raise AssertionError(message)

    def handle(self, event: Mapping[str, object]) -> None:
        """Hand one event to the responder now."""
        run(self.responder.handle(json.dumps(event)))

    def recovery(self, name: str = "render-1") -> Recovery:
        """Give the row of a VM."""
        row = self.tables.rows[recovery_key(VmId.parse(self.world.machine(name).vm_id))][0]
        return recovery_from_row(row)

    def pool_key(self, name: str = "render-1") -> tuple[str, str, str | None, str]:
        """Give the world's name of a VM's pool."""
        return self.world.machine(name).pool

    def _next_due(self) -> datetime:
        dues = [self._next_sweep, self.world.next_due(), self.queue.messages[0][0] if self.queue.messages else None]
        return max(self.world.now, min(due for due in dues if due is not None))

    def _sweep_if_due(self) -> None:
        if self._next_sweep <= self.world.now:
            self._next_sweep += self._sweep_every
            run(self.responder.sweep())

    def _handle_if_due(self) -> None:
        if self.queue.messages and self.queue.messages[0][0] <= self.world.now:
            _, _, body = heapq.heappop(self.queue.messages)
            try:
                run(self.responder.handle(body))
            except LostAnswerError:
                # The host brings the message again, as it does after a crash.
                heapq.heappush(
                    self.queue.messages, (self.world.now + timedelta(seconds=30), next(self.queue.order), body)
                )

    def _deliver(self, happening: Happening) -> None:
        if self.lost(happening):
            return
        event = azure_event(happening, f"event-{next(self.queue.order)}", happening.occurred_at)
        self.queue.put_now(event.written(DeliverySchema.CLOUD_EVENTS), timedelta(seconds=1))


def run(coroutine: Coroutine[Any, Any, Any]) -> None:
    """Run one call of the responder; nothing in it waits."""
    asyncio.run(coroutine)
