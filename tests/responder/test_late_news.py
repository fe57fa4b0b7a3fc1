"""What is told late, out of order or by another clock: our own starts are known again, and what is over stays over."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from localazure.world.happenings import ActionSucceeded, Annotated, AvailabilityChanged
from localazure.world.vm_lifecycle import DEALLOCATE
from spot_responder.decisions.outcomes import Outcome
from spot_responder.decisions.policy import Policy, RestartWhen
from tests.harness.makers import TEN, at
from tests.harness.stories import annotated, outcomes, starts

if TYPE_CHECKING:
    from datetime import datetime

    from localazure.world.happenings import Happening
    from tests.harness.stories import NewAzure, StoryAzure

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


def is_of_a_deallocation(happening: Happening) -> bool:
    """Whether it tells that a VM is going down, by whatever name."""
    return "eallocat" in repr(happening)


def firm_stop(azure: StoryAzure, when: datetime) -> ActionSucceeded:
    """Make the ARM event of an owner's stop."""
    return ActionSucceeded(azure.world.machine("render-1").vm_id, when, DEALLOCATE, "owner@example.com")


@pytest.mark.parametrize("fast_by", [0 * SECOND, 2 * SECOND, 60 * SECOND], ids=str)
def test_an_owners_stop_of_seconds_before_our_start_holds_whatever_our_clock_says(
    fast_by: timedelta, new_azure: NewAzure
) -> None:
    """Stopped 2 s before our second start, told 30 s after it: that our start began, as Azure says, ends no stop."""

    def story() -> StoryAzure:
        azure = new_azure(clock_error=fast_by)
        azure.add_vm()
        azure.world.set_capacity(azure.pool_key(), 0)
        azure.world.evict("render-1")
        return azure

    rehearsal = story()
    while len(starts(rehearsal)) < 2:
        rehearsal.run_until(rehearsal.now + SECOND)
    second_start = rehearsal.world.machine("render-1").start_calls[1].at
    azure = story()
    azure.run_until(second_start - 2 * SECOND)
    azure.script.lost = is_of_a_deallocation
    azure.world.stop_by_owner("render-1")
    azure.run_until(second_start + 30 * SECOND)
    azure.tell(firm_stop(azure, second_start - 2 * SECOND))
    azure.run_until(at("11:00"))
    assert len(starts(azure)) == 2
    assert outcomes(azure) == [Outcome.STOPPED_BY_OWNER]


def test_news_of_our_first_start_that_comes_after_our_second_is_still_of_ours(new_azure: NewAzure) -> None:
    """Asked at 10:00:16 and 10:01:39; at 10:02:30 come the word of the first, and an owner's stop of 10:00:13."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.world.set_capacity(azure.pool_key(), 0)
    late: list[Happening] = []

    def is_held_back(happening: Happening) -> bool:
        if isinstance(happening, Annotated) and "StartInitiated" in happening.annotation:
            late.append(happening)
            return True
        return False

    azure.script.lost = is_held_back
    azure.world.evict("render-1")
    azure.run_until(at("10:02:30"))
    azure.tell(late[0])
    azure.run_until(azure.now + SECOND)
    azure.tell(firm_stop(azure, vm.start_calls[0].at - 3 * SECOND))
    azure.run_until(at("11:00"))
    assert len(starts(azure)) == 2
    assert outcomes(azure) == [Outcome.STOPPED_BY_OWNER]


def test_the_eviction_that_a_start_answers_is_no_new_one_though_our_clock_is_behind(new_azure: NewAzure) -> None:
    """Evicted at 10:00:00, asked at 10:00:16, which is 9:59:46 by our clock; it runs at 10:00:36."""
    azure = new_azure(clock_error=-30 * SECOND)
    azure.add_vm()
    azure.world.evict("render-1")
    azure.run_until(at("10:02"))
    assert outcomes(azure) == [Outcome.RESTORED]
    assert len(starts(azure)) == 1


@pytest.mark.parametrize("restart_when", list(RestartWhen))
def test_an_eviction_that_is_told_late_does_not_outlive_the_run_that_followed(
    restart_when: RestartWhen, new_azure: NewAzure
) -> None:
    """Told at 10:07 of an eviction at 10:00, and it runs again; stopped by its owner at 11:00, told 40 s later."""
    azure = new_azure(Policy(restart_when=restart_when))
    vm = azure.add_vm()
    azure.script.lag = 2 * MINUTE
    azure.script.lost = lambda happening: not isinstance(happening, AvailabilityChanged)
    azure.world.evict("render-1")
    if restart_when is RestartWhen.EVICTED:
        azure.run_until(at("10:01"))
        azure.world.start(vm, caller="owner@example.com")
    azure.run_until(at("10:07"))
    assert vm.power_state == "running"
    azure.put(annotated("render-1", "VirtualMachinePreempted", TEN))
    azure.run_until(at("11:00"))
    before = len(starts(azure))
    azure.world.stop_by_owner("render-1")
    azure.run_until(at("11:00:40"))
    azure.tell(firm_stop(azure, at("11:00:01")))
    azure.run_until(at("12:00"))
    assert len(starts(azure)) == before


@pytest.mark.parametrize("told_by", ["arm", "annotation"])
def test_an_owners_stop_that_is_told_after_its_owner_started_the_vm_again_is_over(
    told_by: str, new_azure: NewAzure
) -> None:
    """Stopped at 10:05, started at 10:10, told of the stop only at 10:30; at 10:40 it goes down, nobody says why."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.run_until(at("10:05"))
    azure.script.lost = lambda _: True
    azure.world.stop_by_owner("render-1")
    azure.run_until(at("10:10"))
    azure.world.start(vm, caller="owner@example.com")
    azure.run_until(at("10:30"))
    vm.become(azure.now, annotation=None)
    if told_by == "arm":
        azure.tell(firm_stop(azure, at("10:05:05")))
    else:
        azure.put(annotated("render-1", "VirtualMachineDeallocationInitiated", at("10:05:05")))
    azure.run_until(at("10:40"))
    assert vm.power_state == "running"
    azure.world.eviction_annotations = ()
    azure.world.evict("render-1")
    azure.run_until(at("11:10"))
    assert vm.power_state == "running"
    assert len(starts(azure)) == 2  # its owner's, and one of ours


def test_an_owners_stop_holds_though_a_look_still_shows_its_vm_running(new_azure: NewAzure) -> None:
    """Azure's event of 10:05:00 is read at 10:05:01, and the VM is shown as running until 10:05:10."""
    azure = new_azure()
    azure.add_vm()
    azure.run_until(at("10:05:01"))
    azure.tell(firm_stop(azure, at("10:05")))
    azure.run_until(at("10:05:10"))
    azure.script.lost = lambda _: True
    azure.world.eviction_annotations = ()
    azure.world.evict("render-1")
    azure.run_until(at("11:10"))
    assert starts(azure) == []
