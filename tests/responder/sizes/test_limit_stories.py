"""How often a VM is changed while its sizes are out, and what an operator is told of that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spot_responder.decisions.policy import Policy
from tests.harness.makers import at
from tests.harness.stories import TAG, starts
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

FIVE = (OTHER, THIRD, "Standard_D8s_v5", "Standard_E4s_v5", "Standard_E2s_v5")


def test_the_fifth_size_of_a_tag_is_tried_within_minutes(new_azure: NewAzure) -> None:
    """Its own and the first four are out; nobody goes home before the fifth was tried."""
    azure = laptop(new_azure)
    machine = add(azure, tags={**TAG, "SpotFallbackSizes": ",".join(FIVE)})
    without_capacity(azure, OWN, *FIVE[:4])
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    assert [size for size, _ in resizes(azure)] == list(FIVE)
    assert machine.running_at is not None
    assert len(starts(azure)) == 6


def test_when_all_five_are_out_it_is_home_within_the_next_hour(new_azure: NewAzure) -> None:
    """All are tried once, and the budget leaves no more; then its own has capacity again."""
    azure = laptop(new_azure)
    machine = add(azure, tags={**TAG, "SpotFallbackSizes": ",".join(FIVE)})
    without_capacity(azure, OWN, *FIVE)
    azure.world.evict("render-1")
    azure.run_until(at("10:55"))
    assert len(starts(azure)) + len(resizes(azure)) <= 12
    with_capacity(azure, OWN)
    azure.run_until(at("11:30"))
    assert machine.running_at is not None
    assert machine.size == OWN


def test_the_budget_counts_starts_and_changes_of_size(new_azure: NewAzure) -> None:
    """And its reason tells how many there were of each."""
    azure = new_azure(Policy(resizes=True, starts_per_hour=5))
    add(azure)
    without_capacity(azure, OWN, OTHER, THIRD)
    azure.world.evict("render-1")
    azure.run_until(at("10:20"))
    assert "its budget: 3 start requests and 2 changes of its size within an hour" in azure.recovery().reason
