"""An operator looks: status, plan and explain through the whole, for VMs of any name and any tag."""

from __future__ import annotations

import pytest

from tests.harness.makers import VM_ID
from tests.harness.operators_laptop import OperatorsLaptop, add, command, without_capacity


def test_status_shows_a_vm_that_waits_for_capacity_and_its_pool(azure: OperatorsLaptop) -> None:
    """What is going on: the VM, why, what comes next, and the closed pool."""
    without_capacity(azure, "status-1")
    done = azure.operator("status")
    assert done.err == ""
    (line,) = [line for line in done.out.splitlines() if line.startswith("status-1 ")]
    assert line.split()[1] == "refused"
    assert line.endswith("no capacity for standard_status-1 in westeurope (AllocationFailed)")
    assert "standard_status-1 in westeurope  closed until " in done.out
    assert "event path: works: " in done.out
    assert "\x1b" not in done.out


def test_explain_tells_the_whole_story_of_a_vm(azure: OperatorsLaptop) -> None:
    """By name or by id, in any casing; with Azure's own words."""
    without_capacity(azure, "explain-1")
    by_name = azure.operator("explain", "EXPLAIN-1")
    vm_id = azure.move(lambda laptop: laptop.world.machine("explain-1").vm_id)
    by_id = azure.operator("explain", vm_id, "--json")
    assert by_id.content["headline"] == (
        "explain-1 is down, evicted by Azure: no capacity for standard_explain-1 in westeurope (AllocationFailed)"
    )
    assert (by_name.exit_code, by_id.exit_code) == (0, 0)
    assert "Azure evicted it" in by_name.out
    assert "Azure said: AllocationFailed: Allocation failed. We do not have sufficient capacity" in by_name.out
    assert "a start is asked for again, at " in by_name.out
    assert by_id.content["next"]["at"].endswith("Z")


def test_explain_of_a_vm_that_is_not_covered_names_the_near_miss(azure: OperatorsLaptop) -> None:
    """A tag with yes: why it counts for nothing, the command that mends it, and exit code 1."""
    vm_id = add(azure, "near-1", tags={"AttemptRestartAfterEviction": "yes"})
    done = azure.operator("explain", "near-1")
    assert done.exit_code == 1
    assert "near-1 runs, and is not covered: its owner did not ask for it" in done.out
    assert "it has AttemptRestartAfterEviction='yes', which was surely meant as true (only 'true' counts)" in done.out
    assert f"az tag update --operation Merge --resource-id {vm_id} --tags AttemptRestartAfterEviction=true" in done.out
    plan = azure.operator("plan")
    assert plan.exit_code == 1
    assert "near-1" in plan.out


def test_an_id_that_azure_does_not_know_is_explained_as_such(azure: OperatorsLaptop) -> None:
    """It may be gone, or hidden."""
    done = azure.operator("explain", str(VM_ID))
    assert done.exit_code == 1
    assert "render-1: Azure has no such VM, or does not show it to you" in done.out


ODD_TAGS: list[tuple[dict[str, str], bool]] = [
    ({"AttemptRestartAfterEviction": "true"}, True),
    ({"attemptrestartaftereviction": "TRUE", "env": "prod"}, True),
    ({"AttemptRestartAfterEviction": "yes"}, False),
    ({"AttemptRestartAfterEviction": "true "}, False),
    ({"xAttemptRestartAfterEviction": "true"}, False),
    ({"note": '"AttemptRestartAfterEviction":"true"'}, False),
    ({}, False),
]


def test_status_counts_the_vms_that_are_covered_by_the_rule_of_the_app(azure: OperatorsLaptop) -> None:
    """Each odd spelling of the tag counts in status as the app counts it; a scale set's own VMs and others do not."""
    before = azure.operator("status", "--json").content["coverage"]
    for number, (tags, _) in enumerate(ODD_TAGS):
        add(azure, f"odd-{number}", tags=tags)
    add(azure, "regular-1", priority="Regular")
    after = azure.operator("status", "--json").content["coverage"]
    covered = sum(is_covered for _, is_covered in ODD_TAGS)
    assert after["covered"] - before["covered"] == covered
    assert after["not_covered"] - before["not_covered"] == len(ODD_TAGS) - covered
    told = f"Spot VMs that your login sees: {after['covered']} covered, {after['not_covered']} not"
    assert told in azure.operator("status").out


def test_where_resource_graph_does_not_answer_the_rest_of_status_is_shown(azure: OperatorsLaptop) -> None:
    """How many are covered is then not known, and not guessed."""
    environment = dict(azure.laptop.operator) | {"ARM_ENDPOINT": "https://127.0.0.1:1"}
    done = azure.operator("status", environment=environment)
    assert "Spot VMs that your login sees: could not look (Azure refused to answer queries/coverage.kql" in done.out
    assert "open recoveries" in done.out


def test_the_plan_says_what_a_sweep_would_do_and_does_nothing(azure: OperatorsLaptop) -> None:
    """An eviction that nobody told of, an owner's stop, a VM without the tag."""
    add(azure, "plan-1", power_state="deallocated")
    add(azure, "plan-2", tags={})
    plan = azure.operator("plan", "--json").content
    hands = {hand["vm_id"].rpartition("/")[2]: hand for hand in plan["finds"]}
    assert hands["plan-1"]["found_by"] == "Resource Graph"
    assert (hands["plan-1"]["would"], hands["plan-1"]["reason"]) == (
        "wait",
        "it is down and nothing says why yet: its owner's stop may still be told",
    )
    passed_by = [each["vm_id"].rpartition("/")[2] for each in plan["passed_by"]]
    assert "plan-2" in passed_by
    assert azure.move(lambda laptop: laptop.world.machine("plan-1").start_calls) == []


def test_where_nobody_answers_it_is_said(azure: OperatorsLaptop) -> None:
    """The address is wrong."""
    environment = dict(azure.laptop.operator)
    for name in ("queue", "table"):
        environment[f"AzureWebJobsStorage__{name}ServiceUri"] = "https://127.0.0.1:1/spotresponder"
    done = azure.operator("status", environment=environment)
    assert done.exit_code == 1
    assert done.err.startswith("status: nobody answers at https://127.0.0.1:1: is AzureWebJobsStorage__queueServiceUri")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "value"), [("AZURE_TOKEN_CREDENTIALS", "nonsense"), ("AZURE_AUTHORITY_HOST", "http://plain")]
)
def test_a_variable_of_the_login_that_makes_no_sense_is_said(name: str, value: str, azure: OperatorsLaptop) -> None:
    """In one line, and in JSON where that is asked for."""
    done = azure.operator("status", environment=dict(azure.laptop.operator) | {name: value})
    assert (done.exit_code, done.out, done.err.count("\n")) == (1, "", 1)
    assert done.err.startswith("status: the login's variables make no sense (")


def test_a_zone_that_there_is_not_ends_nothing(azure: OperatorsLaptop) -> None:
    """What was done is told, in UTC."""
    environment = dict(azure.laptop.operator) | {"TZ": "XXX+24"}
    assert "UTC" in command("status", environment=environment, folder=azure.folder).out.splitlines()[0]
