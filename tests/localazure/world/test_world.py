"""The world: VMs that are evicted, stopped, started, and what that costs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localazure.resource_manager.roles import RESPONDER_ROLE, Role, read_role
from localazure.world.azure_errors import Refused
from localazure.world.happenings import ActionSucceeded, Annotated, AvailabilityChanged, Happening
from localazure.world.machines import Machine, PowerState
from localazure.world.world import NoSuchMachineError, World

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def made(**description: object) -> tuple[World, Machine, list[Happening]]:
    """Make a world with the VM ``vm1`` and a list of what happens."""
    world, told = World(NOW), list[Happening]()
    world.listen(told.append)
    return world, world.add_vm("vm1", **description), told  # type: ignore[arg-type]


def wait(world: World, seconds: float) -> None:
    """Let time pass."""
    world.advance(world.now + timedelta(seconds=seconds))


def evicted(**description: object) -> tuple[World, Machine, list[Happening]]:
    """Make a world whose ``vm1`` was evicted and is deallocated by now."""
    world, machine, told = made(**description)
    world.evict("vm1")
    wait(world, 60)
    told.clear()
    return world, machine, told


def test_an_evicted_vm_is_preempted_unavailable_deallocated() -> None:
    """An eviction tells an annotation at once and the status a moment later, and no ARM operation."""
    world, machine, told = made()
    world.evict("vm1")
    assert machine.power_state is PowerState.DEALLOCATING
    assert (machine.evicted_at, machine.running_at) == (NOW, None)
    wait(world, 60)
    assert told == [
        Annotated(machine.vm_id, NOW, "VirtualMachinePreempted"),
        AvailabilityChanged(machine.vm_id, NOW + timedelta(seconds=3), "Available", "Unavailable"),
    ]
    assert machine.power_history[1:] == [
        (NOW, PowerState.DEALLOCATING),
        (NOW + timedelta(seconds=15), PowerState.DEALLOCATED),
    ]


def test_policy_delete_takes_the_vm_away() -> None:
    """With the eviction policy Delete the VM is gone in the end, and kept for the record."""
    world, machine, _ = evicted(eviction_policy="Delete")
    assert machine.deleted_at == NOW + timedelta(seconds=15)
    assert world.find(machine.vm_id) is None
    assert world.machine("vm1") is machine
    with pytest.raises(NoSuchMachineError, match="gone since"):
        world.stop_by_owner("vm1")


def test_a_vm_that_is_being_evicted_for_good_cannot_be_started() -> None:
    """While it is marked for deletion, a start is refused with those words."""
    world, machine, _ = made(eviction_policy="Delete")
    world.evict("vm1")
    with pytest.raises(Refused, match="marked for deletion"):
        world.start(machine, "responder")


@pytest.mark.parametrize("description", [{"priority": "Regular"}, {"power_state": "deallocated"}])
def test_only_spot_vms_that_run_are_evicted(description: dict[str, object]) -> None:
    """A regular VM, or one that is down, is not evicted, and the error says why."""
    world, _, _ = made(**description)
    with pytest.raises(ValueError, match="Azure evicts Spot VMs that run"):
        world.evict("vm1")


def test_its_owner_stops_a_vm() -> None:
    """A stop by its owner is annotated as such and ends with an ARM operation that names the caller."""
    world, machine, told = made()
    operation = world.stop_by_owner("vm1", "someone@example.com")
    wait(world, 60)
    assert [type(one) for one in told] == [Annotated, AvailabilityChanged, ActionSucceeded]
    assert told[0] == Annotated(machine.vm_id, NOW, "VirtualMachineDeallocationInitiated")
    assert told[2] == ActionSucceeded(
        machine.vm_id,
        NOW + timedelta(seconds=15),
        "Microsoft.Compute/virtualMachines/deallocate/action",
        "someone@example.com",
    )
    assert world.operations[operation.operation_id].status == "Succeeded"
    assert machine.evicted_at is None


def test_its_owner_may_stop_a_vm_that_was_evicted() -> None:
    """The VM stays deallocated, and the operation with its caller is told all the same."""
    world, machine, told = evicted()
    world.stop_by_owner("vm1")
    assert [type(one) for one in told] == [ActionSucceeded]
    assert machine.power_state is PowerState.DEALLOCATED


def test_a_start_is_accepted_and_brings_the_vm_back() -> None:
    """Accepted is not running: that comes later, with annotation, status and operation told."""
    world, machine, told = evicted()
    operation = world.start(machine, "responder")
    assert (operation.status, machine.power_state) == ("InProgress", PowerState.STARTING)
    at = world.now
    wait(world, 60)
    assert machine.running_at == at + timedelta(seconds=20)
    assert world.operations[operation.operation_id].status == "Succeeded"
    assert [getattr(one, "annotation", type(one)) for one in told] == [
        "VirtualMachineStartInitiatedByControlPlane",
        "VirtualMachineAllocated",
        AvailabilityChanged,
        ActionSucceeded,
    ]
    assert [(call.status, call.caller) for call in machine.start_calls] == [(202, "responder")]


def test_a_start_without_capacity_fails_at_its_end() -> None:
    """With no place in the pool the start is accepted and fails later; the VM is deallocated as before."""
    world, machine, told = evicted()
    world.set_capacity(machine.pool, 0)
    operation = world.start(machine, "responder")
    wait(world, 60)
    ended = world.operations[operation.operation_id]
    assert (ended.status, ended.error and ended.error.code) == ("Failed", "AllocationFailed")
    assert (machine.power_state, machine.condition.provisioning_state) == (PowerState.DEALLOCATED, "Failed")
    assert not any(isinstance(one, ActionSucceeded) for one in told)


def test_the_last_place_of_a_pool_goes_to_the_first() -> None:
    """Of two VMs that are started for one place, one runs and one fails."""
    world, first, _ = evicted()
    second = world.add_vm("vm2", power_state="deallocated")
    world.set_capacity(first.pool, 1)
    world.start(first, "responder")
    world.start(second, "responder")
    wait(world, 60)
    assert (first.power_state, second.power_state) == (PowerState.RUNNING, PowerState.DEALLOCATED)


def test_a_stop_gives_the_place_back_and_an_eviction_does_not() -> None:
    """What its owner frees is free for others; what Azure takes is not."""
    world, machine, _ = made()
    world.set_capacity(machine.pool, 0)
    world.evict("vm1")
    wait(world, 60)
    assert world.market.free(machine.pool) == 0
    other = world.add_vm("vm2")
    world.stop_by_owner("vm2")
    wait(world, 60)
    assert world.market.free(other.pool) == 1


def test_pools_differ_by_zone() -> None:
    """No capacity in one zone says nothing of another."""
    world, machine, _ = evicted(zone="1")
    world.set_capacity(machine.pool._replace(location="WestEurope", zone="2"), 0)
    assert world.market.free(machine.pool) is None
    world.set_capacity(machine.pool._replace(location="WestEurope", zone="1"), 0)
    assert world.market.free(machine.pool) == 0


def test_max_price_below_the_price_refuses_the_start_until_it_falls() -> None:
    """The refusal names both prices; -1 has no limit."""
    world, machine, _ = evicted(max_price=0.01)
    world.set_price(machine.size, "westeurope", 0.02)
    with pytest.raises(Refused, match="SpotPriceGreaterThanProvidedMaxPrice"):
        world.start(machine, "responder")
    assert world.start(world.add_vm("vm2", power_state="deallocated"), "responder").status == "InProgress"
    world.set_price(machine.size, "westeurope", 0.01)
    assert world.start(machine, "responder").status == "InProgress"
    assert [call.status for call in machine.start_calls] == [409, 202]


def test_quota_counts_deallocated_spot_vms_too() -> None:
    """The limit on Spot cores holds for all Spot VMs of the region, and not for regular ones."""
    world, machine, _ = evicted()
    world.add_vm("vm2", power_state="deallocated")
    world.add_vm("vm3", priority="Regular", size="Standard_D64s_v5")
    world.set_quota(machine.subscription_id, "westeurope", 3)
    with pytest.raises(Refused, match=r"LowPriorityCores.*Limit: 3, Current Usage: 2, Additional Required: 2"):
        world.start(machine, "responder")
    world.set_quota(machine.subscription_id, "westeurope", 4)
    assert world.start(machine, "responder").status == "InProgress"


def test_a_start_while_deallocating_is_a_conflict() -> None:
    """The VM is still on its way down, and Azure says to come again."""
    world, machine, _ = made()
    world.evict("vm1")
    with pytest.raises(Refused, match="An ongoing operation is changing power state of Virtual Machine vm1"):
        world.start(machine, "responder")


def test_starting_a_running_vm_is_harmless() -> None:
    """It is accepted, succeeds at once and changes nothing."""
    world, machine, _ = made()
    assert world.start(machine, "responder").status == "Succeeded"
    assert machine.power_state is PowerState.RUNNING


def test_a_vm_may_be_evicted_while_it_starts() -> None:
    """The start is overtaken, and ends as preempted, not well."""
    world, machine, told = evicted()
    operation = world.start(machine, "responder")
    wait(world, 5)
    told.clear()
    world.evict("vm1")
    wait(world, 60)
    ended = world.operations[operation.operation_id]
    assert (ended.status, ended.error and ended.error.code) == ("Canceled", "OperationPreempted")
    assert machine.power_state is PowerState.DEALLOCATED
    assert not any(isinstance(one, AvailabilityChanged) for one in told), "it was unavailable all the time"


def test_a_refusal_can_be_ordered_for_one_start() -> None:
    """The next start is refused as told, the one after that is not."""
    world, machine, _ = evicted()
    world.refuse_next_start("vm1", "SkuNotAvailable", "none here")
    with pytest.raises(Refused, match="409 SkuNotAvailable: none here"):
        world.start(machine, "responder")
    assert world.start(machine, "responder").status == "InProgress"


def test_a_failure_can_be_ordered_for_one_start() -> None:
    """The next accepted start fails at its end with the code as told, the one after that does not."""
    world, machine, _ = evicted()
    world.fail_next_start("vm1", "VMStartTimedOut", "too slow")
    operation = world.start(machine, "responder")
    wait(world, 60)
    error = world.operations[operation.operation_id].error
    assert error is not None
    assert error.code == "VMStartTimedOut"
    world.start(machine, "responder")
    wait(world, 60)
    assert machine.power_state is PowerState.RUNNING


def test_a_simulated_eviction_comes_later() -> None:
    """The request is told as an operation at once; the eviction follows."""
    world, machine, told = made()
    world.simulate_eviction("vm1")
    assert machine.power_state is PowerState.RUNNING
    assert isinstance(told[0], ActionSucceeded)
    wait(world, 60)
    assert machine.evicted_at == NOW + timedelta(seconds=60)


def test_a_regular_vm_has_no_simulated_eviction() -> None:
    """The request is refused."""
    world, _, _ = made(priority="Regular")
    with pytest.raises(Refused, match="409 OperationNotAllowed"):
        world.simulate_eviction("vm1")


def test_a_vm_that_is_only_stopped_needs_no_place() -> None:
    """Stopped is not deallocated: it kept its place, and starts where the pool is empty."""
    world, machine, _ = made(power_state="stopped")
    world.set_capacity(machine.pool, 0)
    world.start(machine, "responder")
    wait(world, 60)
    assert machine.power_state is PowerState.RUNNING


def test_time_does_not_go_back_and_moves_happen_at_their_time() -> None:
    """However far time jumps, each thing happens at its own moment, and an earlier time changes nothing."""
    world, machine, _ = made()
    world.evict("vm1")
    assert world.next_due() == NOW + timedelta(seconds=3)
    wait(world, 3600)
    world.advance(NOW)
    assert world.now == NOW + timedelta(hours=1)
    assert world.next_due() is None
    assert machine.power_history[-1][0] == NOW + timedelta(seconds=15)


def test_a_vm_is_found_by_name_or_id_and_otherwise_named_in_the_error() -> None:
    """Names and ids serve in any casing; an unknown or ambiguous name is told."""
    world, machine, _ = made()
    assert world.machine(machine.vm_id.upper()) is machine
    with pytest.raises(NoSuchMachineError, match="no VM called 'vm9'"):
        world.machine("vm9")
    world.add_vm("VM1", resource_group="other")
    with pytest.raises(NoSuchMachineError, match="2 VMs called 'vm1'"):
        world.machine("vm1")
    with pytest.raises(ValueError, match="already"):
        world.add_vm("vm1")


@given(st.lists(st.sampled_from(["evict", "stop", "start", "delete", "wait", "simulate"]), max_size=30))
def test_whatever_happens_the_world_stays_whole(steps: list[str]) -> None:
    """After any sequence of moves all operations end, and the VM rests running, deallocated or gone."""
    world, machine, told = made()
    moves: dict[str, Callable[[], object]] = {
        "evict": lambda: world.evict("vm1"),
        "stop": lambda: world.stop_by_owner("vm1"),
        "start": lambda: world.start(world.existing("vm1"), "responder"),
        "delete": lambda: world.delete("vm1"),
        "wait": lambda: wait(world, 7),
        "simulate": lambda: world.simulate_eviction("vm1"),
    }
    for step in steps:
        try:
            moves[step]()
        except (Refused, ValueError, NoSuchMachineError):
            continue
    wait(world, 3600)
    assert all(operation.status != "InProgress" for operation in world.operations.values())
    assert machine.deleted_at or machine.power_state in {PowerState.RUNNING, PowerState.DEALLOCATED}
    assert [one.occurred_at for one in told] == sorted(one.occurred_at for one in told)
    running = machine.power_state is PowerState.RUNNING
    assert machine.deleted_at or machine.condition.availability.state == ("Available" if running else "Unavailable")


def test_the_responder_may_read_and_start_and_nothing_else() -> None:
    """The role that is deployed changes and deletes nothing."""
    role = read_role(RESPONDER_ROLE)
    assert role.allows("microsoft.compute/VIRTUALMACHINES/start/action")
    for action in (
        "write",
        "delete",
        "deallocate/action",
        "powerOff/action",
        "simulateEviction/action",
        "restart/action",
    ):
        assert not role.allows(f"Microsoft.Compute/virtualMachines/{action}")
    assert all(action.endswith(("/read", "/start/action")) for action in role.actions)


def test_wildcards_and_exceptions_of_a_role() -> None:
    """A star matches anything; what notActions match is not allowed."""
    role = Role("r", ("Microsoft.Compute/*/read", "Microsoft.Compute/virtualMachines/*"), ("*/delete",))
    assert role.allows("Microsoft.Compute/locations/operations/read")
    assert role.allows("Microsoft.Compute/virtualMachines/start/action")
    assert not role.allows("Microsoft.Compute/virtualMachines/delete")
    assert not role.allows("Microsoft.Compute/disks/write")
