"""The parts of a VM's move: what it plans or cancels, the operation it belongs to, the happenings it announces."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from localazure.world.azure_errors import OPERATION_PREEMPTED, CloudError, marked_for_deletion
from localazure.world.happenings import ActionSucceeded, Annotated, AvailabilityChanged
from localazure.world.machines import Annotation, Availability, Machine
from localazure.world.operations import IN_PROGRESS, Operation
from localazure.world.timestamps import guid

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from localazure.world.state import WorldState


class Turns:
    """The turns of the VMs of one world."""

    def __init__(self, world: WorldState) -> None:
        """Serve this world."""
        self._world = world

    def annotate(self, machine: Machine, name: str) -> None:
        """Let Resource Health annotate the VM."""
        machine.become(self._world.now, annotation=Annotation(name, self._world.now))
        self._world.tell(Annotated(machine.vm_id, self._world.now, name))

    def become_available(self, machine: Machine, state: str) -> None:
        """Change the availability state, and tell of it; nothing where it is so already."""
        previous = machine.condition.availability.state
        if previous == state:
            return
        now = self._world.now
        machine.become(now, availability=Availability(state, previous, now))
        self._world.tell(AvailabilityChanged(machine.vm_id, now, previous, state))

    def become_unavailable_later(self, machine: Machine) -> None:
        """Plan that the VM is seen to be down."""
        after = self._world.durations.until_unavailable
        self.later(machine, after, lambda: self.become_available(machine, "Unavailable"))

    def later(self, machine: Machine, after: timedelta, move: Callable[[], None]) -> None:
        """Plan a move, to happen unless the plan changes before."""
        turn = machine.turn
        self._world.schedule(after, lambda: move() if machine.turn == turn else None)

    def change_plan(self, machine: Machine, *, keep: Operation | None = None) -> None:
        """Forget what was planned for this VM, and end an operation that is overtaken by what comes now."""
        machine.turn += 1
        running = self._world.operations.get(machine.operation_id or "")
        if running is not None and running is not keep and running.status == IN_PROGRESS:
            self.close_operation(running, "Canceled", OPERATION_PREEMPTED)

    def open_operation(self, machine: Machine, action: str, caller: str) -> Operation:
        """Begin a long-running operation on the VM."""
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

    def close_operation(self, operation: Operation, status: str, error: CloudError | None = None) -> Operation:
        """End an operation."""
        ended = replace(operation, status=status, ended_at=self._world.now, error=error)
        self._world.operations[operation.operation_id] = ended
        return ended

    def succeed(self, machine: Machine, operation: Operation) -> Operation:
        """End an operation well, and tell of it."""
        self.tell_success(machine, operation.action, operation.caller)
        return self.close_operation(operation, "Succeeded")

    def tell_success(self, machine: Machine, action: str, caller: str) -> None:
        """Tell that what somebody asked ARM for was done."""
        self._world.tell(ActionSucceeded(machine.vm_id, self._world.now, action, caller))

    def check_kept(self, machine: Machine, asked: str) -> None:
        """Raise ``Refused`` where the VM is on its way out on somebody's word."""
        if machine.condition.provisioning_state == "Deleting":
            raise marked_for_deletion(machine.name, asked)
