"""What ``doctor`` makes of what it finds: held against the files that are deployed."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import pytest

from localazure.resource_manager.deployment import deployed
from spot_responder.advised_command import CommandLine
from spot_responder.commands.doctor import render
from spot_responder.operators.views.dead_letters import Place, Unseen
from spot_responder.operators.views.findings import (
    Accounts,
    Diagnosis,
    Finding,
    Health,
    account_of,
    clock_finding,
    missing_topic,
    place_finding,
    principals_of,
    role_finding,
    subscription_findings,
    topic_findings,
    watched_findings,
)
from spot_responder.terminal.console import Console
from tests.harness.makers import TEN

INFRA = Path(__file__).resolve().parents[3] / "infra"
FILTERS = json.loads((INFRA / "event-filters.json").read_text(encoding="utf-8"))
ROLE = json.loads((INFRA / "responder-role.json").read_text(encoding="utf-8"))


def subscriptions() -> list[dict[str, Any]]:
    """Give the event subscriptions of the health topic, as Azure shows them."""
    return deepcopy(
        deployed(INFRA / "event-filters.json", INFRA / "responder-role.json", INFRA / "main.json").subscriptions[
            "evgst-health"
        ]
    )


def found(there: list[dict[str, Any]]) -> dict[str, Finding]:
    """Hold subscriptions against the file; give the findings by the subscription's name."""
    findings = subscription_findings(
        "health", "evgst-health", FILTERS, there, Accounts("spotresponder", "spotresponderdead")
    )
    return {finding.what.split()[2]: finding for finding in findings}


def test_what_was_deployed_is_well() -> None:
    """Every event subscription of the file is there, under the deployment's own names."""
    findings = found(subscriptions())
    assert findings.keys() == {"evicted", "unavailable", "owner-intent"}
    assert {finding.health for finding in findings.values()} == {Health.GOOD}
    assert findings["evicted"].told == "there, delivers to StorageQueue signals of spotresponder"


def test_order_casing_and_empty_fields_of_a_filter_mean_nothing() -> None:
    """Azure gives a filter back as it likes."""
    there = subscriptions()
    wanted = there[2]["properties"]["filter"]
    wanted["advancedFilters"][0]["values"].reverse()
    wanted["includedEventTypes"] = [wanted["includedEventTypes"][0].lower()]
    wanted["enableAdvancedFilteringOnArrays"] = None
    assert found(there)["owner-intent"].health is Health.GOOD


def test_another_name_is_fine_where_the_filter_is_the_same() -> None:
    """Somebody subscribed by hand."""
    there = subscriptions()
    there[0]["name"] = "by-hand"
    assert found(there)["evicted"].health is Health.GOOD


def test_one_that_lacks_is_named_with_the_command() -> None:
    """These events do not come."""
    finding = found(subscriptions()[1:])["evicted"]
    assert (finding.health, finding.told, finding.mend) == (
        Health.BAD,
        "not there: these events do not come",
        "azd provision",
    )


def test_a_filter_that_was_changed_is_told() -> None:
    """A value more, or a type less."""
    there = subscriptions()
    there[0]["properties"]["filter"]["advancedFilters"][0]["values"] = ["VirtualMachineRebooted"]
    assert found(there)["evicted"].told == "its filter is not that of infra/event-filters.json"


@pytest.mark.parametrize(("state", "told"), [("Creating", "it is Creating"), ("", "it is in no state that is told")])
def test_one_that_is_not_ready_is_told(state: str, told: str) -> None:
    """Its state, in Azure's word."""
    there = subscriptions()
    there[0]["properties"]["provisioningState"] = state
    assert (found(there)["evicted"].health, found(there)["evicted"].told) == (Health.BAD, told)


def test_where_events_go_is_looked_at() -> None:
    """Into the queue, or to the function where they are pushed; anywhere else they are lost to us."""
    there = subscriptions()
    properties = there[0]["properties"]
    delivery = properties.pop("deliveryWithResourceIdentity")
    not_to_us = "not to the queue signals of spotresponder"
    assert found(there)["evicted"].told == f"it delivers to nowhere, {not_to_us}"
    properties["destination"] = {"endpointType": "AzureFunction", "properties": {"resourceId": "/…/on_event"}}
    assert found(there)["evicted"].health is Health.GOOD
    delivery["destination"]["properties"]["queueName"] = "other"
    properties["deliveryWithResourceIdentity"] = delivery
    assert found(there)["evicted"].told == f"it delivers to StorageQueue other of spotresponder, {not_to_us}"


