"""The moves a VM can make: evicted, stopped, started, deleted. Each plans its own sequel and tells what happens."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from localazure.happenings import ActionSucceeded, Annotated, AvailabilityChanged
from localazure.machines import Annotation, Availability, Machine, PowerState
from localazure.market import cores, total_cores
from localazure.operations import IN_PROGRESS, Operation, StartCall
from localazure.refusals import (
    ALLOCATION_FAILED,
    OPERATION_PREEMPTED,
    CloudError,
    Refused,
    deallocated,
    low_priority_quota,
    marked_for_deletion,
    not_running,
    not_spot,
    ongoing_operation,
    price_too_high,
)
from localazure.timestamps import guid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import timedelta

    from localazure.world import World

START: Final = "Microsoft.Compute/virtualMachines/start/action"
DEALLOCATE: Final = "Microsoft.Compute/virtualMachines/deallocate/action"
POWER_OFF: Final = "Microsoft.Compute/virtualMachines/powerOff/action"
RESTART: Final = "Microsoft.Compute/virtualMachines/restart/action"
WRITE: Final = "Microsoft.Compute/virtualMachines/write"
DELETE: Final = "Microsoft.Compute/virtualMachines/delete"
SIMULATE_EVICTION: Final = "Microsoft.Compute/virtualMachines/simulateEviction/action"


class Moves:
    """Moves VMs of one world."""

    def __init__(self, world: World) -> None:
        """Move the VMs of this world."""
        self._world = world
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
        """Begin an eviction. No ARM event comes of it: nobody sent a request (``facts/events.md`` §1.3)."""
        is_up = machine.power_state in {PowerState.RUNNING, PowerState.STARTING}
        if not machine.is_spot or not is_up or machine.condition.provisioning_state == "Deleting":
            message = (
                f"cannot evict VM {machine.name!r}: priority {machine.priority}, {machine.power_state.value}; "
                "Azure evicts Spot VMs that run"
            )
            raise ValueError(message)
        self._change_plan(machine)
        machine.evictions.append(self._world.now)
        for annotation in self._world.eviction_annotations:
            self._annotate(machine, annotation)
        self._deallocate(machine, lambda: self._evicted(machine))

    def simulate_eviction(self, machine: Machine, caller: str) -> None:
        """Accept a simulated eviction: it comes later, if the VM still runs then."""
        self._check_kept(machine, "simulateEviction")
        if not machine.is_spot:
            raise not_spot(machine.name)
        self._tell_success(machine, SIMULATE_EVICTION, caller)
        self._world.schedule(self._world.durations.until_simulated_eviction, lambda: self._evict_if_running(machine))

    def stop(self, machine: Machine, caller: str) -> Operation:
        """Deallocate on somebody's word. A VM that is deallocated already stays so, and the operation succeeds."""
        self._check_kept(machine, "deallocate")
        if machine.power_state is PowerState.DEALLOCATING:
            raise ongoing_operation(machine.name, PowerState.DEALLOCATED, "Deallocate")
        machine.stop_calls.append(self._world.now)
        if machine.power_state is PowerState.DEALLOCATED:
            return self._succeed(machine, self._open_operation(machine, DEALLOCATE, caller))
        self._change_plan(machine)
        operation = self._open_operation(machine, DEALLOCATE, caller)
        had_place = machine.power_state is not PowerState.STARTING
        self._annotate(machine, "VirtualMachineDeallocationInitiated")
        self._deallocate(machine, lambda: self._stopped(machine, operation, had_place=had_place))
        return operation

    def start(self, machine: Machine, caller: str) -> Operation:
        """Accept or refuse a start, and note the request on the VM either way."""
        try:
            self._check_start(machine)
        except Refused as refusal:
            machine.start_calls.append(StartCall(self._world.now, caller, refusal.status, refusal.code))
            raise
        machine.start_calls.append(StartCall(self._world.now, caller, 202))
        operation = self._open_operation(machine, START, caller)
        if machine.power_state is PowerState.RUNNING:
            return self._succeed(machine, operation)
        before = machine.power_state
        self._change_plan(machine, keep=operation)
        self._annotate(machine, "VirtualMachineStartInitiatedByControlPlane")
        machine.become(self._world.now, power_state=PowerState.STARTING, provisioning_state="Updating", failure=None)
        self._later(machine, self._start_duration(machine), lambda: self._end_start(machine, operation, before))
        return operation

    def power_off(self, machine: Machine, caller: str) -> Operation:
        """Stop on somebody's word: the VM keeps its place, and nobody may evict it into nothing."""
        self._check_kept(machine, "powerOff")
        if machine.power_state in {PowerState.DEALLOCATED, PowerState.DEALLOCATING}:
            raise deallocated(machine.name, "powerOff")
        machine.stop_calls.append(self._world.now)
        if machine.power_state is PowerState.STOPPED:
            return self._succeed(machine, self._open_operation(machine, POWER_OFF, caller))
        self._change_plan(machine)
        operation = self._open_operation(machine, POWER_OFF, caller)
        self._annotate(machine, "VirtualMachineStopInitiatedByControlPlane")
        machine.become(self._world.now, power_state=PowerState.STOPPING, provisioning_state="Updating")
        durations = self._world.durations
        self._later(machine, durations.until_unavailable, lambda: self._become_available(machine, "Unavailable"))
        self._later(machine, durations.deallocation, lambda: self._powered_off(machine, operation))
        return operation

    def restart(self, machine: Machine, caller: str) -> Operation:
        """Restart a VM that runs; it is shown as running meanwhile."""
        self._check_kept(machine, "restart")
        if machine.power_state in {PowerState.DEALLOCATED, PowerState.DEALLOCATING}:
            raise deallocated(machine.name, "restart")
        if machine.power_state is not PowerState.RUNNING:
            raise not_running(machine.name, "restart")
        self._change_plan(machine)
        operation = self._open_operation(machine, RESTART, caller)
        self._annotate(machine, "VirtualMachineRestarted")
        machine.become(self._world.now, provisioning_state="Updating")
        self._later(machine, self._world.durations.start, lambda: self._settled(machine, operation))
        return operation

    def update(self, machine: Machine, caller: str, tags: Mapping[str, str], size: str, max_price: float) -> Operation:
        """Write what of a VM may be written; done at once, whatever else is under way."""
        self._check_kept(machine, "write")
        machine.size, machine.max_price = size, max_price
        machine.become(self._world.now, tags=dict(tags))
        under_way = machine.operation_id
        operation = self._open_operation(machine, WRITE, caller)
        machine.operation_id = under_way
        return self._close_operation(operation, "Succeeded")

    def delete(self, machine: Machine) -> None:
        """Remove the VM; an operation that was under way is overtaken."""
        self._change_plan(machine)
        machine.deleted_at = self._world.now

    def delete_by_owner(self, machine: Machine, caller: str) -> Operation:
        """Remove the VM on somebody's word, which takes as long as to deallocate it. A second word changes nothing."""
        under_way = self._world.operations.get(machine.operation_id or "")
        if machine.condition.provisioning_state == "Deleting" and under_way is not None:
            return under_way
        self._change_plan(machine)
        operation = self._open_operation(machine, DELETE, caller)
        machine.become(self._world.now, provisioning_state="Deleting")
        self._later(machine, self._world.durations.deallocation, lambda: self._deleted(machine, operation))
        return operation

    def _check_kept(self, machine: Machine, asked: str) -> None:
        if machine.condition.provisioning_state == "Deleting":
            raise marked_for_deletion(machine.name, asked)

    def _check_start(self, machine: Machine) -> None:
        refusal = self._refusals.pop(machine, None)
        if refusal is not None:
            raise refusal
        self._check_kept(machine, "start")
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
        """Deallocated Spot VMs count as well (``facts/arm.md`` §3): the limit holds for all that exist."""
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
            self._close_operation(operation, "Failed", failure)

    def _started(self, machine: Machine, operation: Operation) -> None:
        now = self._world.now
        self._annotate(machine, "VirtualMachineAllocated")
        machine.become(now, power_state=PowerState.RUNNING, provisioning_state="Succeeded", provisioned_at=now)
        self._become_available(machine, "Available")
        self._succeed(machine, operation)

    def _evicted(self, machine: Machine) -> None:
        if machine.eviction_policy == "Delete":
            machine.deleted_at = self._world.now
            machine.deleted_by_eviction = True

    def _powered_off(self, machine: Machine, operation: Operation) -> None:
        machine.become(self._world.now, power_state=PowerState.STOPPED)
        self._settled(machine, operation)

    def _settled(self, machine: Machine, operation: Operation) -> None:
        now = self._world.now
        machine.become(now, provisioning_state="Succeeded", failure=None, provisioned_at=now)
        self._succeed(machine, operation)

    def _deleted(self, machine: Machine, operation: Operation) -> None:
        if machine.power_state not in {PowerState.DEALLOCATED, PowerState.STARTING}:
            self._world.market.give_back(machine.pool)
        machine.deleted_at = self._world.now
        self._close_operation(operation, "Succeeded")

    def _stopped(self, machine: Machine, operation: Operation, *, had_place: bool) -> None:
        if had_place:
            self._world.market.give_back(machine.pool)
        self._succeed(machine, operation)

    def _evict_if_running(self, machine: Machine) -> None:
        if machine.deleted_at is None and machine.power_state is PowerState.RUNNING:
            self.evict(machine)

    def _being_evicted(self, machine: Machine) -> bool:
        went_down_at, _ = machine.power_history[-1]
        return machine.evicted_at == went_down_at

    def _deallocate(self, machine: Machine, done: Callable[[], None]) -> None:
        machine.become(self._world.now, power_state=PowerState.DEALLOCATING)
        durations = self._world.durations
        self._later(machine, durations.until_unavailable, lambda: self._become_available(machine, "Unavailable"))
        self._later(machine, durations.deallocation, lambda: self._deallocated(machine, done))

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

    def _annotate(self, machine: Machine, name: str) -> None:
        machine.become(self._world.now, annotation=Annotation(name, self._world.now))
        self._world.tell(Annotated(machine.vm_id, self._world.now, name))

    def _become_available(self, machine: Machine, state: str) -> None:
        previous = machine.condition.availability.state
        if previous == state:
            return
        now = self._world.now
        machine.become(now, availability=Availability(state, previous, now))
        self._world.tell(AvailabilityChanged(machine.vm_id, now, previous, state))

    def _later(self, machine: Machine, after: timedelta, move: Callable[[], None]) -> None:
        turn = machine.turn
        self._world.schedule(after, lambda: move() if machine.turn == turn else None)

    def _change_plan(self, machine: Machine, *, keep: Operation | None = None) -> None:
        """Forget what was planned for this VM, and end an operation that is overtaken by what comes now."""
        machine.turn += 1
        running = self._world.operations.get(machine.operation_id or "")
        if running is not None and running is not keep and running.status == IN_PROGRESS:
            self._close_operation(running, "Canceled", OPERATION_PREEMPTED)

    def _open_operation(self, machine: Machine, action: str, caller: str) -> Operation:
        operation = Operation(
            operation_id=guid("operation", len(self._world.operations), machine.vm_id),
            action=action,
            vm_id=machine.vm_id,
            subscription_id=machine.subscription_id,
            location=machine.location,
            caller=caller,
            started_at=self._world.now,
        )
        machine.operation_id = operation.operation_id
        self._world.operations[operation.operation_id] = operation
        return operation

    def _close_operation(self, operation: Operation, status: str, error: CloudError | None = None) -> Operation:
        ended = replace(operation, status=status, ended_at=self._world.now, error=error)
        self._world.operations[operation.operation_id] = ended
        return ended

    def _succeed(self, machine: Machine, operation: Operation) -> Operation:
        self._tell_success(machine, operation.action, operation.caller)
        return self._close_operation(operation, "Succeeded")

    def _tell_success(self, machine: Machine, action: str, caller: str) -> None:
        self._world.tell(ActionSucceeded(machine.vm_id, self._world.now, action, caller))
