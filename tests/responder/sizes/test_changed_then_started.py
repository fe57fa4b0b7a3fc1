"""A VM that was changed is started with that size, whatever its pool has told others meanwhile."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from localazure.virtual.wire import RequestKind
from localazure.world.azure_errors import Refused
from spot_responder.intake.vms import VmId
from spot_responder.operators.act import retry
from tests.harness.makers import at
from tests.harness.stories import TAG, refused
from tests.responder.sizes.test_fallback_stories import (
    OTHER,
    OWN,
    THIRD,
    add,
    laptop,
    resizes,
    with_capacity,
    without_capacity,
)

if TYPE_CHECKING:
    from localazure.world.machines import Machine
    from tests.harness.stories import NewAzure, StoryAzure


def wasted(machine: Machine) -> list[str]:
    """Name the sizes that the VM was changed to, and changed from again before any start."""
    moves = [(call.at, call.size) for call in machine.resize_calls]
    moves += [(call.at, "") for call in machine.start_calls]
    sizes = [size for _, size in sorted(moves)]
    return [size for size, then in pairwise(sizes) if size and then]


def test_no_change_is_wasted_when_another_vm_is_refused_just_then(new_azure: NewAzure) -> None:
    """Two VMs are evicted within seconds: the one's refusal closes the pool into which the other was just changed."""
    for seconds in range(30):
        azure = laptop(new_azure)
        machines = [add(azure, "vm-3"), add(azure, "vm-1")]
        without_capacity_of_all(azure)
        azure.world.evict("vm-3")
        azure.run_until(at("10:00:20") + timedelta(seconds=seconds))
        azure.world.evict("vm-1")
        azure.run_until(at("10:05"))
        assert [wasted(machine) for machine in machines] == [[], []], seconds
        assert [machine.size for machine in machines] == [THIRD, THIRD]
        assert all(machine.running_at for machine in machines)


def without_capacity_of_all(azure: StoryAzure) -> None:
    """Leave a place in the pool of the third size only."""
    pool = azure.pool_key("vm-1")
    for size in (OWN, OTHER):
        azure.world.set_capacity(pool._replace(size=size), 0)


def test_its_owner_takes_the_size_off_the_tag_before_its_start(new_azure: NewAzure) -> None:
    """What was changed is not started then; the next of the tag is taken."""
    azure = laptop(new_azure)
    machine = add(azure)
    without_capacity(azure, OWN)
    azure.world.evict("render-1")
    while not resizes(azure):
        azure.run_until(azure.now + timedelta(seconds=1))
    azure.world.retag(machine.vm_id, {**TAG, "SpotFallbackSizes": THIRD})
    azure.run_until(at("10:05"))
    assert [size for size, _ in resizes(azure)] == [OTHER, THIRD]
    assert machine.running_at is not None


def test_a_start_that_azure_had_no_time_for_is_tried_again_with_the_same_size(new_azure: NewAzure) -> None:
    """Too many requests: that says nothing of the size, so the VM is not changed on."""
    azure = laptop(new_azure)
    machine = add(azure)
    without_capacity(azure, OWN)
    azure.world.evict("render-1")
    while not resizes(azure):
        azure.run_until(azure.now + timedelta(seconds=1))
    azure.script.next(RequestKind.VM_START, refused(Refused(429, "TooManyRequests", "slow down")))
    azure.run_until(at("10:10"))
    assert [size for size, _ in resizes(azure)] == [OTHER]
    assert machine.running_at is not None


def test_a_retry_after_a_lock_is_spent_on_its_own_size(new_azure: NewAzure) -> None:
    """The lock was no matter of the size, of which there is capacity; another VM found the next one out."""
    azure = laptop(new_azure)
    machine = add(azure)
    azure.add_vm("other", size=OTHER)
    without_capacity(azure, OTHER)
    azure.world.fail_next_start("render-1", "ScopeLocked", "The scope is locked.")
    azure.world.evict("render-1")
    azure.world.evict("other")
    azure.run_until(at("10:01"))
    azure.do(retry(azure.ports().queue, VmId.parse(machine.vm_id), azure.now, lambda: "retry-1"))
    azure.run_until(at("10:02"))
    assert resizes(azure) == []
    assert machine.running_at is not None


def test_a_retry_asks_a_closed_pool_where_none_is_open(new_azure: NewAzure) -> None:
    """It has capacity again, and only somebody else knows."""
    azure = laptop(new_azure)
    machine = add(azure)
    without_capacity(azure, OWN, OTHER, THIRD)
    azure.world.evict("render-1")
    azure.run_until(at("10:01:34"))
    with_capacity(azure, OWN)
    azure.do(retry(azure.ports().queue, VmId.parse(machine.vm_id), azure.now, lambda: "retry-1"))
    azure.run_until(at("10:01:37"))
    assert [size for size, _ in resizes(azure)] == [OTHER, THIRD, OWN]
