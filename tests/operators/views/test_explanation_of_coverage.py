"""What ``explain`` says of a VM that the app does not cover: why, and what would change it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from spot_responder.decisions.policy import Policy, RestartWhen
from tests.harness.makers import at
from tests.operators.views.explained import explained, no_capacity

if TYPE_CHECKING:
    from tests.harness.stories import NewAzure


def test_scenario_5_without_the_tag(new_azure: NewAzure) -> None:
    """Not covered, and the reason."""
    azure = new_azure()
    azure.add_vm(tags={"team": "render"})
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    said = explained(azure)
    assert said.headline == (
        "render-1 is down, evicted by Azure, and is not covered: "
        "its owner did not ask for it: no tag AttemptRestartAfterEviction=true"
    )
    assert (said.covered, said.tag_typos, said.needs_you) == (False, (), False)
    assert said.next.what == "nothing: the app leaves it alone"
    tag = f"az tag update --operation Merge --resource-id {said.vm_id} --tags AttemptRestartAfterEviction=true"
    assert said.advice == (f"if its owner wants it restarted: {tag}",)


def test_scenario_5_not_spot(new_azure: NewAzure) -> None:
    """Azure does not evict it, and no tag would change that."""
    azure = new_azure()
    azure.add_vm(priority="Regular", tags={})
    said = explained(azure)
    assert said.headline == "render-1 runs, and is not covered: not a Spot VM (priority Regular)"
    assert said.advice == ()


def test_a_scale_set_that_restores_its_vms(new_azure: NewAzure) -> None:
    """It is the scale set's business, and which one."""
    azure = new_azure()
    scale_set = azure.world.add_scale_set("workers", restore_policy=True)
    azure.add_vm(scale_set_id=scale_set)
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    said = explained(azure)
    assert not said.covered
    assert said.why_not == f"its scale set restores it by itself (spotRestorePolicy of {scale_set})"
    assert said.tag_typos == ()


def test_only_evictions_are_answered_where_evidence_is_demanded(new_azure: NewAzure) -> None:
    """RESTART_WHEN=evicted, and nobody told why it is down."""
    azure = new_azure(Policy(restart_when=RestartWhen.EVICTED))
    azure.add_vm(power_state="deallocated")
    said = explained(azure)
    assert said.headline == (
        "render-1 is down, nobody told why: nothing says that it was evicted, and RESTART_WHEN=evicted"
    )


def test_an_opt_out_during_a_recovery(new_azure: NewAzure) -> None:
    """The tag was taken off while it waits: the recovery ends at its next look."""
    azure = new_azure()
    no_capacity(azure, "10:10")
    azure.world.retag("render-1", {})
    said = explained(azure)
    assert not said.covered
    assert said.next.what == "the recovery is closed at its next look: opted-out"


def test_a_tag_that_the_graph_does_not_know_yet(new_azure: NewAzure) -> None:
    """Tagged a minute ago: ARM knows, and is asked."""
    azure = new_azure()
    azure.script.lag = timedelta(minutes=5)
    azure.add_vm(tags={})
    azure.run_until(at("10:01"))
    azure.world.retag("render-1", {"AttemptRestartAfterEviction": "true"})
    assert explained(azure).covered


@pytest.mark.parametrize(
    ("tags", "what"),
    [
        (
            {"AttemptRestartAfterEviction": "yes"},
            "it has AttemptRestartAfterEviction='yes', which was surely meant as true (only 'true' counts)",
        ),
        ({"AttemptRestartAfterEvicton": "true"}, "it has a tag 'AttemptRestartAfterEvicton', which is not Attempt"),
    ],
)
def test_a_near_miss_is_told_with_the_command_that_mends_it(
    new_azure: NewAzure, tags: dict[str, str], what: str
) -> None:
    """Not covered, and somebody surely wanted it to be."""
    azure = new_azure()
    azure.add_vm(tags=tags)
    said = explained(azure)
    assert f"; but {what}" in said.headline
    assert said.needs_you
    (command,) = said.advice
    assert command.startswith("if its owner wants it restarted: az tag update --operation Merge --resource-id /sub")
    assert command.endswith("--tags AttemptRestartAfterEviction=true")


def test_the_name_of_the_tag_in_another_casing_is_fine(new_azure: NewAzure) -> None:
    """Azure compares it without regard to case, and so do we."""
    azure = new_azure()
    azure.add_vm(tags={"ATTEMPTRESTARTAFTEREVICTION": "TRUE"})
    said = explained(azure)
    assert (said.covered, said.tag_typos) == (True, ())
