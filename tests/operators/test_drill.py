"""What a drill makes of a VM's row, and when it is not worth an eviction."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from spot_responder.advised_command import CommandLine
from spot_responder.decisions.outcomes import Outcome
from spot_responder.intake.vms import VmId
from spot_responder.operators.act import hold
from spot_responder.operators.gather import gather_explanation
from spot_responder.operators.views.drill import Drilled, DrillState, observed, why_not_drilled
from tests.harness.makers import TEN, VM_ID, accepted, at, recovery

if TYPE_CHECKING:
    from tests.harness.stories import NewAzure, StoryAzure

BEFORE = Drilled(VM_ID, TEN, "the-case-before")


def test_a_recovery_from_before_the_drill_says_nothing_of_it() -> None:
    """Told by its id: clocks differ."""
    assert observed(BEFORE, None) == BEFORE
    assert observed(BEFORE, replace(recovery(), recovery_id="the-case-before")) == BEFORE


def test_a_drill_goes_from_stage_to_stage() -> None:
    """Told, a start asked for, back."""
    told = observed(BEFORE, recovery(at("10:01")))
    assert (told.state, told.evicted_at, told.is_over) == (DrillState.TOLD, at("10:01"), False)
    starting = observed(told, accepted("10:01:10"))
    assert (starting.state, starting.start_asked_at, starting.start_requests) == (
        DrillState.STARTING,
        at("10:01:10"),
        1,
    )
    back = observed(starting, accepted("10:01:30").closed(Outcome.RESTORED, at("10:02"), "it runs again"))
    assert (back.state, back.passed, back.is_over, back.back_at) == (DrillState.BACK, True, True, at("10:02"))
    assert back.start_asked_at == at("10:01:10")


def test_a_recovery_that_ended_otherwise_is_a_failed_drill() -> None:
    """Its owner stopped it, for instance."""
    ended = observed(BEFORE, recovery().closed(Outcome.STOPPED_BY_OWNER, at("10:02"), "its owner stopped it"))
    assert (ended.state, ended.passed, ended.is_over, ended.back_at) == (DrillState.ENDED_OTHERWISE, False, True, None)


def why_not(azure: StoryAzure, name: str = "render-1") -> str:
    """Say why a drill of a VM would prove nothing."""
    vm_id = VmId.parse(azure.world.machine(name).vm_id)
    return why_not_drilled(
        [azure.do(gather_explanation(vm_id, azure.ports(), azure.settings, azure.now))], CommandLine()
    )


def test_a_covered_vm_that_runs_is_drilled(new_azure: NewAzure) -> None:
    """Nothing stands against it."""
    azure = new_azure()
    azure.add_vm()
    assert why_not(azure) == ""


def test_in_a_dry_run_nothing_would_come_back(new_azure: NewAzure) -> None:
    """The app would start nothing."""
    azure = new_azure(dry_run=True)
    azure.add_vm()
    assert why_not(azure) == "DRY_RUN is true: the app would start nothing"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"tags": {}}, "render-1 is not covered: its owner did not ask for it"),
        ({"priority": "Regular"}, "render-1 is not covered: not a Spot VM"),
        ({"power_state": "deallocated"}, "render-1 does not run, so Azure cannot evict it: it is deallocated"),
    ],
)
def test_a_vm_that_would_not_come_back_is_not_evicted(new_azure: NewAzure, fields: dict[str, Any], told: str) -> None:
    """Not covered, or not running."""
    azure = new_azure()
    azure.add_vm(**fields)
    assert why_not(azure).startswith(told)


def test_a_vm_that_is_gone_held_or_busy_is_not_evicted(new_azure: NewAzure) -> None:
    """Each with what to do instead."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.do(hold(azure.ports().store, VmId.parse(vm.vm_id), azure.now, lambda: "hold-1"))
    assert why_not(azure) == "render-1 is held: .venv/bin/spot-responder release render-1"
    azure.add_vm("busy-1")
    azure.world.evict("busy-1")
    azure.run_until(at("10:00:20"))
    assert why_not(azure, "busy-1") == "busy-1 is being recovered already: .venv/bin/spot-responder explain busy-1"
    azure.add_vm("gone-1")
    azure.world.delete("gone-1")
    assert why_not(azure, "gone-1") == "gone-1: Azure has no such VM, or does not show it to you"
