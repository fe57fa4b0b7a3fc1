"""The moves a VM can make: evicted, stopped, started, deleted. Each plans what follows, and announces what happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from localazure.world.azure_errors import (
    ALLOCATION_FAILED,
    CloudError,
    Refused,
    low_priority_quota,
    marked_for_deletion,
    not_spot,
    ongoing_operation,
    price_too_high,
)
from localazure.world.machines import Machine, PowerState
from localazure.world.market import cores, total_cores
from localazure.world.operations import Operation, StartCall
from localazure.world.owner_moves import WRITE

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from localazure.world.state import WorldState
    from localazure.world.transitions import Turns

START: Final = "Microsoft.Compute/virtualMachines/start/action"
DEALLOCATE: Final = "Microsoft.Compute/virtualMachines/deallocate/action"
SIMULATE_EVICTION: Final = "Microsoft.Compute/virtualMachines/simulateEviction/action"


class Moves:
    """Moves VMs of one world."""

    def __init__(self, world: WorldState, turns: Turns) -> None:
        """Move the VMs of this world."""
        self._world = world
        self._turns = turns
        self._refusals: dict[Machine, Refused] = {}
        self._failures: dict[Machine, CloudError] = {}

    def refuse_next_start(self, machine: Machine, status: int, code: str, message: str) -> None:
        """Let the next start be refused at once."""
        self._refusals[machine] = Refused(status, code, message)

    def fail_next_start(self, machine: Machine, code: str, message: str) -> None:
        """Let the next accepted start fail at its end."""
        self._failures[machine] = CloudError(code, message)

    def spare(self, machine: Machine) -> None:
        """Take both back."""
        self._refusals.pop(machine, None)
        self._failures.pop(machine, None)

    def evict(self, machine: Machine) -> None:
        """Begin an eviction. No ARM event comes of it: nobody sent a request (docs/azure-facts.md events-4)."""
        self.check_evictable(machine)
        self._turns.change_plan(machine)
        machine.evictions.append(self._world.now)
        for annotation in self._world.eviction_annotations:
            self._turns.annotate(machine, annotation)
        self._deallocate(machine, lambda: self._evicted(machine))

    def check_evictable(self, machine: Machine) -> None:
        """Raise ``ValueError`` where Azure would not evict the VM."""
        is_up = machine.power_state in {PowerState.RUNNING, PowerState.STARTING}
        if not machine.is_spot or not is_up or machine.condition.provisioning_state == "Deleting":
            message = (
                f"cannot evict VM {machine.name!r}: priority {machine.priority}, {machine.power_state.value}; "
                "Azure evicts Spot VMs that run"
            )
            raise ValueError(message)

    def simulate_eviction(self, machine: Machine, caller: str) -> None:
        """Accept a simulated eviction: it comes later, if the VM still runs then."""
        self._turns.check_kept(machine, "simulateEviction")
        if not machine.is_spot:
            raise not_spot(machine.name)
        self._turns.tell_success(machine, SIMULATE_EVICTION, caller)
        self._world.schedule(self._world.durations.until_simulated_eviction, lambda: self._evict_if_running(machine))

    def stop(self, machine: Machine, caller: str) -> Operation:
        """Deallocate on somebody's word. A VM that is deallocated already stays so, and the operation succeeds."""
        self._turns.check_kept(machine, "deallocate")
        if machine.power_state is PowerState.DEALLOCATING:
            raise ongoing_operation(machine.name, PowerState.DEALLOCATED, "Deallocate")
        machine.stop_calls.append(self._world.now)
        if machine.power_state is PowerState.DEALLOCATED:
            return self._turns.succeed(machine, self._turns.open_operation(machine, DEALLOCATE, caller))
        self._turns.change_plan(machine)
        operation = self._turns.open_operation(machine, DEALLOCATE, caller)
        had_place = machine.power_state is not PowerState.STARTING
        self._turns.annotate(machine, "VirtualMachineDeallocationInitiated")
        self._deallocate(machine, lambda: self._stopped(machine, operation, had_place=had_place))
        return operation

    def create(self, machine: Machine, caller: str) -> Operation:
        """Take a new VM in, which comes up as one does that was deallocated; refuse it for quota or price."""
        if machine.is_spot:
            self._check_quota(machine)
            self._check_price(machine)
        self._world.machines_by_id[machine.vm_id.lower()] = machine
        operation = self._turns.open_operation(machine, WRITE, caller)
        after = self._start_duration(machine)
        self._turns.later(machine, after, lambda: self._end_start(machine, operation, PowerState.DEALLOCATED))
        return operation

    def start(self, machine: Machine, caller: str) -> Operation:
        """Accept or refuse a start, and note the request on the VM either way."""
        try:
            self._check_start(machine)
        except Refused as refusal:
            machine.start_calls.append(StartCall(self._world.now, caller, refusal.status, refusal.code))
            raise
        machine.start_calls.append(StartCall(self._world.now, caller, 202))
        operation = self._turns.open_operation(machine, START, caller)
        if machine.power_state is PowerState.RUNNING:
            return self._turns.succeed(machine, operation)
        before = machine.power_state
        self._turns.change_plan(machine, keep=operation)
        self._turns.annotate(machine, "VirtualMachineStartInitiatedByControlPlane")
        machine.become(self._world.now, power_state=PowerState.STARTING, provisioning_state="Updating", failure=None)
        self._turns.later(machine, self._start_duration(machine), lambda: self._end_start(machine, operation, before))
        return operation

    def delete(self, machine: Machine) -> None:
        """Remove the VM; an operation that was under way is overtaken."""
        self._turns.change_plan(machine)
        machine.deleted_at = self._world.now

    def _check_start(self, machine: Machine) -> None:
        refusal = self._refusals.pop(machine, None)
        if refusal is not None:
            raise refusal
        self._turns.check_kept(machine, "start")
        if machine.power_state is PowerState.DEALLOCATING:
            if machine.eviction_policy == "Delete" and self._being_evicted(machine):
                raise marked_for_deletion(machine.name, "start")
            raise ongoing_operation(machine.name, PowerState.DEALLOCATED, "Start")
        if machine.power_state is PowerState.STARTING:
            raise ongoing_operation(machine.name, PowerState.RUNNING, "Start")
        if machine.is_spot and machine.power_state is PowerState.DEALLOCATED:
            self._check_quota(machine)
            self._check_price(machine)

    def _check_quota(self, machine: Machine) -> None:
        """Deallocated Spot VMs count as well (docs/azure-facts.md arm-13): the limit holds for all that exist."""
        limit = self._world.market.core_limit(machine.subscription_id, machine.location)
        if limit is None:
            return
        usage = total_cores(
            other.size
            for other in self._world.machines()
            if other is not machine
            and other.is_spot
            and other.deleted_at is None
            and other.subscription_id == machine.subscription_id
            and other.location == machine.location
        )
        if usage + cores(machine.size) > limit:
            raise low_priority_quota(machine.location, limit, usage, cores(machine.size))

    def _check_price(self, machine: Machine) -> None:
        price = self._world.market.price(machine.size, machine.location)
        if 0 <= machine.max_price < price:
            raise price_too_high(machine.size, machine.max_price, price)

    def _start_duration(self, machine: Machine) -> timedelta:
        durations = self._world.durations
        will_fail = machine in self._failures or self._world.market.free(machine.pool) == 0
        return durations.failed_start if will_fail else durations.start

    def _end_start(self, machine: Machine, operation: Operation, before: PowerState) -> None:
        failure = self._failures.pop(machine, None)
        # A VM that was only stopped never gave its place up, so it needs none from the pool.
        if failure is None and before is PowerState.DEALLOCATED and not self._world.market.take(machine.pool):
            failure = ALLOCATION_FAILED
        if failure is None:
            self._started(machine, operation)
        else:
            now = self._world.now
            machine.become(now, power_state=before, provisioning_state="Failed", failure=failure, provisioned_at=now)
            self._turns.close_operation(operation, "Failed", failure)

    def _started(self, machine: Machine, operation: Operation) -> None:
        now = self._world.now
        self._turns.annotate(machine, "VirtualMachineAllocated")
        machine.become(now, power_state=PowerState.RUNNING, provisioning_state="Succeeded", provisioned_at=now)
        self._turns.become_available(machine, "Available")
        self._turns.succeed(machine, operation)

    def _evicted(self, machine: Machine) -> None:
        if machine.eviction_policy == "Delete":
            machine.deleted_at = self._world.now
            machine.deleted_by_eviction = True

    def _stopped(self, machine: Machine, operation: Operation, *, had_place: bool) -> None:
        if had_place:
            self._world.market.give_back(machine.pool)
        self._turns.succeed(machine, operation)

    def _evict_if_running(self, machine: Machine) -> None:
        if machine.deleted_at is None and machine.power_state is PowerState.RUNNING:
            self.evict(machine)

    def _being_evicted(self, machine: Machine) -> bool:
        went_down_at, _ = machine.power_history[-1]
        return machine.evicted_at == went_down_at

    def _deallocate(self, machine: Machine, done: Callable[[], None]) -> None:
        machine.become(self._world.now, power_state=PowerState.DEALLOCATING)
        durations = self._world.durations
        self._turns.later(
            machine, durations.until_unavailable, lambda: self._turns.become_available(machine, "Unavailable")
        )
        self._turns.later(machine, durations.deallocation, lambda: self._deallocated(machine, done))

    def _deallocated(self, machine: Machine, done: Callable[[], None]) -> None:
        now = self._world.now
        machine.become(
            now,
            power_state=PowerState.DEALLOCATED,
            provisioning_state="Succeeded",
            failure=None,
            provisioned_at=now,
        )
        done()
