"""The deployment held against the app: what the app reads, opens and asks for is there, in every way to deploy."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from localazure.deployed_storage import AGENTS, SIGNALS, TABLES
from localazure.event_grid.dead_letters import CONTAINER
from spot_responder.decisions.policy import Policy
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
    "2a2b9908-6ea1-4ae2-8e63-a410df84e7d1": "Storage Blob Data Reader",
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
    """What the app reads stands in its settings, so that an operator sees it in the portal.

    But for Azure's public price list, which has one address for all, and work queues, where there are none.
    """
    environment = _app_settings(way)
    assert _asked_for(environment) - {"PRICES_ENDPOINT", "WORK_QUEUES"} <= set(environment)


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


# Parameters that azd sets under the name of the app's setting.
SETTINGS = {
    name: variable
    for name, given in json.loads((INFRA / "main.parameters.json").read_text("utf-8"))["parameters"].items()
    for variable in re.findall(r"^\$\{([A-Z_]+)", given["value"])
    if re.search(rf"[ {{]{variable}: ", (INFRA / "main.bicep").read_text("utf-8"))
}


@pytest.mark.parametrize(("parameter", "setting"), SETTINGS.items(), ids=SETTINGS.keys())
def test_each_parameter_reaches_its_own_setting(parameter: str, setting: str) -> None:
    """Set one, and that one setting changes, under the name by which azd knows it."""
    if setting == "WORK_QUEUES":
        pytest.skip("it is a list of objects: test_work_queues.py")
    given = parameters_of(INFRA / "queue.bicepparam") | {parameter: "4711"}
    (settings,) = resources(deploy(committed_template(), given), "Web/sites/config")
    (usual,) = resources(deployed("queue"), "Web/sites/config")
    assert dict(settings.properties) == {**usual.properties, setting: "4711"}


def test_an_operator_can_choose_whatever_the_app_reads() -> None:
    """All that settings.py reads, but for addresses, which are known without asking."""
    addresses = {"ARM_ENDPOINT", "DEAD_LETTERS_ENDPOINT", "OUTCOMES_TOPIC_ENDPOINT", "PRICES_ENDPOINT"}
    read = {name for name in _asked_for(_app_settings("queue")) if not name.startswith("AzureWebJobsStorage__")}
    assert set(SETTINGS.values()) - {"SWEEP_SCHEDULE"} == read - addresses - {"SWEEP_SCHEDULE"}


@pytest.mark.parametrize("way", WAYS)
def test_the_app_is_told_who_it_is_and_where_each_kind_of_storage_is(way: str) -> None:
    """One identity, by its client id, for host and SDK; an address of its own kind for blobs, queues and tables.

    All of one account; dead letters are in another.
    """
    (settings,) = resources(deployed(way), "Web/sites/config")
    told = settings.properties
    client = deployed(way).modules["access"].output("clientId")
    assert told["AzureWebJobsStorage__credential"] == "managedidentity"
    assert told["AzureWebJobsStorage__clientId"] == told["AZURE_CLIENT_ID"] == client
    assert told["AZURE_TOKEN_CREDENTIALS"] == "ManagedIdentityCredential"  # noqa: S105 - the name of a class
    assert told["APPLICATIONINSIGHTS_AUTHENTICATION_STRING"] == f"ClientId={client};Authorization=AAD"
    for kind in ("blob", "queue", "table"):
        assert str(told[f"AzureWebJobsStorage__{kind}ServiceUri"]).endswith(f"storage).primaryEndpoints.{kind}")
    assert told["DEAD_LETTERS_ENDPOINT"] == deployed(way).modules["deadLetters"].output("endpoint")


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_said_unencrypted(way: str) -> None:
    """TLS 1.2 and nothing less, to storage and site; no FTP."""
    for storage in resources(deployed(way), "Storage/storageAccounts"):
        guard = storage.properties
        assert (guard["minimumTlsVersion"], guard["supportsHttpsTrafficOnly"]) == ("TLS1_2", True)
    (app,) = resources(deployed(way), "Web/sites")
    assert app.properties["httpsOnly"] is True
    site = app.properties["siteConfig"]
    assert (site["minTlsVersion"], site["scmMinTlsVersion"], site["ftpsState"]) == ("1.2", "1.2", "Disabled")


@pytest.mark.parametrize("way", WAYS)
def test_dead_letters_have_a_storage_account_of_their_own(way: str) -> None:
    """Who may write there may not write the package that the app runs from; both accounts are guarded alike."""
    accounts = {one.name: one for one in resources(deployed(way), "Storage/storageAccounts")}
    (app_account, dead) = sorted(accounts, key=len)
    containers = [one.name for one in resources(deployed(way), "Storage/storageAccounts/blobServices/containers")]
    assert sorted(containers) == sorted([f"{app_account}/default/packages", f"{dead}/default/{CONTAINER}"])
    queues = resources(deployed(way), "Storage/storageAccounts/queueServices/queues")
    tables = resources(deployed(way), "Storage/storageAccounts/tableServices/tables")
    assert {one.name.split("/")[0] for one in [*queues, *tables]} == {app_account}
    assert accounts[dead].properties == accounts[app_account].properties


def test_dead_letters_are_forgotten_after_a_month() -> None:
    """They carry names and addresses of people."""
    (policy,) = resources(deployed("queue"), "Storage/storageAccounts/managementPolicies")
    assert "dead" in policy.name.split("/")[0]
    (rule,) = policy.properties["policy"]["rules"]
    assert rule["definition"]["filters"]["prefixMatch"] == ["event-dead-letters/"]
    assert rule["definition"]["actions"] == {"baseBlob": {"delete": {"daysAfterModificationGreaterThan": 30}}}


def test_the_log_goes_into_the_workspace_that_the_alarms_ask() -> None:
    """Application Insights without a workspace would be one that nobody looks into."""
    (log,) = resources(deployed("queue"), "Insights/components")
    (workspace,) = resources(deployed("queue"), "OperationalInsights/workspaces")
    assert log.properties["WorkspaceResourceId"].endswith(f"/workspaces/{workspace.name}")
    (workbook,) = resources(deployed("queue"), "Insights/workbooks")
    assert workbook.properties["sourceId"].endswith(f"/workspaces/{workspace.name}")


def test_what_changes_a_site_comes_one_after_the_other() -> None:
    """Settings, then the two that are closed to the network, then the code: at once they refuse each other."""
    parts = committed_template()["resources"]["app"]["properties"]["template"]["resources"]
    order = ["app::settings", "app::ftpPassword", "app::scmPassword"]
    for before, after in pairwise(order):
        assert before in parts[after]["dependsOn"]
    assert "app" in _before("code")


def _before(module: str) -> set[str]:
    """Give all that comes before a module of main.bicep."""
    parts = committed_template()["resources"]
    found: set[str] = set()
    waiting = [module]
    while waiting:
        named = {re.sub(r"\[format\('(\w+)\[.*", r"\1", name) for name in parts[waiting.pop()].get("dependsOn", [])}
        waiting += named - found
        found |= named
    return found


def test_what_needs_a_role_to_have_taken_effect_comes_last() -> None:
    """The package and the event subscriptions are refused until it has: all else comes first, and then a pause."""
    subscriptions = {"listen", "blobEvents"}
    others = committed_template()["resources"].keys() - subscriptions
    assert _before("code") == others - {"code"}
    assert _before("listen") == others
    assert _before("pause") == others - {"code", "pause"}
    assert "pause" in _before("blobEvents")


def test_the_pause_takes_turns_that_deploy_nothing() -> None:
    """One after the other; a loop that ran at once would take no time."""
    (turns,) = committed_template()["resources"]["pause"]["properties"]["template"]["resources"].values()
    assert (turns["copy"]["mode"], turns["copy"]["batchSize"]) == ("serial", 1)
    (pause,) = (one for one in deployed("queue").modules.values() if one.name.startswith("pause-"))
    assert len(pause.modules) == 12
    assert list(pause.everything()) == []


def test_a_role_that_was_just_made_is_given_last() -> None:
    """A directory may not know it everywhere yet, so the topics and their rights come in between."""
    watch = committed_template()["resources"]["watch"]["properties"]["template"]["resources"]
    assert {"responderRole", "deliveryAccess"} <= set(watch["responderAccess"]["dependsOn"])


def test_what_is_put_out_is_what_the_operator_s_page_asks_for() -> None:
    """Names and addresses; nothing else, and so no secret."""
    outputs = set(committed_template()["outputs"])
    pages = [
        (REPOSITORY / "docs" / page).read_text("utf-8")
        for page in ("operations.md", "deploying.md", "verify-in-azure.md")
    ]
    asked = set(re.findall(r"\$(AZURE_[A-Z_]+)", "".join(pages)))
    # azd knows the subscription itself; the rest is for its own commands.
    assert asked - {"AZURE_SUBSCRIPTION_ID", "AZURE_CONFIG_DIR"} <= outputs
    assert outputs == {
        "AGENTS_QUEUE_ADDRESS",
        "AZURE_DEAD_LETTERS_ACCOUNT_NAME",
        "AZURE_FUNCTION_APP_NAME",
        "AZURE_IDENTITY_CLIENT_ID",
        "AZURE_LOCATION",
        "AZURE_LOG_ANALYTICS_WORKSPACE_ID",
        "AZURE_RESOURCE_GROUP",
        "AZURE_STORAGE_ACCOUNT_NAME",
        "AZURE_TENANT_ID",
        "SIGNALS_QUEUE",
        "WAKES_QUEUE_ADDRESS",
    }


@pytest.mark.parametrize("way", WAYS)
def test_every_queue_and_table_is_there(way: str) -> None:
    """What the laptop Azure makes for the app, the deployment makes as well."""
    assert sorted(last_names(deployed(way), "Storage/storageAccounts/queueServices/queues")) == [
        AGENTS,
        f"{AGENTS}-poison",
        SIGNALS,
        f"{SIGNALS}-poison",
    ]
    assert set(last_names(deployed(way), "Storage/storageAccounts/tableServices/tables")) == set(TABLES)


def test_the_triggers_name_what_is_there() -> None:
    """The queue trigger's queue exists, and its connection has an address for each kind of storage, and an identity."""
    assert set(re.findall(r'queue_name="([^"]+)"', FUNCTION_APP)) == {SIGNALS, AGENTS, "wakes"}
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
            kind, name = scope.split("/")[-2:]
            is_dead = kind == "storageAccounts" and name.startswith("stdead")
            yield BUILT_IN_ROLES.get(role, "Spot Responder"), "account of dead letters" if is_dead else kind


