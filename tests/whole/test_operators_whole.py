"""An operator's day with the laptop Azure: every command through the whole, failures included.

Each test has VMs of its own, in a pool of its own; what is shared is the app, its tables and its queue.
"""

from __future__ import annotations

import csv
import io
import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from spot_responder.intake.azure_errors import FailureKind
from spot_responder.intake.signals import SignalKind
from tests.harness.makers import VM_ID
from tests.harness.operators_laptop import TAG, OperatorsLaptop, command, operators_laptop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from localazure.demo.as_operator import Done
    from localazure.laptop import Laptop


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorsLaptop]:
    """Start the laptop Azure once for all tests here."""
    with operators_laptop(tmp_path_factory.mktemp("operators")) as running:
        yield running


def add(azure: OperatorsLaptop, name: str, **fields: Any) -> str:  # noqa: ANN401 - whatever a VM has
    """Add a VM in a pool of its own; give its id."""
    usual = {"tags": TAG, "size": f"Standard_{name}"}
    return azure.move(lambda laptop: laptop.world.add_vm(name, **usual | fields)).vm_id


def evict(azure: OperatorsLaptop, name: str) -> None:
    """Let Azure take it."""
    azure.move(lambda laptop: laptop.world.evict(name))


def without_capacity(azure: OperatorsLaptop, name: str) -> None:
    """Add a VM, let it be evicted without capacity, and wait until the app was refused."""
    add(azure, name)
    azure.move(lambda laptop: laptop.world.set_capacity(laptop.world.machine(name).pool, 0))
    evict(azure, name)
    azure.until_row(name, "refused", lambda row: row.failing_with is FailureKind.CAPACITY)


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
    assert "its value is 'yes', which was surely meant as true; only true counts" in done.out
    assert f"az tag update --operation Merge --resource-id {vm_id} --tags AttemptRestartAfterEviction=true" in done.out
    plan = azure.operator("plan")
    assert plan.exit_code == 1
    assert "near-1" in plan.out


def test_an_id_that_azure_does_not_know_is_explained_as_such(azure: OperatorsLaptop) -> None:
    """It may be gone, or hidden."""
    done = azure.operator("explain", str(VM_ID))
    assert done.exit_code == 1
    assert "render-1: Azure has no such VM, or does not show it to you" in done.out


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


ODD_TAGS: list[tuple[dict[str, str], bool]] = [
    ({"AttemptRestartAfterEviction": "true"}, True),
    ({"attemptrestartaftereviction": "TRUE", "env": "prod"}, True),
    ({"AttemptRestartAfterEviction": "yes"}, False),
    ({"AttemptRestartAfterEviction": "true "}, False),
    ({"xAttemptRestartAfterEviction": "true"}, False),
    ({"note": '"AttemptRestartAfterEviction":"true"'}, False),
    ({}, False),
]


def test_status_counts_who_is_covered_by_the_rule_of_the_app(azure: OperatorsLaptop) -> None:
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


def test_what_is_advised_of_the_laptop_is_for_the_laptop(azure: OperatorsLaptop, tmp_path: Path) -> None:
    """Copied into a shell with real settings, it must not act on real Azure."""
    add(azure, "advice-1")
    (tmp_path / ".local").mkdir()
    (tmp_path / ".local" / "operator.json").write_text(json.dumps(dict(azure.laptop.operator)), encoding="utf-8")
    held = command("hold", "advice-1", "--local", environment={}, folder=tmp_path).out
    assert held.endswith("to end it: .venv/bin/spot-responder release advice-1 --local\n")
    explained = command("explain", "advice-1", "--local", environment={}, folder=tmp_path).out
    assert "to end the hold: .venv/bin/spot-responder release advice-1 --local\n" in explained
    azure.operator("release", "advice-1")


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


def test_the_doctor_finds_all_well_and_tries_rights_without_doing_anything(azure: OperatorsLaptop) -> None:
    """On a sound deployment; no start is sent to any VM that there is."""
    add(azure, "doctor-1")
    before = azure.move(started)
    done = azure.operator("doctor")
    assert done.exit_code == 0, done.out
    assert "all is well" in done.out
    assert "event subscription evicted of topic health" in done.out
    assert azure.move(started) == before


def started(laptop: Laptop) -> int:
    """Count the starts that reached a VM."""
    return sum(len(machine.start_calls) for machine in laptop.world.machines())


