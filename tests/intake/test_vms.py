"""A VM's id, its power state and its tags, in all the spellings that Azure uses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_responder.intake.vms import Annotation, NotAVmIdError, PowerState, Vm, VmId, says_true
from tests.harness.makers import TEN, VM_ID, spot_vm

TEXT = "/subscriptions/S-1/resourceGroups/rg-Batch/providers/Microsoft.Compute/virtualMachines/Render-1"


def test_an_id_is_written_as_it_was_read() -> None:
    """The casing of names is kept, since operators look for it."""
    vm_id = VmId.parse(TEXT)
    assert (vm_id.subscription_id, vm_id.resource_group, vm_id.name) == ("S-1", "rg-Batch", "Render-1")
    assert str(vm_id) == TEXT


@pytest.mark.parametrize(
    "text",
    [
        TEXT.lower(),
        TEXT.upper(),
        f"  {TEXT}/ ",
        f"{TEXT}/providers/Microsoft.ResourceHealth/AvailabilityStatuses/current",
        f"{TEXT}/extensions/agent",
    ],
)
def test_an_id_is_the_same_in_any_spelling(text: str) -> None:
    """Resource Graph, ARM and the events spell it differently; what hangs below the VM is the VM."""
    assert VmId.parse(text) == VmId.parse(TEXT)
    assert hash(VmId.parse(text)) == hash(VmId.parse(TEXT))
    assert VmId.parse(text).key == TEXT.lower()


def test_other_vms_are_others() -> None:
    """The same name in another resource group is another VM."""
    assert VmId.parse(TEXT) != VmId.parse(TEXT.replace("rg-Batch", "rg-web"))
    assert VmId.parse(TEXT) != VmId.parse(f"{TEXT}0")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Render-1",
        TEXT.removeprefix("/"),
        TEXT.rpartition("/")[0],
        TEXT.replace("S-1", ""),
        TEXT.replace("Microsoft.Compute", "Microsoft.ClassicCompute"),
        TEXT.replace("Render-1", "it's"),
        TEXT.replace("Render-1", 'a"b'),
        TEXT.replace("Render-1", "a\\b"),
        TEXT.replace("Render-1", "a?b"),
        TEXT.replace("Render-1", "a#b"),
        TEXT.replace("Render-1", "a%2Fb"),
        TEXT.replace("Render-1", "a\nb"),
        TEXT.replace("Render-1", "a\x85b"),
        TEXT.replace("Render-1", "a\u2028b"),
        TEXT.replace("Render-1", "\u212aing"),  # the sign for Kelvin, whose lower case is a plain k
        TEXT.replace("rg-Batch", "rg-Batc\u212a"),
        TEXT.replace("Render-1", ".."),
        TEXT.replace("rg-Batch", "."),
        TEXT.replace("Render-1", "x" * 129),
    ],
)
def test_what_is_no_vm_is_refused(text: str) -> None:
    """Another provider, or a name that could break a query, a key, a path or a log line."""
    with pytest.raises(NotAVmIdError, match="not the id of a virtual machine: "):
        VmId.parse(text)


INSTANCE = TEXT.replace("virtualMachines/Render-1", "virtualMachineScaleSets/Workers/virtualMachines/7")


def test_an_instance_of_a_uniform_scale_set_is_refused_with_its_reason() -> None:
    """The app does not handle them yet."""
    with pytest.raises(NotAVmIdError, match="an instance of a Uniform scale set, which the app does not handle yet: "):
        VmId.parse(INSTANCE)


def test_a_row_can_name_an_instance_of_a_scale_set() -> None:
    """It is no stand-alone VM of that name, nor an instance of another set."""
    kept = VmId.parse_kept(INSTANCE.upper())
    assert (kept.scale_set, kept.name) == ("WORKERS", "7")
    assert kept == VmId.parse_kept(INSTANCE)
    assert str(VmId.parse_kept(INSTANCE)) == INSTANCE
    assert kept != VmId.parse(TEXT.replace("Render-1", "7"))
    assert kept != VmId.parse_kept(INSTANCE.replace("Workers", "Others"))


@pytest.mark.parametrize("name", ["世-1", "FORMACIÓN", "straße", "Ω_2.b"])
def test_a_name_in_any_script_is_a_name(name: str) -> None:
    """Azure lets a resource group be called so, and the VM in it is covered like any other."""
    vm_id = VmId.parse(TEXT.replace("rg-Batch", name))
    assert vm_id.resource_group == name
    assert vm_id.key == TEXT.replace("rg-Batch", name).lower()


def test_a_refusal_quotes_no_more_than_the_beginning() -> None:
    """A message of a megabyte makes no log line of a megabyte."""
    with pytest.raises(NotAVmIdError) as refusal:
        VmId.parse("x" * 10_000)
    assert len(str(refusal.value)) < 400


@given(st.text())
def test_whatever_is_read_as_an_id_is_read_back_alike(name: str) -> None:
    """What is taken as a name is written and read again as the same name."""
    try:
        vm_id = VmId.parse(TEXT.replace("Render-1", name))
    except NotAVmIdError:
        return
    assert VmId.parse(str(vm_id)) == vm_id


@pytest.mark.parametrize("state", PowerState)
def test_every_power_state_is_read(state: PowerState) -> None:
    """With its prefix, without it, in any casing."""
    assert PowerState.parse(f"PowerState/{state}") is state
    assert PowerState.parse(f"powerstate/{state.upper()}") is state
    assert PowerState.parse(state.title()) is state


@pytest.mark.parametrize("code", [None, "", "PowerState/", "PowerState/hibernated", "ProvisioningState/failed/Code"])
def test_a_power_state_that_is_left_out_or_new_is_unknown(code: str | None) -> None:
    """Azure may leave it out, and may think of others."""
    assert PowerState.parse(code) is PowerState.UNKNOWN


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"AttemptRestartAfterEviction": "true"}, True),
        ({"ATTEMPTRESTARTAFTEREVICTION": "True"}, True),
        ({"other": "false", "attemptrestartaftereviction": "TRUE"}, True),
        ({"AttemptRestartAfterEviction": "false"}, False),
        ({"AttemptRestartAfterEviction": ""}, False),
        ({"AttemptRestartAfterEviction": "yes"}, False),
        ({"AttemptRestartAfterEvictions": "true"}, False),
        ({"true": "AttemptRestartAfterEviction"}, False),
        ({}, False),
    ],
)
def test_a_tag_counts_in_any_casing_and_with_no_other_word(tags: dict[str, str], *, expected: bool) -> None:
    """A near miss is no consent."""
    assert says_true(tags, "AttemptRestartAfterEviction") is expected


def vm(priority: str = "Spot", power_state: PowerState = PowerState.RUNNING, **more: object) -> Vm:
    """Make a VM as ARM tells it."""
    return Vm(VM_ID, "westeurope", "Standard_D2s_v5", priority, {}, power_state, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("priority", "is_spot"),
    [("Spot", True), ("LOW", True), ("spotplus", True), ("Regular", False), ("", False), ("NotSpot", False)],
)
def test_all_names_of_spot_are_known(priority: str, *, is_spot: bool) -> None:
    """The old name, the usual one and the one of 2026."""
    assert vm(priority).is_spot is is_spot


def test_what_arm_says_now_outranks_what_the_graph_said() -> None:
    """But only the graph knows the annotation, and what the scale set does."""
    annotation = Annotation("VirtualMachinePreempted", TEN)
    known = vm(annotation=annotation, scale_set_id="/s", restored_by_scale_set=True)
    current = spot_vm()
    assert known.with_current(current) == Vm(
        vm_id=VM_ID,
        location="westeurope",
        size="Standard_D2s_v5",
        priority="Spot",
        tags={"AttemptRestartAfterEviction": "true"},
        power_state=PowerState.DEALLOCATED,
        annotation=annotation,
        scale_set_id="/s",
        restored_by_scale_set=True,
    )


def test_a_scale_set_that_arm_knows_outranks_the_graphs() -> None:
    """The VM was attached to another one meanwhile."""
    assert vm(scale_set_id="/old").with_current(vm(scale_set_id="/new")).scale_set_id == "/new"
