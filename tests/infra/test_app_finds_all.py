"""The deployment held against the app: what the app reads, opens and asks for is there, in every way to deploy."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from localazure.laptop import SIGNALS, TABLES
from spot_responder.policy import Policy
from spot_responder.settings import Settings
from tests.infra.compiler import INFRA, REPOSITORY, committed_template, parameters_of, template_of
from tests.infra.deployment import deploy
from tests.infra.expressions import Unknown
from tests.infra.ways import WAYS, deployed, last_names, resources, role_assignments

if TYPE_CHECKING:
    from collections.abc import Iterator

BUILT_IN_ROLES = {
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
    "974c5e8b-45b9-4653-ba55-5f855dd0fb88": "Storage Queue Data Contributor",
    "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": "Storage Table Data Contributor",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
    "d5a91429-5739-47e2-a06b-3470a27159e7": "EventGrid Data Sender",
}
FUNCTION_APP = (REPOSITORY / "function_app.py").read_text("utf-8")
HOST = json.loads((REPOSITORY / "host.json").read_text("utf-8"))


class _Recorder(dict[str, str]):
    """An environment that remembers which variables were asked for."""

    def __init__(self, given: dict[str, str]) -> None:
        super().__init__(given)
        self.asked: set[str] = set()

    def get(self, name: str, default: str = "") -> str:  # type: ignore[override]
        self.asked.add(name)
        return super().get(name, default)


def _app_settings(way: str) -> dict[str, str]:
    """Give the app's environment; what only Azure knows is some https address."""
    (settings,) = resources(deployed(way), "Web/sites/config")
    return {
        name: "https://known.in.azure/" if isinstance(value, Unknown) else value
        for name, value in settings.properties.items()
    }


def _asked_for(environment: dict[str, str]) -> set[str]:
    recorder = _Recorder(environment)
    Settings.from_env(recorder)
    return recorder.asked


@pytest.mark.parametrize("way", WAYS)
def test_every_setting_is_set(way: str) -> None:
    """What settings.py reads stands in the app's settings, so that an operator sees it in the portal."""
    environment = _app_settings(way)
    assert _asked_for(environment) <= set(environment)


def test_nothing_is_set_that_nobody_reads() -> None:
    """A setting with a slip in its name would be ignored silently."""
    environment = _app_settings("queue")
    of_platform = {name for name in environment if re.match("AzureWebJobsStorage__|AZURE_|APPLICATIONINSIGHTS_", name)}
    assert set(environment) - of_platform <= _asked_for(environment)


def test_what_the_template_leaves_alone_is_as_the_app_would_have_it() -> None:
    """The template's defaults are the app's own."""
    settings = Settings.from_env(_app_settings("queue"))
    assert settings.policy == Policy()
    assert (settings.dry_run, settings.outcomes_endpoint) == (False, None)
    assert settings.arm_endpoint == "https://management.azure.com"


def test_what_an_operator_chooses_arrives_in_the_app() -> None:
    """RESTART_WHEN, DRY_RUN and the outcomes topic come from parameters."""
    assert Settings.from_env(_app_settings("several-subscriptions")).policy.restart_when == "evicted"
    trial = Settings.from_env(_app_settings("scheduled-events-preview"))
    assert (trial.dry_run, trial.outcomes_endpoint) == (True, "https://known.in.azure")


@pytest.mark.parametrize("way", WAYS)
def test_every_queue_and_table_is_there(way: str) -> None:
    """What the laptop Azure makes for the app, the deployment makes as well."""
    assert sorted(last_names(deployed(way), "Storage/storageAccounts/queueServices/queues")) == [
        SIGNALS,
        f"{SIGNALS}-poison",
    ]
    assert set(last_names(deployed(way), "Storage/storageAccounts/tableServices/tables")) == set(TABLES)


def test_the_triggers_name_what_is_there() -> None:
    """The queue trigger's queue exists, and its connection has an address for each kind of storage, and an identity."""
    assert set(re.findall(r'queue_name="([^"]+)"', FUNCTION_APP)) == {SIGNALS}
    (connection,) = set(re.findall(r'connection="([^"]+)"', FUNCTION_APP))
    needed = {"credential", "clientId", "blobServiceUri", "queueServiceUri", "tableServiceUri"}
    assert {f"{connection}__{name}" for name in needed} <= set(_app_settings("queue"))


def test_the_host_reads_what_event_grid_writes() -> None:
    """Event Grid writes base64, and what the host gives up ends in a queue that is there."""
    assert HOST["extensions"]["queues"]["messageEncoding"] == "base64"
    assert HOST["extensions"]["queues"]["maxDequeueCount"] > 1
    assert set(HOST["extensions"]) == {"queues"}


@pytest.mark.parametrize("way", WAYS)
def test_the_app_runs_the_python_that_it_is_tested_with(way: str) -> None:
    """Flex Consumption, Python as in .python-version, one user-assigned identity for code and triggers."""
    (app,) = resources(deployed(way), "Web/sites")
    assert app.properties["functionAppConfig"]["runtime"] == {
        "name": "python",
        "version": (REPOSITORY / ".python-version").read_text("utf-8").strip(),
    }
    storage = app.properties["functionAppConfig"]["deployment"]["storage"]
    assert storage["authentication"]["type"] == app.body["identity"]["type"] + "Identity"
    container = storage["value"].rsplit("blob", 1)[-1]
    assert container in last_names(deployed(way), "Storage/storageAccounts/blobServices/containers")
    assert [plan.body["sku"]["name"] for plan in resources(deployed(way), "Web/serverfarms")] == ["FC1"]