@pytest.mark.parametrize("way", WAYS)
def test_the_app_has_every_role_that_it_needs_and_no_other(way: str) -> None:
    """The table of rights in docs/rights.md §1, row by row."""
    expected = {
        ("Storage Blob Data Owner", "storageAccounts"),
        ("Storage Queue Data Contributor", "storageAccounts"),
        ("Storage Table Data Contributor", "storageAccounts"),
        ("Storage Blob Data Reader", "account of dead letters"),
        ("Monitoring Metrics Publisher", "components"),
        ("Spot Responder", "subscriptions"),
    }
    roles = set(_roles_of_app(way))
    assert roles - {("EventGrid Data Sender", "topics")} == expected
    has_topic = "outcomes" in deployed(way).modules
    assert (("EventGrid Data Sender", "topics") in roles) == has_topic


def test_outcomes_may_be_told_to_the_topic_that_was_named_and_to_no_other() -> None:
    """The right is on that one topic, in its own group."""
    way = "scheduled-events-preview"
    topic = parameters_of(INFRA / f"{way}.bicepparam")["outcomesTopicId"]
    sender = next(role for role, name in BUILT_IN_ROLES.items() if name == "EventGrid Data Sender")
    assert [scope for _, role, scope in role_assignments(deployed(way)) if role == sender] == [topic]