def test_the_doctor_names_what_is_broken_with_what_mends_it(azure: OperatorsLaptop) -> None:
    """A filter changed, a subscription and a topic gone, nobody with any role: each in its own line."""
    add(azure, "doctor-2")
    deployed = azure.laptop.deployed
    kept = (dict(deployed.topics), {name: list(each) for name, each in deployed.subscriptions.items()})
    assignments = list(deployed.assignments)
    try:
        evicted, *others = deployed.subscriptions["evgst-health"]
        broken = evicted | {"properties": evicted["properties"] | {"filter": {"includedEventTypes": ["Other"]}}}
        deployed.subscriptions["evgst-health"] = [broken, *others[1:]]
        del deployed.topics["evgst-arm"]
        deployed.assignments.clear()
        done = azure.operator("doctor", "--json")
    finally:
        deployed.topics, deployed.subscriptions = kept
        deployed.assignments.extend(assignments)
    assert done.exit_code == 1
    bad = {finding["what"]: finding for finding in done.content["findings"] if finding["health"] == "bad"}
    assert bad.keys() == {
        "event subscription evicted of topic health",
        "event subscription unavailable of topic health",
        "topic arm",
        "right of topic health to deliver",
        "right of topic health to keep dead letters",
        "who has the app's role",
    }
    assert bad["event subscription evicted of topic health"]["told"] == (
        "its filter is not that of infra/event-filters.json"
    )
    assert all(finding["mend"] == "azd provision" for finding in bad.values())


def test_without_rights_nothing_is_shown_and_it_is_said(azure: OperatorsLaptop) -> None:
    """A login that has no role: Resource Graph hides all, ARM says no, and the doctor says what it could not see."""
    vm_id = add(azure, "hidden-1")
    environment = azure.run(azure.laptop.log_in("stranger"))
    explained = azure.operator("explain", vm_id, environment=environment)
    assert (explained.exit_code, explained.out) == (1, "")
    assert explained.err.startswith("explain: Azure refused to ")
    assert "AuthorizationFailed (denied)" in explained.err
    assert explained.err.count("\n") == 1
    checked = azure.operator("doctor", "--json", environment=environment)
    unseen = {finding["what"] for finding in checked.content["findings"] if finding["health"] == "could not look"}
    assert unseen == {"Resource Graph"}


def test_where_nobody_answers_it_is_said(azure: OperatorsLaptop) -> None:
    """The address is wrong."""
    environment = dict(azure.laptop.operator)
    for name in ("queue", "table"):
        environment[f"AzureWebJobsStorage__{name}ServiceUri"] = "https://127.0.0.1:1/spotresponder"
    done = azure.operator("status", environment=environment)
    assert done.exit_code == 1
    assert done.err.startswith("status: nobody answers at https://127.0.0.1:1: is AzureWebJobsStorage__queueServiceUri")
    assert done.err.count("\n") == 1


def findings(done: Done, health: str) -> dict[str, dict[str, str]]:
    """Give what the doctor found so, by what it looked at."""
    return {finding["what"]: finding for finding in done.content["findings"] if finding["health"] == health}


NOBODY = "https://127.0.0.1:1/spotresponder"


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("AzureWebJobsStorage__queueServiceUri", {"queue signals", "queue signals-poison"}),
        ("AzureWebJobsStorage__tableServiceUri", {"table recoveries"}),
        ("DEAD_LETTERS_ENDPOINT", {"container event-dead-letters"}),
        ("ARM_ENDPOINT", {"Azure Resource Manager"}),
    ],
)
def test_the_doctor_names_the_one_address_that_is_wrong(name: str, what: set[str], azure: OperatorsLaptop) -> None:
    """And looks at all the others."""
    add(azure, f"at-{name.lower()}")
    wrong = {"ARM_ENDPOINT": "https://127.0.0.1:1", "DEAD_LETTERS_ENDPOINT": f"{NOBODY}dead"}
    environment = dict(azure.laptop.operator) | {name: wrong.get(name, NOBODY)}
    done = azure.operator("doctor", "--json", environment=environment)
    assert done.exit_code == 1
    bad = findings(done, "bad")
    assert bad.keys() == what
    assert all(finding["mend"].startswith(f"is {name} ") for finding in bad.values()), bad
    assert "login" in findings(done, "good")
    assert ("all is well" in azure.operator("doctor", environment=environment).out) is False