def test_where_dead_letters_go_is_looked_at() -> None:
    """They would be dropped, or lie where nobody looks; without a setting nobody knows where they should be."""
    there = subscriptions()
    properties = there[0]["properties"]
    dead_letters = properties["deadLetterWithResourceIdentity"]["deadLetterDestination"]["properties"]
    dead_letters["resourceId"] = dead_letters["resourceId"].replace("spotresponderdead", "spotresponder")
    not_to_us = "not to spotresponderdead"
    assert found(there)["evicted"].told == f"what it cannot deliver goes to spotresponder, {not_to_us}"
    del properties["deadLetterWithResourceIdentity"]
    assert found(there)["evicted"].told == f"what it cannot deliver goes to nobody, {not_to_us}"
    untold = subscription_findings("health", "evgst-health", FILTERS, there, Accounts("spotresponder", ""))
    assert {finding.health for finding in untold} == {Health.GOOD}


def test_another_environment_may_hang_on_the_same_topic() -> None:
    """Azure has one topic of a kind in a subscription: the others deliver to their own account."""
    ours, others = subscriptions(), subscriptions()
    for each in others:
        each["name"] = each["name"].replace("laptop", "other")
        queue = each["properties"]["deliveryWithResourceIdentity"]["destination"]["properties"]
        queue["resourceId"] = queue["resourceId"].replace("spotresponder", "somebodyelses")
    assert {finding.health for finding in found([*others, *ours]).values()} == {Health.GOOD}
    told = "it delivers to StorageQueue signals of somebodyelses, not to the queue signals of spotresponder"
    assert {finding.told for finding in found(others).values()} == {told}


@pytest.mark.parametrize(
    ("endpoint", "account"),
    [
        ("https://spotrg7.queue.core.windows.net", "spotrg7"),
        ("https://spotrg7.z12.queue.storage.azure.net/", "spotrg7"),
        ("https://127.0.0.1:10001/spotresponder", "spotresponder"),
    ],
)
def test_the_account_is_read_from_its_address(endpoint: str, account: str) -> None:
    """In each form that Azure gives, and the laptop's."""
    assert account_of(endpoint) == account


GOOD = Finding("the app's role", Health.GOOD, "Spot Responder")
LACKING = Finding("the app's role", Health.BAD, "no role", "azd provision")


def test_a_subscription_that_shows_nothing_of_us_may_not_be_meant() -> None:
    """Where another one is watched; where none is, something was meant to be."""
    seen = watched_findings({"ours": [GOOD], "theirs": [LACKING]})
    assert [(each.subscription, each.what, each.health) for each in seen] == [
        ("ours", "the app's role", Health.GOOD),
        ("theirs", "the app", Health.UNSEEN),
    ]
    assert [each.health for each in watched_findings({"one": [LACKING], "two": [LACKING]})] == [Health.BAD, Health.BAD]


def test_each_finding_says_in_which_subscription_it_is() -> None:
    """Where there are several; where there is one, it says nothing new."""
    console = Console(TEN, UTC)
    several = Diagnosis(TEN, "operator", tuple(watched_findings({"sub-1": [GOOD], "sub-2": [GOOD, LACKING]})))
    text = render(several, console)
    assert "the app's role in sub-1  good  Spot Responder" in text
    assert "mend the app's role in sub-2: azd provision" in text
    alone = Diagnosis(TEN, "operator", tuple(watched_findings({"sub-1": [GOOD]})))
    assert "sub-1" not in render(alone, console)


def test_each_kind_of_topic_is_found_by_its_type_in_any_casing() -> None:
    """Azure writes it in lower case; where there is none, there is none."""
    topics = list(
        deployed(INFRA / "event-filters.json", INFRA / "responder-role.json", INFRA / "main.json").topics.values()
    )
    assert [(kind, topic and topic["name"]) for kind, topic in topic_findings(FILTERS, topics)] == [
        ("health", "evgst-health"),
        ("arm", "evgst-arm"),
    ]
    assert [topic for _, topic in topic_findings(FILTERS, topics[:1])][1] is None
    assert topic_findings({}, topics) == []
    assert missing_topic("arm").health is Health.BAD


def test_rubbish_instead_of_filters_finds_nothing() -> None:
    """No file of ours is so; and no traceback if it were."""
    assert (
        subscription_findings("health", "t", {"topics": {"health": {"subscriptions": "none"}}}, [], Accounts("a", ""))
        == []
    )
    odd = {"topics": {"health": {"subscriptions": [{"name": "a", "filter": {"advancedFilters": "none"}}]}}}
    assert subscription_findings("health", "t", odd, [], Accounts("a", ""))[0].health is Health.BAD


