"""Tags that somebody meant as ours: found, told in one sentence, and never taken for ours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_responder.intake.vms import says_true
from spot_responder.operators.views.tag_typos import tag_command, tag_typos
from tests.harness.makers import VM_ID

TAG = "AttemptRestartAfterEviction"


@pytest.mark.parametrize(
    "value",
    [
        "yes",
        "Yes",
        "1",
        "on",
        "y",
        "enabled",
        " true",
        "true ",
        '"true"',
        "\u201ctrue\u201d",
        "",
        "ture",
        "treu",
        "tru",
        "truee",
        "'yes'",
    ],
)
def test_a_value_that_was_meant_as_true(value: str) -> None:
    """Typed by hand, pasted with quotes, or as another tool writes it."""
    (miss,) = tag_typos({TAG: value}, TAG)
    assert miss.what.startswith(f"it has {TAG}={value!r}, ")
    assert miss.what.endswith(" (only 'true' counts)")
    assert not says_true({TAG: value}, TAG)


@pytest.mark.parametrize("value", ["false", "no", "0", "off", "never", "weekdays", "team-a", "2026-01-01"])
def test_an_owners_no_is_no_mistake(value: str) -> None:
    """The README says: anything else leaves the VM alone."""
    assert tag_typos({TAG: value}, TAG) == ()


@pytest.mark.parametrize("value", ["true", "True", "TRUE", "tRuE"])
@pytest.mark.parametrize("name", [TAG, TAG.lower(), TAG.upper()])
def test_any_casing_is_right(name: str, value: str) -> None:
    """Azure compares names without regard to case; True is what PowerShell writes."""
    assert tag_typos({name: value}, TAG) == ()
    assert says_true({name: value}, TAG)


@pytest.mark.parametrize(
    "name",
    [
        "AttemptRestartAfterEvicton",
        "AttemptRestartAfterEvictions",
        "AttemptRestartsAfterEviction",
        "AtemptRestartAfterEviction",
        "AttemptRestart-AfterEviction",
        "attempt_restart_after_eviction",
        "Attempt Restart After Eviction",
        "RestartAfterEviction",
        "AttemptRestartOnEviction",
    ],
)
def test_a_name_with_a_slip(name: str) -> None:
    """A letter wrong, missing or too many; blanks and dashes between the words."""
    (miss,) = tag_typos({name: "true"}, TAG)
    assert miss.what == f"it has a tag {name!r}, which is not {TAG}"


@pytest.mark.parametrize("name", ["team", "Eviction", "AttemptNothing", "restart", "AutoShutdown", "hidden-link", ""])
def test_another_tag_is_no_slip(name: str) -> None:
    """VMs carry many tags."""
    assert tag_typos({name: "true"}, TAG) == ()


def test_a_slip_with_a_no_is_left_alone() -> None:
    """Whoever wrote false does not want a restart."""
    assert tag_typos({"AttemptRestartAfterEvicton": "false"}, TAG) == ()


@given(st.dictionaries(st.text(max_size=40), st.text(max_size=20), max_size=5))
def test_whatever_the_tags_a_near_miss_never_says_true(tags: dict[str, str]) -> None:
    """What is ours is no near miss, and what is a near miss is not ours."""
    for miss in tag_typos(tags, TAG):
        assert not says_true({miss.name: miss.value}, TAG)


def test_the_command_that_mends_it_sets_the_tag_and_keeps_the_others() -> None:
    """Merge, not Replace."""
    assert tag_command(VM_ID, TAG) == (
        f"az tag update --operation Merge --resource-id {VM_ID} --tags AttemptRestartAfterEviction=true"
    )