def test_the_doctor_without_a_login_says_so_and_ends_there(azure: OperatorsLaptop) -> None:
    """One finding, one line, its cause and the command; not a thousand characters of every way that was tried."""
    environment = dict(azure.laptop.operator) | {"IDENTITY_ENDPOINT": "http://127.0.0.1:1/none"}
    done = azure.operator("doctor", environment=environment)
    assert (done.exit_code, done.err) == (1, "")
    lines = done.out.splitlines()
    assert "nobody is logged in, or not for long enough (ManagedIdentityCredential: Cannot connect" in lines[-4]
    assert lines[-2:] == ["mend login: run `az login`, then try again", "1 thing wrong"]


def test_where_dead_letters_are_not_told_the_doctor_status_and_replay_say_so(azure: OperatorsLaptop) -> None:
    """The setting is not among what the app must have: nothing is wrong, and nothing is said to be well either."""
    add(azure, "letters-1")
    environment = {name: value for name, value in azure.laptop.operator.items() if name != "DEAD_LETTERS_ENDPOINT"}
    checked = azure.operator("doctor", environment=environment)
    assert checked.exit_code == 0, checked.out
    assert "mend container event-dead-letters: export DEAD_LETTERS_ENDPOINT as the app has it" in checked.out
    closing = checked.out.splitlines()[-1]
    assert re.fullmatch(r"nothing wrong was seen; \d+ things? could not be looked at", closing), checked.out
    status = azure.operator("status", environment=environment)
    assert "event-dead-letters could not look (DEAD_LETTERS_ENDPOINT is not set)" in status.out
    listed = azure.operator("replay", "list", environment=environment)
    assert listed.exit_code == 1
    assert "event-dead-letters could not be looked into: DEAD_LETTERS_ENDPOINT is not set" in listed.out


def test_local_finds_the_world_of_make_run(azure: OperatorsLaptop, tmp_path: Path) -> None:
    """By what ``make run`` leaves in .local; and says so where there is none."""
    none = command("status", "--local", environment={}, folder=tmp_path)
    assert (none.exit_code, none.err.count("\n")) == (1, 1)
    assert "start one with `make run`" in none.err
    (tmp_path / ".local").mkdir()
    file = tmp_path / ".local" / "operator.json"
    file.write_text("{", encoding="utf-8")
    assert "cannot be read" in command("status", "--local", environment={}, folder=tmp_path).err
    file.write_text("[]", encoding="utf-8")
    assert "holds no object" in command("status", "--local", environment={}, folder=tmp_path).err
    for odd in ({"A": 1}, {"": "x"}, {"A=B": "x"}, {"A": "x\0"}, {"A": None}):
        file.write_text(json.dumps(odd), encoding="utf-8")
        refused = command("status", "--local", environment={}, folder=tmp_path)
        assert (refused.exit_code, refused.err.count("\n")) == (1, 1)
        assert "which is no variable with its value" in refused.err
    file.write_text(json.dumps(dict(azure.laptop.operator)), encoding="utf-8")
    found = command("status", "--local", "--json", environment={}, folder=tmp_path)
    assert found.content.keys() >= {"recoveries", "pools", "queues", "event_path", "problems"}


def test_local_looks_at_nothing_of_the_shells_own_azure(azure: OperatorsLaptop, tmp_path: Path) -> None:
    """Its proxies, its logins and its settings are for Azure: here they would lead astray."""
    (tmp_path / ".local").mkdir()
    (tmp_path / ".local" / "operator.json").write_text(json.dumps(dict(azure.laptop.operator)), encoding="utf-8")
    of_the_shell = {
        "HTTPS_PROXY": "http://127.0.0.1:1",
        "https_proxy": "http://127.0.0.1:1",
        "AZURE_CLIENT_ID": "somebody",
        "AZURE_TENANT_ID": "somewhere",
        "AZURE_CLIENT_SECRET": "else",
        "DRY_RUN": "true",
        "RESTART_TAG": "Other",
    }
    add(azure, "shell-1")
    found = command("status", "--local", "--json", environment=of_the_shell, folder=tmp_path)
    assert (found.err, found.content["dry_run"]) == ("", False)
    explained = command("explain", "shell-1", "--local", environment=of_the_shell, folder=tmp_path)
    assert "shell-1 runs" in explained.out


