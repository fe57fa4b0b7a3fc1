"""Whatever is put on the queue: no crash, no start, the right place, nobody kept waiting. A small ``make fuzz``."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from random import Random

import pytest

from localazure.world.world import SUBSCRIPTION
from soak.responder.fuzz import CASES_AT_ONCE, answered_behind, fuzz
from soak.responder.mutations import Mutator, read_payloads
from spot_responder.intake.events import read_event
from spot_responder.intake.payloads import UnreadableEvent, parse_body
from spot_responder.intake.signals import Signal, SignalKind

WORLDS = 10
NOBODY = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/nobody"


def test_no_message_crashes_the_app_starts_a_vm_or_goes_astray() -> None:
    """Some hundred mutated events and pieces of rubbish; among them signals of every kind, and poison."""
    worlds = [fuzz(seed) for seed in range(WORLDS)]
    assert [line for world in worlds for line in world.broken] == []
    assert sum(world.starts for world in worlds) == 0
    assert sum(world.cases for world in worlds) == WORLDS * CASES_AT_ONCE
    read: Counter[str] = Counter()
    for world in worlds:
        read += world.read
    assert {str(kind) for kind in SignalKind} <= set(read)
    assert sum(world.poison for world in worlds) > WORLDS


def test_many_messages_at_once_about_one_vm_end_where_they_belong() -> None:
    """In this world six workers and more change one row at once, and one of them loses each time."""
    assert fuzz(57819986).broken == []


@pytest.mark.parametrize("seed", range(2))
def test_foreign_and_giant_messages_delay_nothing(seed: int) -> None:
    """An eviction behind hundreds of them is answered as soon as alone: its event's second, a poll, and a look."""
    foreign = ["not JSON", "{}", '{"type": "com.example.order", "source": "/orders", "id": "1"}', "[" * 50_000]
    giants = [body for body in giants_about_nobody(seed) if not is_signal(body)]
    assert len(giants) > 20
    soon = timedelta(seconds=4)
    assert answered_behind([], seed) < soon
    assert answered_behind([*(100 * foreign), *giants], seed) < soon


def test_events_of_a_vm_that_does_not_exist_delay_by_their_looks_only() -> None:
    """Each is looked into, and looks are paced as Azure wants it: a hundred giants cost the eviction some seconds."""
    giants = [body for seed in range(3) for body in giants_about_nobody(seed) if is_signal(body)]
    assert answered_behind(giants[:100], 0) < timedelta(seconds=20)


def giants_about_nobody(seed: int) -> list[str]:
    """Make a hundred messages of 60 KB and more, about a VM that does not exist."""
    chance = Random(seed)  # noqa: S311 - no secret
    mutator = Mutator(chance, [NOBODY], "2026-03-02T", read_payloads())
    return [mutator.giant() for _ in range(100)]


def is_signal(body: str) -> bool:
    """Whether it is a sound word about a VM."""
    try:
        return isinstance(read_event(parse_body(body)), Signal)
    except UnreadableEvent:
        return False
