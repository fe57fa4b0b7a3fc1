"""An operator acts: hold, release, retry and drill through the whole."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.makers import VM_ID
from tests.harness.operators_laptop import add, evict, without_capacity

if TYPE_CHECKING:
    from tests.harness.operators_laptop import OperatorsLaptop


def test_several_vms_of_one_name_are_told_apart_by_their_ids(azure: OperatorsLaptop) -> None:
    """Both ids are named, in one line; by its id each is found."""
    ids = sorted([add(azure, "twin-1"), add(azure, "twin-1", resource_group="rg-other")])
    done = azure.operator("hold", "twin-1")
    assert done.exit_code == 2
    assert done.err == f"hold: 2 VMs are called 'twin-1': name one by its id: {', '.join(ids)}\n"
    assert azure.operator("explain", ids[0]).exit_code == 0


def test_a_held_vm_stays_down_until_it_is_released(azure: OperatorsLaptop) -> None:
    """Hold, evict, look, release: then it comes back, through the real queue and the real app."""
    add(azure, "held-1")
    assert "held-1 is held since " in azure.operator("hold", "held-1").out
    evict(azure, "held-1")
    azure.until_row("held-1", "down and waited for", lambda row: "an operator holds it since" in row.reason)
    status = azure.operator("status", "--json").content
    assert "held-1" in [vm["vm_id"].rpartition("/")[2] for vm in status["held"]]
    assert azure.move(lambda laptop: laptop.world.machine("held-1").start_calls) == []
    released = azure.operator("release", "held-1")
    assert (released.exit_code, released.out) == (0, "held-1 is released; the app was asked to look at it now\n")
    azure.until_running("held-1")
    assert azure.operator("release", "held-1").exit_code == 1


@pytest.mark.parametrize("command", ["hold", "retry", "release"])
def test_nothing_is_done_about_a_vm_that_there_is_not(command: str, azure: OperatorsLaptop) -> None:
    """An id with a typing error: a hold that holds nothing would be found out at the next eviction."""
    done = azure.operator(command, f"{VM_ID}-typo")
    assert (done.exit_code, done.out) == (1, "")
    assert done.err.startswith(
        f"{command}: Azure has no such VM, or does not show it to you, and we have no row of it: /"
    )
    assert done.err.count("\n") == 1


def test_a_vm_that_is_held_by_its_id_is_called_as_azure_calls_it(azure: OperatorsLaptop) -> None:
    """Typed in capitals, its row says as Azure does: status and page show what the portal shows."""
    vm_id = add(azure, "spelled-1")
    assert azure.operator("hold", vm_id.upper().replace("/SUBSCRIPTIONS", "/subscriptions")).exit_code == 0
    held = azure.operator("status", "--json").content["held"]
    assert vm_id in [vm["vm_id"] for vm in held]
    assert azure.operator("release", "spelled-1").exit_code == 0


def test_a_vm_can_be_held_by_who_may_not_look_at_it(azure: OperatorsLaptop) -> None:
    """ARM says no, the tables do not: the hold is what counts at 3 a.m."""
    vm_id = add(azure, "unseen-1")
    done = azure.operator("hold", vm_id, environment=azure.run(azure.laptop.log_in("stranger")))
    assert done.exit_code == 0
    assert "unseen-1 is held since " in done.out


def test_a_retry_in_a_dry_run_says_that_nothing_is_started(azure: OperatorsLaptop) -> None:
    """The look is asked for all the same."""
    add(azure, "dry-1")
    done = azure.operator("retry", "dry-1", environment=dict(azure.laptop.operator) | {"DRY_RUN": "true"})
    assert done.out.startswith("the app was asked to look at dry-1 now; DRY_RUN is true, so nothing is started; ")


def test_a_retry_is_tried_at_once(azure: OperatorsLaptop) -> None:
    """Capacity is back, the next try is ten minutes away: asked for now, it runs within seconds."""
    without_capacity(azure, "retry-1")
    azure.move(lambda laptop: laptop.world.set_capacity(laptop.world.machine("retry-1").pool, None))
    done = azure.operator("retry", "retry-1")
    advised = ".venv/bin/spot-responder explain retry-1"
    assert done.out == f"the app was asked to look at retry-1 now; what comes of it: {advised}\n"
    azure.until_running("retry-1")


@pytest.mark.parametrize(
    ("name", "fields", "why"),
    [
        ("vain-1", {}, "it runs"),
        ("vain-2", {"tags": {}}, "its owner did not ask for it"),
        ("vain-3", {"power_state": "stopped"}, "stopped but not deallocated"),
    ],
)
def test_a_retry_of_which_nothing_will_come_says_so(
    name: str, fields: dict[str, Any], why: str, azure: OperatorsLaptop
) -> None:
    """It is asked for all the same: what Azure shows may be old."""
    add(azure, name, **fields)
    done = azure.operator("retry", name)
    assert done.out.startswith(f"the app was asked to look at {name} now, and does not start it: {why}")


def test_a_retry_of_a_vm_that_its_owner_stopped_or_that_is_held_says_so(azure: OperatorsLaptop) -> None:
    """Neither is outranked by it."""
    add(azure, "stopped-1")
    azure.move(lambda laptop: laptop.world.stop_by_owner("stopped-1"))
    azure.until_row("stopped-1", "stopped", lambda row: row.evidence.stopped_firmly_at is not None)
    assert "does not start it: its owner stopped it at" in azure.operator("retry", "stopped-1").out
    add(azure, "kept-1")
    azure.operator("hold", "kept-1")
    held = azure.operator("retry", "kept-1").out
    assert "does not start it: an operator holds it since" in held
    assert held.endswith("to end the hold: .venv/bin/spot-responder release kept-1\n")
    azure.operator("release", "kept-1")


NAMES = [
    ("世-1", "rg-spot"),
    ("FORMACIÓN", "rg-spot"),
    ("gpu_(1).a", "Équipe_(nord).2"),
]


@pytest.mark.parametrize(("name", "group"), NAMES)
def test_each_command_takes_each_name_that_azure_has(name: str, group: str, azure: OperatorsLaptop) -> None:
    """By its name in any casing, and by its id, with the subscription in capitals."""
    vm_id = add(azure, name, size="Standard_names", resource_group=group)
    shouted = vm_id.replace("/subscriptions/", "/SUBSCRIPTIONS/").replace(group, group.upper())
    for reference in (name, name.lower(), vm_id, shouted):
        explained = azure.operator("explain", reference, "--json")
        assert explained.content["vm_id"].lower() == vm_id.lower(), explained
    assert azure.operator("hold", name).exit_code == 0
    assert azure.operator("retry", name).exit_code == 0
    assert azure.operator("release", shouted).exit_code == 0
    assert azure.operator("drill", vm_id, "--minutes", "1").exit_code == 0


def test_a_drill_passes_and_tells_its_times_and_the_history_has_it(azure: OperatorsLaptop) -> None:
    """Two VMs at once; progress on standard error, a table on standard output."""
    add(azure, "drill-1")
    add(azure, "drill-2")
    done = azure.operator("drill", "drill-1", "drill-2", "--minutes", "1")
    assert done.exit_code == 0, done
    assert "passed: 2 of 2 are back" in done.out
    assert done.err.splitlines()[0] == "drill-1: Azure was asked to evict it"
    assert done.err.count("it runs again") == 2
    rows = [
        row
        for row in csv.DictReader(io.StringIO(azure.operator("history", "--csv", "--days", "2").out))
        if row["vm_id"].endswith("/drill-1")
    ]
    (row,) = rows
    assert (row["outcome"], row["start_requests"], row["size"]) == ("restored", "1", "standard_drill-1")
    assert float(row["restored_after_s"]) > 0
    by_size = azure.operator("history", "--by", "size", "--json").content
    assert {"key": "standard_drill-1", "recoveries": 1, "restored": 1}.items() <= next(
        tally.items() for tally in by_size["tallies"] if tally["key"] == "standard_drill-1"
    )
    assert "all " in azure.operator("history", "--by", "region").out


@pytest.mark.parametrize(
    ("name", "fields", "why"),
    [
        ("undrilled-1", {"tags": {}}, "undrilled-1 is not covered: its owner did not ask for it"),
        ("undrilled-2", {"power_state": "deallocated"}, "undrilled-2 does not run, so Azure cannot evict it"),
    ],
)
def test_a_drill_that_would_prove_nothing_evicts_nobody(
    name: str, fields: dict[str, Any], why: str, azure: OperatorsLaptop
) -> None:
    """Said before anything is done."""
    add(azure, name, **fields)
    done = azure.operator("drill", name)
    assert done.exit_code == 1
    assert done.err.startswith(f"drill: nobody was evicted: {why}")
    assert done.err.count("\n") == 1