def test_the_costs_are_worked_out_for_the_memory_that_an_instance_has() -> None:
    """docs/cost.md multiplies by it."""
    (app,) = resources(deployed("queue"), "Web/sites")
    memory = app.properties["functionAppConfig"]["scaleAndConcurrency"]["instanceMemoryMB"]
    page = (REPOSITORY / "docs" / "cost.md").read_text("utf-8")
    assert re.findall(r"executions . seconds each . (\d+) GB", page) == [str(memory // 1024)]


@pytest.mark.parametrize("way", WAYS)
def test_nothing_opens_with_a_key(way: str) -> None:
    """Storage takes no shared key, the log no instrumentation key, the site no password."""
    for storage in resources(deployed(way), "Storage/storageAccounts"):
        assert storage.properties["allowSharedKeyAccess"] is False
        assert storage.properties["allowBlobPublicAccess"] is False
    (log,) = resources(deployed(way), "Insights/components")
    assert log.properties["DisableLocalAuth"] is True
    (workspace,) = resources(deployed(way), "OperationalInsights/workspaces")
    assert workspace.properties["features"]["disableLocalAuth"] is True
    ports = resources(deployed(way), "Web/sites/basicPublishingCredentialsPolicies")
    assert {request_kind.name.rsplit("/", 1)[-1]: request_kind.properties["allow"] for request_kind in ports} == {
        "ftp": False,
        "scm": False,
    }


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
    given = {"resourceGroupName": "rg-batch", "location": "westeurope", "restartTag": "BringBack"}
    policy = deploy(template_of(INFRA / "policy" / "main.bicep"), given)
    (definition,) = resources(policy, "Authorization/policyDefinitions")
    rule = definition.properties["policyRule"]
    conditions = {one["field"]: one for one in rule["if"]["allOf"]}
    tag = "[concat('tags[', parameters('tagName'), ']')]"
    assert conditions["type"]["equals"] == "Microsoft.Compute/virtualMachines"
    assert conditions["Microsoft.Compute/virtualMachines/priority"]["in"] == ["Spot", "Low", "SpotPlus"]
    assert conditions["Microsoft.Compute/virtualMachines/evictionPolicy"]["notEquals"] == "Delete"
    assert conditions[tag]["exists"] == "false"
    assert rule["then"]["effect"] == "modify"
    assert rule["then"]["details"]["operations"] == [{"operation": "add", "field": tag, "value": "true"}]
    (role,) = rule["then"]["details"]["roleDefinitionIds"]
    (assignment,) = resources(policy, "Authorization/policyAssignments")
    assert assignment.properties["parameters"] == {"tagName": {"value": "BringBack"}}
    (right,) = resources(policy, "Authorization/roleAssignments")
    assert right.properties["roleDefinitionId"].endswith(role)
    assert role.endswith("/4a9ae827-6dc8-4573-8ac7-8239d42aa03f")  # Tag Contributor
    assert right.scope.endswith("/resourceGroups/rg-batch")
    assert assignment.scope == right.scope


def test_an_agent_may_put_messages_into_its_queue_and_do_nothing_else() -> None:
    """For each identity one role, at the one queue: neither the other queue nor the package is in reach."""
    given = {"storageAccountName": "stresponder", "principalIds": ["vm-1", "vm-2"]}
    senders = deploy(template_of(INFRA / "agent" / "senders.bicep"), given)
    rights = list(role_assignments(senders))
    assert [who for who, _, _ in rights] == ["vm-1", "vm-2"]
    assert {role for _, role, _ in rights} == {"c6a89b2d-59bc-44d0-9896-0f6e12d7b80a"}
    (queue,) = {scope for _, _, scope in rights}
    assert queue.endswith(f"/storageAccounts/stresponder/queueServices/default/queues/{AGENTS}")
    assert len({one.name for one in senders.resources}) == len(senders.resources) == 2
