"""What the parameter ``workQueues`` deploys, and that nothing of it is there without."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from spot_worker.deciding.stops.own_stop import UP_MINUTES

from spot_responder.demand.work_queues import read_work_queues
from tests.harness.log_analytics import REACHES
from tests.infra.compiler import INFRA, committed_template, parameters_of, template_of
from tests.infra.deployment import deploy
from tests.infra.expressions import ExpressionError
from tests.infra.ways import WAYS, deployed, last_names, resources, role_assignments

if TYPE_CHECKING:
    from tests.infra.deployment import Deployment, Resource

FILTER = json.loads((INFRA / "blob-event-filter.json").read_text("utf-8"))["filter"]
GROUP = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-farm"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/farm"
QUEUE_READER, TABLE_READER = "19e7f393-937e-4f77-808e-94535e297925", "76199698-9eea-4c19-bc75-cec21354c6b6"
WITH_WORK = deploy(
    committed_template(),
    parameters_of(INFRA / "queue.bicepparam")
    | {"workQueues": [{"accountId": ACCOUNT, "queue": "frames", "messagesPerVm": 5}]},
)


SENDER, BLOB_CONTRIBUTOR = "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a", "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
EVENT_SUBSCRIPTIONS = "EventGrid/systemTopics/eventSubscriptions"


def _with(*queues: dict[str, object]) -> Deployment:
    given = [{"accountId": ACCOUNT, "queue": "frames"} | queue for queue in queues]
    return deploy(committed_template(), parameters_of(INFRA / "queue.bicepparam") | {"workQueues": given})


def _of_blobs(deployment: Deployment) -> dict[str, Resource]:
    """Give the event subscriptions of storage accounts, by name."""
    found = resources(deployment, EVENT_SUBSCRIPTIONS)
    return {one.name.rsplit("/", 1)[-1]: one for one in found if "blobs-" in one.name}


@pytest.mark.parametrize("way", WAYS)
def test_without_work_queues_nothing_of_them_is_there(way: str) -> None:
    """No queue, no table, no right, no topic of a storage account; and the app has no setting of them."""
    assert "wakes" not in last_names(deployed(way), "Storage/storageAccounts/queueServices/queues")
    assert "work" not in last_names(deployed(way), "Storage/storageAccounts/tableServices/tables")
    assert {QUEUE_READER, TABLE_READER}.isdisjoint(role for _, role, _ in role_assignments(deployed(way)))
    assert not _of_blobs(deployed(way))
    (settings,) = resources(deployed(way), "Web/sites/config")
    assert "WORK_QUEUES" not in settings.properties


def test_work_queues_add_to_a_deployment_and_change_nothing_else() -> None:
    """So what is deployed without is what a template without this parameter deploys: but for one setting of the app."""
    with_blobs = _with({"container": "frames-in"})
    without = {(one.place, one.type, one.name): one.body for one in deployed("queue").everything()}
    with_work = {(one.place, one.type, one.name): one.body for one in with_blobs.everything()}
    changed = {key for key, body in without.items() if with_work.get(key) != body}
    assert {kind for _, kind, _ in changed} == {"Microsoft.Web/sites/config"}
    (before,), (after,) = (resources(each, "Web/sites/config") for each in (deployed("queue"), with_blobs))
    assert {name for name in after.properties if after.properties[name] != before.properties.get(name)} == {
        "WORK_QUEUES"
    }


def test_there_is_an_alarm_about_work() -> None:
    """It tells a queue's VMs apart, and what is the matter; its query was tried with as much as its rule sees."""
    (rule,) = [one for one in resources(WITH_WORK, "Insights/scheduledQueryRules") if one.name.endswith("-work")]
    (criterion,) = rule.properties["criteria"]["allOf"]
    assert criterion["query"] == (INFRA.parent / "queries" / "logs" / "alarm-work.kql").read_text("utf-8")
    assert [one["name"] for one in criterion["dimensions"]] == ["queue", "vm", "needs"]
    assert (rule.properties["windowSize"], REACHES["alarm-work"]) == ("PT1H", timedelta(hours=1))


def test_work_queues_of_one_account_are_made_one_after_the_other() -> None:
    """Each makes the table ``workers``: at once, one of them would be refused, and with it the whole deployment."""
    copy = committed_template()["resources"]["workQueue"]["copy"]
    assert (copy["mode"], copy["batchSize"]) == ("serial", 1)


def test_idle_and_minimum_time_are_the_same_everywhere_where_nobody_sets_them() -> None:
    """The workers on the VMs keep to them, and the responder tells by them of a VM that stays up."""
    (settings,) = resources(WITH_WORK, "Web/sites/config")
    (deployed_queue,) = read_work_queues(str(settings.properties["WORK_QUEUES"]))
    least = {"name": "farm/frames", "queueEndpoint": "https://q", "tableEndpoint": "https://t"}
    (read,) = read_work_queues(json.dumps([least]))
    workload = template_of(INFRA / "workload" / "main.bicep")["parameters"]
    assert (read.idle, read.minimum) == (deployed_queue.idle, deployed_queue.minimum)
    assert timedelta(minutes=workload["idleMinutes"]["defaultValue"]) == read.idle
    assert timedelta(minutes=workload["minimumMinutes"]["defaultValue"]) == read.minimum
    assert timedelta(minutes=UP_MINUTES) == read.minimum