def test_local_says_that_the_laptop_azure_has_ended(azure: OperatorsLaptop, tmp_path: Path) -> None:
    """Killed, it leaves its file behind."""
    (tmp_path / ".local").mkdir()
    ended = dict(azure.laptop.operator) | {"IDENTITY_ENDPOINT": "http://127.0.0.1:1/token"}
    for left_behind in (ended, {}, {"IDENTITY_ENDPOINT": "http://[/"}, {"IDENTITY_ENDPOINT": "http://x:99999999/"}):
        (tmp_path / ".local" / "operator.json").write_text(json.dumps(left_behind), encoding="utf-8")
        done = command("status", "--local", environment={}, folder=tmp_path)
        assert (done.exit_code, done.out, done.err.count("\n")) == (1, "", 1)
        assert done.err.startswith("status: the laptop Azure of .local/operator.json does not answer (")
        assert done.err.endswith("): start one with `make run`\n")


def test_what_nobody_could_handle_is_shown_requeued_and_dropped(azure: OperatorsLaptop) -> None:
    """Rubbish and a sound event in the poison queue, two blobs of dead letters: dealt with one by one."""
    add(azure, "letter-1", power_state="running")
    now = azure.laptop.clock.now()
    event = _preempted(azure.move(lambda laptop: laptop.world.machine("letter-1").vm_id), now.isoformat())
    azure.run(_lay_out(azure.laptop, event))
    listed = azure.operator("replay", "list")
    assert listed.exit_code == 1
    assert "\x1b" not in listed.out
    messages = azure.operator("replay", "list", "--json").content["messages"]
    assert len(messages) == 5
    assert sum(message["reading"]["readable"] for message in messages) == 3
    status = azure.operator("status", "--json").content
    assert (status["queues"]["poison"], status["queues"]["dead_letters"]) == (3, 2)
    dead = [message["dead_letter"] for message in messages if message["dead_letter"]["place"] == "event-dead-letters"]
    shown = azure.operator("replay", "show", dead[0]["dead_letter_id"])
    assert "MaxDeliveryAttemptsExceeded after 30 tries, the last one NotFound" in shown.out
    assert '"annotationName": "VirtualMachinePreempted"' in shown.out
    assert azure.operator("replay", "requeue", dead[0]["dead_letter_id"]).out == "1 message requeued\n"
    assert azure.operator("replay", "drop", dead[1]["dead_letter_id"]).out == "1 message dropped\n"
    assert azure.operator("replay", "show", dead[1]["dead_letter_id"]).exit_code == 1
    all_back = azure.operator("replay", "requeue", "--all")
    assert all_back.exit_code == 1
    assert all_back.out.startswith("1 message requeued\n")
    assert all_back.out.count("the app cannot read it") == 2
    assert azure.operator("replay", "drop", "--all").out == "2 messages dropped\n"
    assert azure.operator("replay", "list").exit_code == 0
    row = azure.until_row("letter-1", "told of what was requeued", lambda row: row.evidence.evicted_at is not None)
    assert row.opened_by is SignalKind.EVICTED


def test_whatever_lies_among_the_dead_letters_can_be_looked_at_and_dropped(azure: OperatorsLaptop) -> None:
    """Deep, binary, empty, huge: each is one dead letter, and status goes on."""
    contents = [b"[" * 100_000, b"\xff\xfe\x00\x1b[31m", b"", b'"' + b"y" * 100_000 + b'"', b"[1, null]"]

    async def lay_out() -> None:
        for number, content in enumerate(contents):
            await azure.laptop.dead_letters.container.upload_blob(f"odd/{number}", content)

    azure.run(lay_out())
    assert azure.operator("status", "--json").content["queues"]["dead_letters"] == 5
    messages = azure.operator("replay", "list", "--json").content["messages"]
    assert {message["reading"]["what"] for message in messages} == {"unreadable", "2 events: unreadable"}
    for message in messages:
        shown = azure.operator("replay", "show", message["dead_letter"]["dead_letter_id"])
        assert (shown.exit_code, shown.err) == (0, "")
        assert "\x1b" not in shown.out
    assert azure.operator("replay", "drop", "--all").out == "5 messages dropped\n"
    assert azure.operator("replay", "list").exit_code == 0


