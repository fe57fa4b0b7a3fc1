"""What is subscribed to, in which subscription, by what right, and where it goes, in every way to deploy."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from localazure.deployed_storage import SIGNALS
from localazure.event_grid.event_filters import read_topics
from localazure.laptop import MESSAGE_LIFETIME
from tests.infra.compiler import INFRA, REPOSITORY, committed_template, parameters_of
from tests.infra.deployment import HOME, Place, deploy
from tests.infra.ways import WAYS, deployed, resources, role_assignments

if TYPE_CHECKING:
    from tests.infra.deployment import Resource
    from tests.infra.expressions import Value

SUBSCRIPTIONS = "EventGrid/systemTopics/eventSubscriptions"
SENDER = "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a"
BLOB_CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
FILTERS = json.loads((INFRA / "event-filters.json").read_text("utf-8"))["topics"]
PREVIEW = json.loads((INFRA / "preview-event-filters.json").read_text("utf-8"))["topics"]
ROLE = json.loads((INFRA / "responder-role.json").read_text("utf-8"))
EVENTS = REPOSITORY / "tests" / "payloads" / "events"


def _filters(*topics: Value) -> dict[str, Value]:
    return {one["name"]: one["filter"] for topic in topics for one in topic["subscriptions"]}


def _deployed_filters(event_subscriptions: list[Resource]) -> dict[str, Value]:
    # Each is named environment-name: the environment is called spot-responder everywhere.
    return {
        one.name.rsplit("/", 1)[-1].removeprefix("spot-responder-"): one.properties["filter"]
        for one in event_subscriptions
    }


@pytest.mark.parametrize("way", [way for way in WAYS if way != "scheduled-events-preview"])
def test_each_watched_subscription_is_listened_to_by_the_same_filters(way: str) -> None:
    """event-filters.json is the one truth: nothing is left out, nothing added, in any subscription."""
    watched = parameters_of(INFRA / f"{way}.bicepparam").get("watchedSubscriptions", [HOME])
    found = resources(deployed(way), SUBSCRIPTIONS)
    for subscription in watched:
        of_this = [one for one in found if one.place.subscription == subscription]
        assert _deployed_filters(of_this) == _filters(*FILTERS.values())
    assert len(found) == len(watched) * len(_filters(*FILTERS.values()))


def test_scheduled_events_are_listened_to_only_where_asked_for() -> None:
    """The preview adds one topic and one subscription, and changes no other."""
    found = resources(deployed("scheduled-events-preview"), SUBSCRIPTIONS)
    assert _deployed_filters(found) == _filters(*FILTERS.values(), *PREVIEW.values())
    types = {topic.properties["topicType"] for topic in resources(deployed("queue"), "EventGrid/systemTopics")}
    assert types == {topic["topicType"] for topic in FILTERS.values()}


@pytest.mark.parametrize(
    ("payload", "passes"),
    [
        ("scheduled_preempt_eventgrid", True),
        ("scheduled_preempt_completed_cloudevent", True),
        ("scheduled_freeze_eventgrid", False),
        ("annotated_preempted_cloudevent", False),
    ],
)
def test_the_preview_hears_of_evictions_only(payload: str, *, passes: bool) -> None:
    """Of scheduled events, Preempt passes; other maintenance does not."""
    (topic,) = read_topics(INFRA / "preview-event-filters.json")
    event = json.loads((EVENTS / f"{payload}.json").read_text("utf-8"))
    assert any(one.filter.passes(event) for one in topic.subscriptions) == passes


@pytest.mark.parametrize("way", [way for way in WAYS if way != "push"])
def test_events_go_into_the_queue_by_the_topic_s_own_identity(way: str) -> None:
    """No key: the topic's identity writes, into the queue that the app reads, for as long as on the laptop."""
    for one in resources(deployed(way), SUBSCRIPTIONS):
        delivery = one.properties["deliveryWithResourceIdentity"]
        assert (delivery["identity"]["type"], one.properties["destination"]) == ("SystemAssigned", None)
        properties = delivery["destination"]["properties"]
        assert (delivery["destination"]["endpointType"], properties["queueName"]) == ("StorageQueue", SIGNALS)
        assert properties["queueMessageTimeToLiveInSeconds"] == MESSAGE_LIFETIME.total_seconds()