def _roles_of_app(way: str) -> Iterator[tuple[str, str]]:
    principal = deployed(way).modules["access"].output("principalId")
    for who, role, scope in role_assignments(deployed(way)):
        if who == principal:
            yield BUILT_IN_ROLES.get(role, "Spot Responder"), scope.split("/")[-2]


@pytest.mark.parametrize("way", WAYS)
def test_the_app_has_every_role_that_it_needs_and_no_other(way: str) -> None:
    """The README's table of permissions, row by row."""
    expected = {
        ("Storage Blob Data Owner", "storageAccounts"),
        ("Storage Queue Data Contributor", "storageAccounts"),
        ("Storage Table Data Contributor", "storageAccounts"),
        ("Monitoring Metrics Publisher", "components"),
        ("Spot Responder", "subscriptions"),
    }
    roles = set(_roles_of_app(way))
    assert roles - {("EventGrid Data Sender", "topics")} == expected
    has_topic = "outcomes" in deployed(way).modules
    assert (("EventGrid Data Sender", "topics") in roles) == has_topic


@pytest.mark.parametrize("way", WAYS)
def test_no_door_opens_with_a_key(way: str) -> None:
    """Storage takes no shared key, the log no instrumentation key, the site no password."""
    (storage,) = resources(deployed(way), "Storage/storageAccounts")
    assert storage.properties["allowSharedKeyAccess"] is False
    assert storage.properties["allowBlobPublicAccess"] is False
    (log,) = resources(deployed(way), "Insights/components")
    assert log.properties["DisableLocalAuth"] is True
    (workspace,) = resources(deployed(way), "OperationalInsights/workspaces")
    assert workspace.properties["features"]["disableLocalAuth"] is True
    doors = resources(deployed(way), "Web/sites/basicPublishingCredentialsPolicies")
    assert {door.name.rsplit("/", 1)[-1]: door.properties["allow"] for door in doors} == {"ftp": False, "scm": False}


def test_no_secret_is_in_the_template() -> None:
    """No key is looked up, no secret is a parameter, no connection string is set, none is put out."""
    text = json.dumps(committed_template())
    assert not re.findall(r"list\w*(?:Keys|Secrets|Sas|Credentials)\w*\(|secure(?:String|Object)", text, re.IGNORECASE)
    assert not re.findall(r"AccountKey=|SharedAccess(?:Key|Signature)=|[?&]sig=", text)
    environment = _app_settings("queue")
    # By the names that the host knows: a bare AzureWebJobsStorage would be a connection string. The address of
    # Application Insights is called one, but opens nothing while local authentication is off.
    assert "AzureWebJobsStorage" not in environment
    named = {name for name in environment if re.search("key|secret|password|connection_?string", name, re.IGNORECASE)}
    assert named == {"APPLICATIONINSIGHTS_CONNECTION_STRING"}
    (settings,) = resources(deployed("queue"), "Web/sites/config")
    assert str(settings.properties["APPLICATIONINSIGHTS_AUTHENTICATION_STRING"]).endswith(";Authorization=AAD")


def test_a_package_is_put_in_by_the_template_itself() -> None:
    """With an address, as the button asks for it: one deployment of that package, built already, after all settings."""
    given = parameters_of(INFRA / "queue.bicepparam") | {"packageAddress": "https://example.com/app.zip"}
    (code,) = resources(deploy(committed_template(), given), "Web/sites/extensions")
    assert code.name.endswith("/onedeploy")
    assert code.properties == {"packageUri": "https://example.com/app.zip", "remoteBuild": False}
    assert resources(deployed("queue"), "Web/sites/extensions") == []


def test_the_policy_adds_the_tag_to_spot_vms_that_azure_deallocates_and_to_no_others() -> None:
    """It modifies, by the right to tag alone, Spot VMs that lack the tag and are not deleted when they are evicted."""
    (rule,) = _policy_rules(template_of(INFRA / "policy" / "main.bicep"))
    conditions = {one["field"]: one for one in rule["if"]["allOf"]}
    assert conditions["Microsoft.Compute/virtualMachines/priority"]["in"] == ["Spot", "Low", "SpotPlus"]
    assert conditions["Microsoft.Compute/virtualMachines/evictionPolicy"]["notEquals"] == "Delete"
    assert [one for one in conditions.values() if one.get("exists") == "false"]
    assert rule["then"]["effect"] == "modify"
    assert len(rule["then"]["details"]["roleDefinitionIds"]) == 1
    (operation,) = rule["then"]["details"]["operations"]
    assert (operation["operation"], operation["value"]) == ("add", "true")


def _policy_rules(part: Any) -> list[Any]:  # noqa: ANN401 - a template is whatever JSON is
    if isinstance(part, list):
        return [rule for one in part for rule in _policy_rules(one)]
    if isinstance(part, dict):
        here = [part["policyRule"]] if "policyRule" in part else []
        return here + [rule for one in part.values() for rule in _policy_rules(one)]
    return []
