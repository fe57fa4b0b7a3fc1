"""What passes by itself, and says nothing of a size, changes no VM's size and bars none."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from localazure.virtual.wire import Fate, RequestKind
from localazure.world.azure_errors import Refused
from tests.harness.makers import at
from tests.harness.stories import NO_ANSWER, TAG, refused, starts
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
    from tests.harness.stories import NewAzure


@pytest.mark.parametrize(
    "fate",
    [
        refused(Refused(409, "Conflict", "Another operation is in progress.")),
        refused(Refused(429, "TooManyRequests", "Slow down.")),
        refused(Refused(500, "InternalServerError", "Something failed.")),
        refused(Refused(409, "ScopeLocked", "The scope is locked.")),
        refused(Refused(409, "SpotPriceGreaterThanProvidedMaxPrice", "The max price is too low.")),
        Fate(0.0, has_token=False),
    ],
    ids=["conflict", "throttled", "fault", "lock", "price", "no token"],
)
def test_its_own_size_has_capacity_and_one_start_goes_wrong(fate: Fate, new_azure: NewAzure) -> None:
    """It comes back as what it is, however often that has to be tried."""
    azure = laptop(new_azure)
    machine = add(azure)
    azure.script.next(RequestKind.VM_START, fate)
    azure.world.evict("render-1")
    azure.run_until(at("12:30"))
    assert machine.running_at is not None
    assert resizes(azure) == []


def test_two_lists_that_never_answer_hold_up_nothing(new_azure: NewAzure) -> None:
    """Quota and prices each take half a minute to say nothing: that is unknown then, and no obstacle."""
    azure = laptop(new_azure)
    machine = add(azure)
    without_capacity(azure, OWN)
    for about in ("prices/", f"{machine.vm_id.partition('/resourceGroups')[0]}/providers/Microsoft.Compute/locations"):
        azure.script.next(RequestKind.OFFERINGS, NO_ANSWER, about=about, times=1000)
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    assert machine.size == OTHER
    assert machine.running_at is not None


def test_a_look_that_took_too_long_changes_no_size(new_azure: NewAzure) -> None:
    """The start was not even sent."""
    azure = laptop(new_azure)
    machine = add(azure)
    azure.world.evict("render-1")
    azure.run_until(at("10:00:10"))
    azure.script.next(RequestKind.VM_READ, Fate(31.0))
    azure.run_until(at("10:20"))
    assert machine.running_at is not None
    assert resizes(azure) == []


@pytest.mark.parametrize(("status", "code"), [(503, ""), (504, "GatewayTimeout"), (500, "InternalServerError")])
def test_a_fault_in_azure_bars_no_size(status: int, code: str, new_azure: NewAzure) -> None:
    """The one other size has capacity: it is asked for again within minutes, not in a day."""
    azure = laptop(new_azure)
    machine = add(azure, tags={**TAG, "SpotFallbackSizes": OTHER})
    without_capacity(azure, OWN)
    azure.script.next(RequestKind.VM_RESIZE, refused(Refused(status, code, "Azure failed.")))
    azure.world.evict("render-1")
    azure.run_until(at("10:15"))
    assert machine.running_at is not None
    assert machine.size == OTHER


def test_a_fault_at_each_change_to_one_size_leaves_changes_for_the_next(new_azure: NewAzure) -> None:
    """Azure fails whenever the second size is asked for; of the third there is plenty, and the VM comes up."""
    azure = laptop(new_azure)
    machine = add(azure)
    without_capacity(azure, OWN)
    azure.script.next(RequestKind.VM_RESIZE, refused(Refused(500, "InternalServerError", "Azure failed.")))
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    assert [size for size, _ in resizes(azure)] == [THIRD]
    assert machine.running_at is not None


def test_a_fault_at_the_start_with_another_size_bars_it_neither(new_azure: NewAzure) -> None:
    """It has the other size already: the start is tried again."""
    azure = laptop(new_azure)
    machine = add(azure)
    without_capacity(azure, OWN)
    azure.world.evict("render-1")
    azure.run_until(at("10:00:40"))
    azure.script.next(RequestKind.VM_START, refused(Refused(500, "InternalServerError", "Azure failed.")))
    azure.run_until(at("10:15"))
    assert machine.running_at is not None
    assert machine.size == OTHER
    assert len(starts(azure)) == 2


@pytest.mark.parametrize("code", ["InternalServerError", "VMStartTimedOut"])
def test_a_fault_that_does_not_pass_is_held_against_the_size(code: str, new_azure: NewAzure) -> None:
    """No start with the other size ever succeeds; its own has capacity again, and the VM comes back with that."""
    azure = laptop(new_azure)
    machine = add(azure)
    without_capacity(azure, OWN)
    azure.world.evict("render-1")
    while machine.size != OTHER:
        azure.run_until(azure.now + timedelta(seconds=1))
    azure.script.next(RequestKind.VM_START, refused(Refused(500, code, "Azure failed.")), times=3)
    with_capacity(azure, OWN)
    without_capacity(azure, THIRD)
    azure.run_until(at("10:30"))
    assert (machine.size, machine.power_state) == (OWN, "running")


def test_a_change_that_came_late_is_known_as_the_apps_own(new_azure: NewAzure) -> None:
    """The first request gets lost, and arrives just before the second: at its next eviction the VM goes home."""
    azure = laptop(new_azure)
    machine = add(azure)
    without_capacity(azure, OWN)

    def arrives_late() -> None:
        azure.world.update(machine, "resizer", machine.tags, OTHER, machine.max_price)

    azure.script.next(RequestKind.VM_RESIZE, Fate(0.0, arrives=False))
    azure.script.next(RequestKind.VM_RESIZE, meanwhile=arrives_late)
    azure.world.evict("render-1")
    azure.run_until(at("10:10"))
    assert (machine.size, machine.power_state) == (OTHER, "running")
    with_capacity(azure, OWN)
    azure.world.evict("render-1")
    azure.run_until(at("10:30"))
    assert (machine.size, machine.power_state) == (OWN, "running")


def test_a_vm_that_was_given_a_size_is_started_with_it(new_azure: NewAzure) -> None:
    """Another VM is refused that size meanwhile; this one holds a place: it is not changed again before a start."""
    azure = laptop(new_azure)
    machine = add(azure)
    azure.add_vm("render-2", size=OTHER)
    without_capacity(azure, OWN)
    azure.world.refuse_next_start("render-2", "AllocationFailed", "No capacity.")
    azure.world.evict("render-1")
    azure.run_until(at("10:00:24"))
    azure.world.evict("render-2")
    azure.run_until(at("10:00:41"))
    assert (machine.size, len(azure.world.machine("render-2").start_calls)) == (OTHER, 1)
    azure.run_until(at("10:02"))
    assert machine.running_at is not None
    assert [size for size, _ in resizes(azure)] == [OTHER]