def test_pushed_events_go_to_the_function_that_takes_them() -> None:
    """The destination is the function with the Event Grid trigger, in the app that is deployed."""
    text = (REPOSITORY / "function_app.py").read_text("utf-8")
    trigger = re.search(r"@app\.event_grid_trigger\([^)]*\)\nasync def (\w+)", text)
    assert trigger
    (app,) = resources(deployed("push"), "Web/sites")
    function = f"{app.place.address}/providers/Microsoft.Web/sites/{app.name}/functions/{trigger[1]}"
    for one in resources(deployed("push"), SUBSCRIPTIONS):
        assert one.properties["destination"]["properties"]["resourceId"] == function
        assert one.properties["deliveryWithResourceIdentity"] is None


@pytest.mark.parametrize(("code_is_there", "subscriptions"), [(False, 0), (True, 5)])
def test_a_function_is_subscribed_only_when_its_code_is_there(*, code_is_there: bool, subscriptions: int) -> None:
    """With push, azd's first turn makes everything but the subscriptions; the postdeploy hook's makes them."""
    given = {"environmentName": "spot-responder", "location": "westeurope", "eventDelivery": "push"}
    deployment = deploy(committed_template(), {**given, "functionDeployed": code_is_there})
    assert len(resources(deployment, SUBSCRIPTIONS)) == subscriptions


@pytest.mark.parametrize("way", WAYS)
def test_what_cannot_be_delivered_is_kept(way: str) -> None:
    """Retried for a day, then put into a container that is there, in Event Grid's own words."""
    containers = {one.name for one in resources(deployed(way), "Storage/storageAccounts/blobServices/containers")}
    for one in resources(deployed(way), SUBSCRIPTIONS):
        assert one.properties["retryPolicy"] == {"maxDeliveryAttempts": 30, "eventTimeToLiveInMinutes": 1440}
        assert one.properties["deadLetterWithResourceIdentity"]["identity"] == {"type": "SystemAssigned"}
        dead_letter = one.properties["deadLetterWithResourceIdentity"]["deadLetterDestination"]["properties"]
        account = dead_letter["resourceId"].rpartition("/")[2]
        assert f"{account}/default/{dead_letter['blobContainerName']}" in containers
        assert one.properties["eventDeliverySchema"] == "CloudEventSchemaV1_0"


@pytest.mark.parametrize("way", WAYS)
def test_each_topic_may_deliver_and_nothing_more(way: str) -> None:
    """One right on the queue, one on the account of dead letters; who pushes has no right on the queue."""
    deployment = deployed(way)
    app = deployment.modules["access"].output("principalId")
    rights = Counter((role, scope) for who, role, scope in role_assignments(deployment) if who != app)
    topics = {(one.place, one.name.split("/")[0]) for one in resources(deployment, SUBSCRIPTIONS)}
    expected = {(role, scope): len(topics) for role, scope in _checked_by_event_grid(way)}
    assert rights == expected
    assert len(expected) == (1 if way == "push" else 2)


def _checked_by_event_grid(way: str) -> set[tuple[str, str]]:
    """Give the rights that Event Grid looks for when a subscription is made, and where: at what its destination names.

    For dead letters that is the storage account, and never the container; for a queue it is the queue.
    """
    wanted: set[tuple[str, str]] = set()
    for one in resources(deployed(way), SUBSCRIPTIONS):
        dead_letters = one.properties["deadLetterWithResourceIdentity"]["deadLetterDestination"]["properties"]
        wanted.add((BLOB_CONTRIBUTOR, dead_letters["resourceId"]))
        if delivery := one.properties["deliveryWithResourceIdentity"]:
            queue = delivery["destination"]["properties"]
            wanted.add((SENDER, f"{queue['resourceId']}/queueServices/default/queues/{queue['queueName']}"))
    return wanted


@pytest.mark.parametrize("way", WAYS)
def test_who_writes_dead_letters_cannot_write_the_app(way: str) -> None:
    """No right of a topic is at the account, or anything in it, that holds the package; but for the one queue."""
    deployment = deployed(way)
    (app,) = resources(deployment, "Web/sites")
    (packages,) = (
        one.name.split("/")[0]
        for one in resources(deployment, "Storage/storageAccounts/blobServices/containers")
        if one.name.endswith(
            app.properties["functionAppConfig"]["deployment"]["storage"]["value"].rsplit("blob", 1)[-1]
        )
    )
    identity = deployment.modules["access"].output("principalId")
    there = {
        role
        for who, role, scope in role_assignments(deployment)
        if who != identity and packages in scope.split("/") and not scope.endswith(f"/queues/{SIGNALS}")
    }
    assert there == set()