def test_a_blob_in_the_container_is_a_job_and_a_wake() -> None:
    """One system topic of the account, by its own identity; jobs do not expire, wakes live for a day."""
    deployment = _with({"container": "frames-in"}, {"queue": "films", "container": "films-in"}, {"queue": "other"})
    (topic,) = [one for one in resources(deployment, "EventGrid/systemTopics") if "blobs-" in one.name]
    assert (topic.properties["source"].lower(), topic.body["identity"]) == (ACCOUNT.lower(), {"type": "SystemAssigned"})
    found = {}
    for name, one in _of_blobs(deployment).items():
        to = one.properties["deliveryWithResourceIdentity"]["destination"]["properties"]
        seconds = to["queueMessageTimeToLiveInSeconds"]
        found[name] = (to["resourceId"].rsplit("/", 1)[-1], to["queueName"], seconds)
        assert one.place.address.lower() == GROUP.lower()
        assert one.properties["filter"] == FILTER | {
            "subjectBeginsWith": f"/blobServices/default/containers/{name.split('-')[2]}-in/"
        }
    own = found["spot-responder-frames-wakes"][0]
    assert found == {
        "spot-responder-frames-jobs": ("farm", "frames", -1),
        "spot-responder-frames-wakes": (own, "wakes", 86400),
        "spot-responder-films-jobs": ("farm", "films", -1),
        "spot-responder-films-wakes": (own, "wakes", 86400),
    }
    assert own != "farm"
    (settings,) = resources(deployment, "Web/sites/config")
    told = [queue.container for queue in read_work_queues(str(settings.properties["WORK_QUEUES"]))]
    assert told == ["frames-in", "films-in", ""]
    assert {"frames-in", "films-in"} <= set(last_names(deployment, "Storage/storageAccounts/blobServices/containers"))


def test_events_of_blobs_may_come_into_these_queues_and_nowhere_else() -> None:
    """Above all not into the queue of signals, where one can speak for an owner of a VM."""
    deployment = _with({"container": "frames-in"})
    usual = set(role_assignments(deployed("queue")))
    new = [(role, scope.split("/")[-1]) for who, role, scope in set(role_assignments(deployment)) - usual]
    (account,) = {scope for _, role, scope in usual if role == BLOB_CONTRIBUTOR}
    assert sorted(new) == sorted(
        [
            (QUEUE_READER, "frames"),
            (TABLE_READER, "workers"),
            (SENDER, "frames"),
            (SENDER, "wakes"),
            (BLOB_CONTRIBUTOR, account.split("/")[-1]),
        ]
    )


def test_pushed_events_of_vms_leave_those_of_blobs_in_their_queues() -> None:
    """No function takes an event of a blob."""
    given = parameters_of(INFRA / "push.bicepparam") | {
        "workQueues": [{"accountId": ACCOUNT, "queue": "frames", "container": "frames-in"}]
    }
    found = _of_blobs(deploy(committed_template(), given))
    assert len(found) == 2
    for one in found.values():
        assert one.properties["destination"] is None
        assert one.properties["deliveryWithResourceIdentity"]["destination"]["endpointType"] == "StorageQueue"


def test_a_topic_that_the_account_has_already_is_used() -> None:
    """Azure allows one; and a queue with a long name has event subscriptions with a short one."""
    queue = "q" * 56
    deployment = _with({"queue": queue, "container": "frames-in", "systemTopic": "farms-own"})
    assert "farms-own" not in last_names(deployment, "EventGrid/systemTopics")
    names = [one.name for one in resources(deployment, EVENT_SUBSCRIPTIONS) if one.name.startswith("farms-own/")]
    assert len(names) == 2
    assert all(len(name.split("/")[1]) <= 64 for name in names)


def test_the_container_of_checkpoints_is_refused_before_anything_is_deployed() -> None:
    """Each checkpoint would be a job, whose checkpoints would be jobs."""
    with pytest.raises(ExpressionError, match="would make a job of each checkpoint"):
        _with({"container": "frames-checkpoints"})


def test_the_app_is_told_of_each_work_queue() -> None:
    """As it reads them, with the defaults written out."""
    (settings,) = resources(WITH_WORK, "Web/sites/config")
    (told,) = json.loads(str(settings.properties["WORK_QUEUES"]))
    assert (told["name"], told["messagesPerVm"], told["maxVms"]) == ("farm/frames", 5, 10)


def test_wakes_and_what_is_kept_have_a_place() -> None:
    """A queue with its poison queue, and a table, in the app's own storage."""
    queues = last_names(WITH_WORK, "Storage/storageAccounts/queueServices/queues")
    assert {"wakes", "wakes-poison", "frames"} <= set(queues)
    assert {"work", "workers"} <= set(last_names(WITH_WORK, "Storage/storageAccounts/tableServices/tables"))


def test_the_app_may_read_that_queue_and_its_workers_and_write_neither() -> None:
    """At the queue and the table, not at the account."""
    principal = WITH_WORK.modules["access"].output("principalId")
    usual = {(role, scope) for who, role, scope in role_assignments(deployed("queue")) if who == principal}
    of_work = [
        (role, scope.split("/")[-2:])
        for who, role, scope in role_assignments(WITH_WORK)
        if who == principal and role in {QUEUE_READER, TABLE_READER}
    ]
    assert sorted(of_work) == [(QUEUE_READER, ["queues", "frames"]), (TABLE_READER, ["tables", "workers"])]
    all_roles = [role for who, role, _ in role_assignments(WITH_WORK) if who == principal]
    assert len(all_roles) == len(usual) + 2
