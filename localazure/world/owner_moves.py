"""The moves that only a person or a program asks for: stop, restart, write, delete. Called by ``world.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from localazure.world.azure_errors import deallocated, not_running
from localazure.world.machines import Machine, PowerState
from localazure.world.operations import ResizeCall

if TYPE_CHECKING:
    from collections.abc import Mapping

    from localazure.world.operations import Operation
    from localazure.world.state import WorldState
    from localazure.world.transitions import Turns

POWER_OFF: Final = "Microsoft.Compute/virtualMachines/powerOff/action"
RESTART: Final = "Microsoft.Compute/virtualMachines/restart/action"
WRITE: Final = "Microsoft.Compute/virtualMachines/write"
DELETE: Final = "Microsoft.Compute/virtualMachines/delete"


class OwnerMoves:
    """Moves VMs of one world as their owners ask."""

    def __init__(self, world: WorldState, turns: Turns) -> None:
        """Move the VMs of this world."""
        self._world = world
        self._turns = turns

    def power_off(self, machine: Machine, caller: str) -> Operation:
        """Stop on somebody's word; the VM keeps its place."""
        self._turns.check_kept(machine, "powerOff")
        if machine.power_state in {PowerState.DEALLOCATED, PowerState.DEALLOCATING}:
            raise deallocated(machine.name, "powerOff")
        machine.stop_calls.append(self._world.now)
        if machine.power_state is PowerState.STOPPED:
            return self._turns.succeed(machine, self._turns.open_operation(machine, POWER_OFF, caller))
        self._turns.change_plan(machine)
        operation = self._turns.open_operation(machine, POWER_OFF, caller)
        self._turns.annotate(machine, "VirtualMachineStopInitiatedByControlPlane")
        machine.become(self._world.now, power_state=PowerState.STOPPING, provisioning_state="Updating")
        durations = self._world.durations
        self._turns.later(
            machine, durations.until_unavailable, lambda: self._turns.become_available(machine, "Unavailable")
        )
        self._turns.later(machine, durations.deallocation, lambda: self._powered_off(machine, operation))
        return operation

    def restart(self, machine: Machine, caller: str) -> Operation:
        """Restart a VM that runs; it is shown as running meanwhile."""
        self._turns.check_kept(machine, "restart")
        if machine.power_state in {PowerState.DEALLOCATED, PowerState.DEALLOCATING}:
            raise deallocated(machine.name, "restart")
        if machine.power_state is not PowerState.RUNNING:
            raise not_running(machine.name, "restart")
        self._turns.change_plan(machine)
        operation = self._turns.open_operation(machine, RESTART, caller)
        self._turns.annotate(machine, "VirtualMachineRestarted")
        machine.become(self._world.now, provisioning_state="Updating")
        self._turns.later(machine, self._world.durations.start, lambda: self._settled(machine, operation))
        return operation

    def update(self, machine: Machine, caller: str, tags: Mapping[str, str], size: str, max_price: float) -> Operation:
        """Write what of a VM may be written; done at once, whatever else is under way.

        Another size restarts a VM that runs (docs/azure-facts.md sizes-7).
        """
        self._turns.check_kept(machine, "write")
        is_resize = size.lower() != machine.size.lower()
        if is_resize:
            met = machine.size, size, machine.power_state.value
            machine.resize_calls.append(ResizeCall(self._world.now, caller, *met))
            machine.size = size
        machine.max_price = max_price
        machine.become(self._world.now, tags=dict(tags))
        if is_resize and machine.power_state is PowerState.RUNNING:
            return self.restart(machine, caller)
        under_way = machine.operation_id
        operation = self._turns.open_operation(machine, WRITE, caller)
        machine.operation_id = under_way
        return self._turns.close_operation(operation, "Succeeded")

    def delete_by_owner(self, machine: Machine, caller: str) -> Operation:
        """Remove the VM on somebody's word, which takes as long as to deallocate it. A second word changes nothing."""
        under_way = self._world.operations.get(machine.operation_id or "")
        if machine.condition.provisioning_state == "Deleting" and under_way is not None:
            return under_way
        self._turns.change_plan(machine)
        operation = self._turns.open_operation(machine, DELETE, caller)
        machine.become(self._world.now, provisioning_state="Deleting")
        self._turns.later(machine, self._world.durations.deallocation, lambda: self._deleted(machine, operation))
        return operation

    def _powered_off(self, machine: Machine, operation: Operation) -> None:
        machine.become(self._world.now, power_state=PowerState.STOPPED)
        self._settled(machine, operation)

    def _settled(self, machine: Machine, operation: Operation) -> None:
        now = self._world.now
        machine.become(now, provisioning_state="Succeeded", failure=None, provisioned_at=now)
        self._turns.succeed(machine, operation)

    def _deleted(self, machine: Machine, operation: Operation) -> None:
        if machine.power_state not in {PowerState.DEALLOCATED, PowerState.STARTING}:
            self._world.market.give_back(machine.pool)
        machine.deleted_at = self._world.now
        self._turns.close_operation(operation, "Succeeded")
