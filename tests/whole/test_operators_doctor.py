"""An operator asks the doctor: what is well, what is broken, what mends it; and what a login without rights sees."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.harness.operators_laptop import add

if TYPE_CHECKING:
    from localazure.demo.as_operator import Done
    from localazure.laptop import Laptop
    from tests.harness.operators_laptop import OperatorsLaptop


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


def findings(done: Done, health: str) -> dict[str, dict[str, str]]:
    """Give what the doctor found so, by what it looked at."""
    return {finding["what"]: finding for finding in done.content["findings"] if finding["health"] == health}


QUEUES = ("signals", "signals-poison", "agents", "agents-poison")
NOBODY = "https://127.0.0.1:1/spotresponder"


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("AzureWebJobsStorage__queueServiceUri", {f"queue {name}" for name in QUEUES}),
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
