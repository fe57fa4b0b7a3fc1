"""What the doctor says of the rights by which Event Grid delivers: where it looks for them, and where it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from localazure.resource_manager.deployment import deployed
from spot_responder.operators.views.findings import Accounts, Finding, Health
from spot_responder.operators.views.topic_rights import TopicRight, right_finding, topic_rights

INFRA = Path(__file__).resolve().parents[2] / "infra"
ACCOUNTS = Accounts("spotresponder", "spotresponderdead")
DEPLOYED = deployed(INFRA / "event-filters.json", INFRA / "responder-role.json", INFRA / "main.json")
TOPIC = DEPLOYED.topics["evgst-health"]["identity"]["principalId"]


def rights(accounts: Accounts = ACCOUNTS) -> dict[str, TopicRight]:
    """Give what the health topic needs, by what it is for."""
    return {right.to: right for right in topic_rights(DEPLOYED.subscriptions["evgst-health"], accounts)}


def found(assignments: list[dict[str, Any]], to: str = "keep dead letters") -> Finding:
    """Hold role assignments against one right."""
    return right_finding("health", rights()[to], TOPIC, assignments)


def assignment(to: str = "keep dead letters", **changed: str) -> dict[str, Any]:
    """Give the assignment of one right, as Azure shows it."""
    right = rights()[to]
    role = f"/subscriptions/1/providers/Microsoft.Authorization/roleDefinitions/{right.role_id}"
    return {"properties": {"principalId": TOPIC.upper(), "roleDefinitionId": role, "scope": right.scope} | changed}


@pytest.mark.parametrize("to", ["deliver", "keep dead letters"])
def test_what_the_template_gives_is_what_event_grid_looks_for(to: str) -> None:
    """The rights of infra/main.json, of each topic."""
    assert rights().keys() == {"deliver", "keep dead letters"}
    finding = found(DEPLOYED.assignments, to)
    assert (finding.what, finding.health) == (f"right of topic health to {to}", Health.GOOD)


def test_a_right_is_told_with_role_and_place() -> None:
    """So that it can be looked up in the portal."""
    assert found([assignment()]).told == "Storage Blob Data Contributor on the whole storage account spotresponderdead"
    assert found([assignment("deliver")], "deliver").told == "Storage Queue Data Message Sender on the queue signals"


@pytest.mark.parametrize(
    ("changed", "health"),
    [
        ({"scope": "/subscriptions/11111111-1111-4111-8111-111111111111"}, Health.GOOD),
        (
            {"scope": "/SUBSCRIPTIONS/11111111-1111-4111-8111-111111111111/resourcegroups/RG-SPOT-RESPONDER/"},
            Health.GOOD,
        ),
        ({"scope": "/"}, Health.GOOD),
        ({"scope": f"{rights()['keep dead letters'].scope}/blobServices/default/containers/x"}, Health.BAD),
        ({"scope": f"{rights()['keep dead letters'].scope}2"}, Health.BAD),
        ({"scope": rights()["deliver"].scope}, Health.BAD),
        ({"principalId": "somebody"}, Health.BAD),
        ({"roleDefinitionId": "/roleDefinitions/2a2b9908-6ea1-4ae2-8e63-a410df84e7d1"}, Health.BAD),
    ],
)
def test_dead_letters_need_the_whole_account(changed: dict[str, str], health: Health) -> None:
    """Event Grid looks at the account, or above it: a right at the container alone is none, nor is a reader's."""
    finding = found([assignment(**changed)])
    assert finding.health is health
    if health is Health.BAD:
        told = "it lacks Storage Blob Data Contributor on the whole storage account spotresponderdead"
        assert (finding.told, finding.mend) == (told, "azd provision")


def test_a_topic_without_an_identity_has_no_right() -> None:
    """One that existed before, and was named in the deployment."""
    unnamed = assignment(principalId="")
    assert right_finding("health", rights()["deliver"], "", [unnamed]).health is Health.BAD


def test_what_other_environments_need_is_not_ours() -> None:
    """Their subscriptions hang on the same topic, and deliver to their own accounts."""
    assert rights(Accounts("other", "otherdead")) == {}
    assert rights(Accounts("spotresponder", "")).keys() == {"deliver"}
    pushed = {
        "properties": {"destination": {"endpointType": "AzureFunction", "properties": {"resourceId": "/…/on_event"}}}
    }
    assert topic_rights([pushed], ACCOUNTS) == ()