def test_an_event_in_a_list_in_a_blob_is_requeued_as_what_it_is(azure: OperatorsLaptop) -> None:
    """As the app would read it."""
    vm_id = add(azure, "listed-1", power_state="running")
    event = _preempted(vm_id, azure.laptop.clock.now().isoformat())

    async def lay_out() -> None:
        await azure.laptop.dead_letters.container.upload_blob("listed", json.dumps([[event]]))

    azure.run(lay_out())
    assert azure.operator("replay", "requeue", "--all").out == "1 message requeued\n"
    azure.until_row("listed-1", "told", lambda row: row.evidence.evicted_at is not None)


def test_of_two_who_drop_a_blob_one_has_dropped_it(azure: OperatorsLaptop) -> None:
    """The other one finds nothing, and blames nobody."""

    async def lay_out() -> None:
        events = [{"no": number} for number in range(12)]
        await azure.laptop.dead_letters.container.upload_blob("many", json.dumps(events))

    azure.run(lay_out())
    environment, folder = dict(azure.laptop.operator), azure.folder
    with ThreadPoolExecutor() as several:
        drops = [
            several.submit(command, "replay", "drop", "--all", environment=environment, folder=folder) for _ in range(2)
        ]
        done = [drop.result() for drop in drops]
    assert sum(each.out.startswith("1 message dropped") for each in done) == 1
    assert azure.operator("replay", "list").exit_code == 0


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


def test_more_than_a_queue_shows_is_said_and_dealt_with_in_turn(azure: OperatorsLaptop) -> None:
    """A queue shows its first 32 messages: what lies behind them is not taken for nothing."""

    async def lay_out() -> None:
        for number in range(35):
            await azure.laptop.poison.send_message(f"rubbish {number}")

    azure.run(lay_out())
    front = azure.operator("replay", "list", "--json").content["messages"]
    assert len(front) == 32
    behind = "3 more messages in signals-poison behind these: deal with these, then look again"
    assert behind in azure.operator("replay", "list").out
    first = azure.operator("replay", "drop", "--all")
    assert first.exit_code == 1
    assert first.out.startswith("32 messages dropped\n3 more messages")
    second = azure.operator("replay", "drop", "--all")
    assert (second.exit_code, second.out) == (0, "3 messages dropped\n")


def test_two_who_drop_the_same_do_not_blame_the_message(azure: OperatorsLaptop) -> None:
    """Whoever comes second is told that it is gone."""

    async def lay_out() -> None:
        await azure.laptop.poison.send_message("rubbish")

    azure.run(lay_out())
    with ThreadPoolExecutor() as both:
        environment, folder = dict(azure.laptop.operator), azure.folder
        drops = [
            both.submit(command, "replay", "drop", "--all", environment=environment, folder=folder) for _ in range(2)
        ]
        done = [drop.result() for drop in drops]
    assert sum("1 message dropped" in each.out for each in done) == 1
    assert not any("cannot read" in each.out or each.err for each in done)


def _preempted(vm_id: str, occurred_at: str) -> dict[str, object]:
    info = {
        "id": vm_id,
        "properties": {
            "targetResourceId": vm_id,
            "annotationName": "VirtualMachinePreempted",
            "occurredTime": occurred_at,
        },
    }
    return {
        "specversion": "1.0",
        "id": "again",
        "source": "/subscriptions/s",
        "type": "Microsoft.ResourceNotifications.HealthResources.ResourceAnnotated",
        "time": "2026-03-02T10:00:00Z",
        "data": {"resourceInfo": info},
    }


async def _lay_out(laptop: Laptop, event: dict[str, object]) -> None:
    """Put three messages into the poison queue, and two blobs, one of them with two events, into the container."""
    await laptop.poison.send_message("rubbish \u241b[31m")
    await laptop.poison.send_message(json.dumps(event))
    await laptop.poison.send_message('{"no": "event"}')
    reason = {
        "deadletterreason": "MaxDeliveryAttemptsExceeded",
        "deliveryattempts": 30,
        "lastdeliveryoutcome": "NotFound",
    }
    dead = [event | reason | {"id": "dead-1"}, event | reason | {"id": "dead-2"}]
    for name, events in (("a", dead), ("b", dead[:1])):
        await laptop.dead_letters.container.upload_blob(f"topic/subscription/10/{name}.json", json.dumps(events))
