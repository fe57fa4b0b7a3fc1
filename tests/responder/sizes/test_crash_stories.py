"""A process that dies at any request of a change of size; two workers at once; a clock that is wrong."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest

from localazure.virtual.wire import Fate, RequestKind
from spot_responder.decisions.policy import Policy
from tests.harness.makers import at
from tests.harness.stories import DEATH_AFTER, DEATH_BEFORE, TAG, preempted, starts
from tests.responder.sizes.test_fallback_stories import OTHER, OWN, THIRD, add, laptop, resizes, without_capacity

if TYPE_CHECKING:
    from localazure.world.machines import Machine
    from tests.harness.stories import NewAzure, StoryAzure

STEPS = (
    RequestKind.ROW_READ,
    RequestKind.ROW_WRITE,
    RequestKind.QUEUE_PUT,
    RequestKind.OFFERINGS,
    RequestKind.VM_RESIZE,
    RequestKind.VM_START,
)


def evicted(azure: StoryAzure) -> Machine:
    """Let a VM be evicted while its own size is out."""
    machine = add(azure)
    without_capacity(azure, OWN)
    azure.world.evict("render-1")
    return machine


@pytest.mark.parametrize("death", [DEATH_BEFORE, DEATH_AFTER], ids=["before", "after"])
@pytest.mark.parametrize("kind", STEPS, ids=str)
def test_a_crash_at_any_request_is_harmless(new_azure: NewAzure, kind: RequestKind, death: Fate) -> None:
    """The first of its kind, the second, and so on: it comes back as the size that is free, with few requests."""
    for number in range(1, 50):
        azure, died = laptop(new_azure), list[int]()
        if number > 1:
            azure.script.next(kind, times=number - 1)
        azure.script.next(kind, death, meanwhile=partial(died.append, number))
        machine = evicted(azure)
        azure.run_until(at("10:04"))
        if not died:
            assert number > 1, "such a request comes at least once"
            return
        azure.run_until(at("10:40"))
        assert machine.running_at is not None, number
        assert machine.size == OTHER, number
        assert {state for _, state in resizes(azure)} == {"deallocated"}, number
        assert len(resizes(azure)) <= 2, number
        assert len(starts(azure)) <= 3, number
    pytest.fail("it has come back long since")


def test_two_workers_change_it_once(new_azure: NewAzure) -> None:
    """The same news three times, answered at the same time: the row is saved by one of them."""
    azure = laptop(new_azure)
    machine = add(azure)
    without_capacity(azure, OWN)
    azure.world.evict("render-1")
    azure.script.next(RequestKind.VM_READ, Fate(3.0), times=20)
    for _ in range(3):
        azure.put(preempted("render-1"))
    azure.run_until(at("10:20"))
    assert machine.running_at is not None
    assert resizes(azure) == [(OTHER, "deallocated")]


@pytest.mark.parametrize("minutes", [-3, 3])
def test_a_wrong_clock_changes_no_more(new_azure: NewAzure, minutes: int) -> None:
    """What is asked for rests on how long ago the look was, by one and the same clock."""
    azure = new_azure(Policy(resizes=True), clock_error=timedelta(minutes=minutes))
    machine = evicted(azure)
    azure.run_until(at("10:20"))
    assert machine.running_at is not None
    assert resizes(azure) == [(OTHER, "deallocated")]


@pytest.mark.parametrize("fate", [DEATH_BEFORE, Fate(0.0, arrives=False)], ids=["a crash", "a lost request"])
@pytest.mark.parametrize("named", [THIRD, "Standard_E4s_v5"])
def test_a_size_that_was_taken_off_the_tag_meanwhile_is_not_asked_for_again(
    new_azure: NewAzure, fate: Fate, named: str
) -> None:
    """The request for it never arrived. What the tag names now is asked for, and nothing else."""
    azure = laptop(new_azure)
    retagged = partial(azure.world.retag, "render-1", {**TAG, "SpotFallbackSizes": named})
    azure.script.next(RequestKind.VM_RESIZE, fate, meanwhile=retagged)
    machine = evicted(azure)
    azure.run_until(at("10:12"))
    assert {size for size, _ in resizes(azure)} == {named}
    assert machine.running_at is not None