def definition(**changed: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Give the role as Azure shows it."""
    properties = {"roleName": "Spot Responder 1111", "permissions": [{"actions": ROLE["actions"]}]}
    return {"id": "/x/roleDefinitions/role-1", "properties": properties | changed}


def test_a_role_that_allows_what_is_needed_is_well() -> None:
    """Found by the beginning of its name: a deployment appends the subscription."""
    other = definition(roleName="Reader")
    finding, role_id = role_finding(ROLE["actions"], [other, definition()], ROLE["roleName"])
    assert (finding.health, role_id) == (Health.GOOD, "/x/roleDefinitions/role-1")


@pytest.mark.parametrize("actions", [["*/read", "Microsoft.Compute/*"], ["*"]])
def test_a_role_that_allows_more_is_well(actions: list[str]) -> None:
    """Somebody's own role of this name may have wildcards, which cover what is needed."""
    finding, _ = role_finding(ROLE["actions"], [definition(permissions=[{"actions": actions}])], ROLE["roleName"])
    assert finding.health is Health.GOOD


def test_the_role_of_an_older_release_lacks_the_reads_of_health() -> None:
    """It named one of them, which does not show what the sweep looks for."""
    older = [*ROLE["actions"][:-1], "Microsoft.ResourceHealth/availabilityStatuses/read"]
    finding, _ = role_finding(ROLE["actions"], [definition(permissions=[{"actions": older}])], ROLE["roleName"])
    assert (finding.health, finding.told) == (Health.BAD, "it lacks Microsoft.ResourceHealth/*/read")


def test_a_role_that_lacks_an_action_says_which() -> None:
    """As after an upgrade that needs one more."""
    less = definition(permissions=[{"actions": ROLE["actions"][1:]}])
    finding, _ = role_finding(ROLE["actions"], [less], ROLE["roleName"])
    assert (finding.health, finding.told) == (Health.BAD, f"it lacks {ROLE['actions'][0]}")


def test_no_role_is_said() -> None:
    """Nothing is deployed here."""
    finding, role_id = role_finding(ROLE["actions"], [definition(permissions=None, roleName="x")], ROLE["roleName"])
    assert (finding.health, role_id) == (Health.BAD, "")
    lacking, _ = role_finding(["a/read"], [definition(permissions=None)], ROLE["roleName"])
    assert lacking.told == "it lacks a/read"


def test_who_has_a_role_is_found_by_the_roles_id() -> None:
    """Azure writes the definition's id with the subscription or without."""
    assignments = [
        {"properties": {"roleDefinitionId": "/subscriptions/s/providers/x/roleDefinitions/ROLE-1", "principalId": "A"}},
        {"properties": {"roleDefinitionId": "/x/roleDefinitions/role-2", "principalId": "B"}},
    ]
    assert principals_of("/x/roleDefinitions/role-1", assignments) == {"a"}


@pytest.mark.parametrize(
    ("seconds", "health"),
    [(0, Health.GOOD), (-60, Health.GOOD), (61, Health.BAD), (-900, Health.BAD)],
    ids=["equal", "-1 min", "+61 s", "-15 min"],
)
def test_a_clock_may_differ_by_a_minute(seconds: int, health: Health) -> None:
    """In either direction."""
    assert clock_finding(TEN, TEN + timedelta(seconds=seconds)).health is health


@pytest.mark.parametrize(("is_wrong", "health"), [(True, Health.BAD), (False, Health.UNSEEN)])
def test_a_place_that_could_not_be_looked_into_says_why(is_wrong: bool, health: Health) -> None:  # noqa: FBT001
    """Wrong where nobody answers there; where only the login may not, nothing is known of it."""
    unseen = Unseen("signals", "nobody answers at https://q", "is it right?", is_wrong)
    assert place_finding(Place.SIGNALS, None, unseen, CommandLine()) == Finding(
        "queue signals", health, unseen.why, unseen.mend
    )


def test_what_lies_in_a_place_is_wrong_but_for_the_queue_that_is_worked_off() -> None:
    """Poison and dead letters wait for somebody; signals for the app."""
    assert place_finding(Place.SIGNALS, 7, None, CommandLine()).health is Health.GOOD
    poison, dead = (
        place_finding(place, number, None, CommandLine()) for place, number in ((Place.POISON, 1), (Place.DEAD, 2))
    )
    assert (poison.health, poison.told, poison.mend) == (
        Health.BAD,
        "1 message",
        ".venv/bin/spot-responder replay list",
    )
    assert (dead.what, dead.told) == ("container event-dead-letters", "2 blobs")


def test_a_clock_that_was_not_told_is_not_wrong() -> None:
    """It could not be looked."""
    finding = clock_finding(TEN, None)
    assert finding.health is Health.UNSEEN
    assert Diagnosis(TEN, "operator", (finding,)).is_well
    assert not Diagnosis(TEN, "operator", (finding, missing_topic("arm"))).is_well
