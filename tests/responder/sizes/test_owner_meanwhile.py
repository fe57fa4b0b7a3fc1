"""The owner gives a VM another size just while the app is at work on it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from localazure.virtual.wire import Fate, RequestKind
from spot_responder.clients.rows.table_rows import pool_from_row
from spot_responder.decisions.policy import Policy
from tests.harness.makers import at
from tests.harness.stories import TAG
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

OWNERS = "Standard_D8s_v5"
ME = "owner@example.com"


def give(azure: StoryAzure, machine: Machine, size: str) -> None:
    """Change the size as its owner."""
    azure.world.update(machine, ME, machine.tags, size, machine.max_price)


def closed_pools(azure: StoryAzure) -> set[str]:
    """Give the sizes whose pools have refused."""
    gates = [pool_from_row(row) for row, _ in azure.storage.pools.rows.values()]
    return {gate.pool_id.size for gate in gates if gate.refusals}


@pytest.mark.parametrize("lost", [False, True], ids=["answered", "answer lost"])
def test_a_size_that_its_owner_gives_after_the_apps_change_is_tried_first(new_azure: NewAzure, *, lost: bool) -> None:
    """Changed by the app at 10:00:39, by its owner at 10:00:40: it comes back as its owner wants it."""
    azure = laptop(new_azure)
    machine = add(azure)
    without_capacity(azure, OWN)
    if lost:
        azure.script.next(RequestKind.VM_RESIZE, Fate(0.0, is_answered=False))
    azure.world.evict("render-1")
    azure.run_until(at("10:00:40"))
    assert machine.size == OTHER
    give(azure, machine, OWNERS)
    azure.run_until(at("10:04"))
    assert machine.running_at is not None
    assert machine.size == OWNERS
    assert azure.recovery().sizes.first_of(OWNERS) == OWNERS


def test_a_vm_that_is_made_anew_knows_nothing_of_the_one_before(new_azure: NewAzure) -> None:
    """The app gave the old one its second size; its owner deletes it and makes another of that name and that size."""
    azure = laptop(new_azure)
    add(azure)
    without_capacity(azure, OWN)
    azure.world.evict("render-1")
    azure.run_until(at("10:10"))
    azure.world.delete("render-1")
    azure.run_until(at("11:00"))
    with_capacity(azure, OWN)
    machine = azure.add_vm(size=OTHER, tags={**TAG, "SpotFallbackSizes": THIRD})
    azure.run_until(at("12:00"))
    azure.world.evict("render-1")
    azure.run_until(at("12:10"))
    assert machine.running_at is not None
    assert (machine.size, resizes(azure)) == (OTHER, [])
    without_capacity(azure, OTHER)
    azure.world.evict("render-1")
    azure.run_until(at("12:20"))
    assert (machine.size, azure.recovery().sizes.first) == (THIRD, OTHER)


def test_an_owner_may_choose_a_size_that_the_app_gave_it_earlier(new_azure: NewAzure) -> None:
    """It went from its own size to the second, then to the third; its owner sets the second: that is the first now."""
    azure = laptop(new_azure)
    machine = add(azure)
    without_capacity(azure, OWN, OTHER)
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    assert machine.size == THIRD
    with_capacity(azure, OWN, OTHER)
    give(azure, machine, OTHER)
    azure.run_until(at("11:00"))
    azure.world.evict("render-1")
    azure.run_until(at("11:10"))
    assert (machine.size, machine.power_state) == (OTHER, "running")


@pytest.mark.parametrize("policy", [Policy(), Policy(resizes=True)], ids=["sizes stay", "sizes may be changed"])
def test_no_capacity_is_held_against_the_size_that_was_asked_for(policy: Policy, new_azure: NewAzure) -> None:
    """Its start fails; before the app looks, the owner gives it a size of which there is plenty: it runs at once."""
    azure = new_azure(policy)
    machine = add(azure)
    without_capacity(azure, OWN)
    azure.world.evict("render-1")
    azure.run_until(at("10:00:37"))
    assert machine.power_state == "deallocated"
    give(azure, machine, OWNERS)
    azure.run_until(at("10:00:42"))
    assert closed_pools(azure) == {OWN.lower()}
    azure.run_until(at("10:02"))
    assert machine.running_at is not None
    assert (machine.size, closed_pools(azure)) == (OWNERS, {OWN.lower()})


def test_a_price_that_was_too_high_for_one_size_holds_up_no_other(new_azure: NewAzure) -> None:
    """Azure refuses the price of its size; its owner has given it a cheaper one: no hour's pause."""
    azure = new_azure()
    machine = add(azure, max_price=0.05)
    azure.world.evict("render-1")
    azure.world.fail_next_start("render-1", "SpotPriceGreaterThanProvidedMaxPrice", "The max price is too low.")
    azure.run_until(at("10:00:37"))
    give(azure, machine, "Standard_D2s_v5")
    azure.run_until(at("10:02"))
    assert machine.running_at is not None


def test_what_is_no_matter_of_the_size_keeps_its_pause(new_azure: NewAzure) -> None:
    """Azure refuses the start for a lock: another size does not help."""
    azure = new_azure()
    machine = add(azure)
    azure.world.evict("render-1")
    azure.world.fail_next_start("render-1", "ScopeLocked", "The scope is locked.")
    azure.run_until(at("10:00:37"))
    give(azure, machine, OWNERS)
    azure.run_until(at("10:30"))
    assert machine.running_at is None


def test_a_start_that_an_earlier_release_asked_for_is_held_against_the_size_that_is_there(new_azure: NewAzure) -> None:
    """Its row does not say with which size."""
    azure = new_azure()
    add(azure)
    without_capacity(azure, OWN)
    azure.world.evict("render-1")
    azure.run_until(at("10:00:37"))
    row = azure.recovery()
    assert row.attempt is not None
    store = azure.ports().store
    etag = azure.row()[1]
    azure.do(store.save(replace(row, attempt=replace(row.attempt, size="")), etag))
    azure.run_until(at("10:00:42"))
    assert closed_pools(azure) == {OWN.lower()}


def test_a_size_that_its_owner_gives_meanwhile_stays(new_azure: NewAzure) -> None:
    """As the app's request for another size is on its way, its owner gives it one himself: ARM refuses the app's."""
    azure = laptop(new_azure)
    machine = add(azure)
    without_capacity(azure, OWN)
    azure.script.next(RequestKind.VM_RESIZE, meanwhile=lambda: give(azure, machine, OWNERS))
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    assert machine.running_at is not None
    assert resizes(azure) == [(OWNERS, "deallocated")]


def test_the_same_size_given_by_its_owner_meanwhile_is_its_first_one(new_azure: NewAzure) -> None:
    """He gives it the very size that the app asks for, and ARM refuses the app's request: it is his choice."""
    azure = laptop(new_azure)
    machine = add(azure)
    without_capacity(azure, OWN)
    azure.script.next(RequestKind.VM_RESIZE, meanwhile=lambda: give(azure, machine, OTHER))
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    assert machine.running_at is not None
    with_capacity(azure, OWN)
    azure.world.evict("render-1")
    azure.run_until(at("10:20"))
    assert machine.running_at is not None
    assert (machine.size, resizes(azure)) == (OTHER, [(OTHER, "deallocated")])
