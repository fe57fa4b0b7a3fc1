"""When a guest has power, as its VM goes through the moves of the world. In virtual time."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from localazure.guests.guest_power import Power, power_and_boot
from localazure.world.world import OWNER, World
from tests.harness.makers import TEN

if TYPE_CHECKING:
    from collections.abc import Callable

    from localazure.world.machines import Machine


class Story:
    """A world with one Spot VM."""

    def __init__(self, **vm: str) -> None:
        """Begin with it running, unless something else is said."""
        self.world = World(TEN)
        self.vm: Machine = self.world.add_vm("vm-1", **vm)  # type: ignore[arg-type]

    def after(self, seconds: float) -> tuple[Power, int]:
        """Let time pass; say what power there is, and how many boots there were."""
        self.world.advance(self.world.now + timedelta(seconds=seconds))
        return power_and_boot(self.vm)


def test_an_eviction_takes_the_power_at_once() -> None:
    """Nobody is told to shut down; when the VM runs again, it is another boot."""
    story = Story()
    assert story.after(0) == (Power.ON, 1)
    story.world.evict("vm-1")
    assert [story.after(seconds) for seconds in (0, 5, 20)] == [(Power.OFF, 1)] * 3
    story.world.start(story.vm, OWNER)
    assert story.after(0) == (Power.OFF, 1)
    assert story.after(20) == (Power.ON, 2)


@pytest.mark.parametrize(
    "stop",
    [
        lambda story: story.world.stop_by_owner("vm-1"),
        lambda story: story.world.power_off(story.vm, OWNER),
        lambda story: story.world.delete_by_owner(story.vm, OWNER),
    ],
    ids=["deallocated", "powered off", "deleted"],
)
def test_an_owners_stop_is_a_shutdown_first(stop: Callable[[Story], object]) -> None:
    """The guest is told, and has power until the VM is down."""
    story = Story()
    stop(story)
    assert [story.after(seconds) for seconds in (0, 5)] == [(Power.SHUTTING_DOWN, 1)] * 2
    assert story.after(20) == (Power.OFF, 1)


def test_a_restart_is_a_shutdown_and_another_boot() -> None:
    """Though the VM is shown as running all the time."""
    story = Story()
    story.world.restart(story.vm, OWNER)
    assert story.after(0) == (Power.SHUTTING_DOWN, 1)
    assert story.after(20) == (Power.ON, 2)


def test_tags_change_nothing() -> None:
    """Nor does anything else that is written of a VM while it runs."""
    story = Story()
    story.world.retag("vm-1", {"a": "b"})
    story.world.update(story.vm, OWNER, {}, story.vm.size, 0.5)
    assert story.after(60) == (Power.ON, 1)


def test_another_size_restarts_it() -> None:
    """As in Azure, where it is changed while the VM runs (docs/azure-assumptions.md S9)."""
    story = Story()
    story.world.update(story.vm, OWNER, {}, "Standard_D4s_v5", 0.5)
    assert story.after(60) == (Power.ON, 2)


def test_a_vm_that_is_gone_has_no_power() -> None:
    """Whatever it was doing when it went."""
    story = Story()
    story.world.delete("vm-1")
    assert story.after(0) == (Power.OFF, 1)


def test_a_vm_that_was_evicted_once_is_shut_down_by_its_owner_the_next_time() -> None:
    """What counts is how it goes down this time."""
    story = Story()
    story.world.evict("vm-1")
    story.after(60)
    story.world.start(story.vm, OWNER)
    story.after(60)
    story.world.stop_by_owner("vm-1")
    assert [story.after(seconds) for seconds in (0, 5)] == [(Power.SHUTTING_DOWN, 2)] * 2


def test_a_failed_start_is_no_boot() -> None:
    """There was no place for it."""
    story = Story(power_state="deallocated")
    story.world.fail_next_start("vm-1", "AllocationFailed", "no capacity")
    story.world.start(story.vm, OWNER)
    assert story.after(60) == (Power.OFF, 0)