def test_rights_come_before_subscriptions() -> None:
    """Event Grid refuses a subscription whose topic may not write yet, and two at once on one topic."""
    main = committed_template()["resources"]
    assert "watch" in main["app"]["dependsOn"]
    listen = main["listen"]["properties"]["template"]["resources"]["eventSubscriptions"]
    one_topic = listen["properties"]["template"]["resources"]["eventSubscriptions"]
    assert (one_topic["copy"]["mode"], one_topic["copy"]["batchSize"]) == ("serial", 1)
    assert {"pause", "[format('watch[{0}]', copyIndex())]"} <= set(main["listen"]["dependsOn"])
    assert "deliveryAccess" in main["watch"]["properties"]["template"]["resources"]


def test_system_topics_that_exist_are_used_where_they_are() -> None:
    """Azure allows one of a type: none is made, and the subscriptions are those of the named ones, in their group."""
    deployment = deployed("named-system-topics")
    assert resources(deployment, "EventGrid/systemTopics") == []
    places = {(one.place, one.name.split("/")[0]) for one in resources(deployment, SUBSCRIPTIONS)}
    group = Place(HOME, "rg-events")
    assert places == {(group, "health"), (group, "operations")}
    # Their identities are asked for there as well.
    looked_up = {(one.place, one.parameters["name"]) for one in deployment.nested() if "isNew" in one.parameters}
    assert looked_up == places


def test_a_named_topic_of_another_subscription_is_left_alone() -> None:
    """A topic is used in its own subscription only; the others get their own."""
    several = parameters_of(INFRA / "several-subscriptions.bicepparam")
    named = parameters_of(INFRA / "named-system-topics.bicepparam")
    deployment = deploy(committed_template(), {**named, **several})
    made = Counter(topic.place.subscription for topic in resources(deployment, "EventGrid/systemTopics"))
    assert made == {id_: 2 for id_ in several["watchedSubscriptions"] if id_ != HOME}


@pytest.mark.parametrize("way", WAYS)
def test_a_topic_stands_in_the_subscription_that_it_tells_of(way: str) -> None:
    """With an identity of its own, in a resource group that is made for it."""
    groups = {(one.place.subscription, one.name) for one in resources(deployed(way), "Resources/resourceGroups")}
    for topic in resources(deployed(way), "EventGrid/systemTopics"):
        assert topic.properties["source"] == f"/subscriptions/{topic.place.subscription}"
        assert topic.body["identity"] == {"type": "SystemAssigned"}
        assert (topic.place.subscription, topic.place.group) in groups


@pytest.mark.parametrize("way", WAYS)
def test_the_role_is_that_of_the_laptop_in_each_watched_subscription(way: str) -> None:
    """responder-role.json, word for word, and given to the app there."""
    watched = parameters_of(INFRA / f"{way}.bicepparam").get("watchedSubscriptions", [HOME])
    roles = resources(deployed(way), "Authorization/roleDefinitions")
    assert [role.properties["assignableScopes"] for role in roles] == [[f"/subscriptions/{id_}"] for id_ in watched]
    for role in roles:
        (permissions,) = role.properties["permissions"]
        assert permissions == {name: ROLE[name] for name in permissions}
    # Azure wants the name of a custom role to be unique in the whole directory.
    assert len({role.properties["roleName"] for role in roles}) == len(watched)
    given = [scope for _, role, scope in role_assignments(deployed(way)) if role in {one.name for one in roles}]
    assert given == [f"/subscriptions/{id_}" for id_ in watched]


def test_two_deployments_in_one_subscription_share_no_right() -> None:
    """An assignment is named by who it is for: one that outlives its app stands in nobody's way."""
    rights = [
        {
            (one.scope, one.name)
            for one in resources(deploy(committed_template(), given), "Authorization/roleAssignments")
        }
        for given in ({"environmentName": name, "location": "westeurope"} for name in ("one", "two"))
    ]
    assert rights[0]
    assert rights[0] & rights[1] == set()


def test_the_role_changes_and_deletes_nothing() -> None:
    """Every action reads, but for the one that starts; the one wildcard is within the reads of Resource Health."""
    changes = [action for action in ROLE["actions"] if not action.endswith("/read")]
    assert changes == ["Microsoft.Compute/virtualMachines/start/action"]
    assert [action for action in ROLE["actions"] if "*" in action] == ["Microsoft.ResourceHealth/*/read"]
    assert ROLE["dataActions"] == []
