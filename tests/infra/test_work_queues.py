"""What the parameter ``workQueues`` deploys, and that nothing of it is there without."""

from __future__ import annotations

import json

import pytest

from spot_responder.demand.work_queues import read_work_queues
from tests.infra.compiler import INFRA, committed_template, parameters_of
from tests.infra.deployment import deploy
from tests.infra.ways import WAYS, deployed, last_names, resources, role_assignments

GROUP = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-farm"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/farm"
QUEUE_READER, TABLE_READER = "19e7f393-937e-4f77-808e-94535e297925", "76199698-9eea-4c19-bc75-cec21354c6b6"
WITH_WORK = deploy(
    committed_template(),
    parameters_of(INFRA / "queue.bicepparam")
    | {"workQueues": [{"accountId": ACCOUNT, "queue": "frames", "messagesPerVm": 5}]},
)


@pytest.mark.parametrize("way", WAYS)
def test_without_work_queues_nothing_of_them_is_there(way: str) -> None:
    """No queue, no table, no right; and the app is told of none."""
    assert "wakes" not in last_names(deployed(way), "Storage/storageAccounts/queueServices/queues")
    assert "work" not in last_names(deployed(way), "Storage/storageAccounts/tableServices/tables")
    assert {QUEUE_READER, TABLE_READER}.isdisjoint(role for _, role, _ in role_assignments(deployed(way)))
    (settings,) = resources(deployed(way), "Web/sites/config")
    assert read_work_queues(str(settings.properties["WORK_QUEUES"])) == ()


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
