"""Alarms, workbook and names: what an operator gets to see, and that Azure takes the names."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.harness.log_analytics import REACHES
from tests.infra.compiler import INFRA, REPOSITORY, committed_template, parameters_of
from tests.infra.deployment import deploy
from tests.infra.ways import WAYS, deployed, resources

if TYPE_CHECKING:
    from tests.infra.deployment import Deployment, Resource

ALARMS = {path.stem: path.read_text("utf-8") for path in (REPOSITORY / "queries" / "logs").glob("alarm-*.kql")}
PERIODS = {
    "PT15M": timedelta(minutes=15),
    "PT30M": timedelta(minutes=30),
    "PT1H": timedelta(hours=1),
    "PT2H": timedelta(hours=2),
    "P1D": timedelta(days=1),
    "P2D": timedelta(days=2),
}
OF_WORK = "alarm-work"
"""It is there where there are work queues: test_work_queues.py."""
# The column by which alarms of a kind are told apart: a second one is told while the first is still fired.
TOLD_APART_BY = {
    "alarm-app-failures": ["what"],
    "alarm-denied": ["vm"],
    "alarm-event-path-silent": ["subscription"],
    "alarm-lasting": ["vm", "needs"],
    "alarm-unrecovered": ["vm"],
}


def _rules(deployment: Deployment) -> dict[str, Resource]:
    """Give the log alarms by the name of their query; the environment is called spot-responder everywhere."""
    rules = resources(deployment, "Insights/scheduledQueryRules")
    return {rule.name.replace("spot-responder-", "alarm-", 1): rule for rule in rules}


@pytest.mark.parametrize("way", WAYS)
def test_every_alarm_s_question_is_asked(way: str) -> None:
    """Each query of queries/logs that is meant for an alarm has a rule that tells the operators."""
    rules = _rules(deployed(way))
    asked = {name: rule.properties["criteria"]["allOf"][0]["query"] for name, rule in rules.items()}
    assert asked == {name: query for name, query in ALARMS.items() if name != OF_WORK}
    (group,) = resources(deployed(way), "Insights/actionGroups")
    (workspace,) = resources(deployed(way), "OperationalInsights/workspaces")
    for rule in rules.values():
        assert [action.rsplit("/", 1)[-1] for action in rule.properties["actions"]["actionGroups"]] == [group.name]
        assert [scope.rsplit("/", 1)[-1] for scope in rule.properties["scopes"]] == [workspace.name]


def test_every_alarm_fires_at_the_first_row_or_where_there_is_none() -> None:
    """Enabled, looked at at least as often as its window is long; silence is told where nothing is found."""
    for name, rule in _rules(deployed("queue")).items():
        (criterion,) = rule.properties["criteria"]["allOf"]
        fires = ("LessThan", 1) if name == "alarm-app-silent" else ("GreaterThan", 0)
        assert (criterion["operator"], criterion["threshold"]) == fires
        assert criterion["timeAggregation"] == "Count"
        assert criterion["failingPeriods"] == {"numberOfEvaluationPeriods": 1, "minFailingPeriodsToAlert": 1}
        assert rule.properties["enabled"] is True
        assert rule.properties["autoMitigate"] is True
        # A new workspace has no tables yet: Azure must not check the query against them.
        assert rule.properties["skipQueryValidation"] is True
        assert PERIODS[rule.properties["evaluationFrequency"]] <= PERIODS[rule.properties["windowSize"]]


def test_a_second_vm_s_alarm_is_told_while_the_first_s_is_fired() -> None:
    """Azure tells apart by dimensions: columns that the query gives, with any value. The others are one at a time."""
    for name, rule in _rules(deployed("queue")).items():
        (criterion,) = rule.properties["criteria"]["allOf"]
        columns = TOLD_APART_BY.get(name, [])
        assert criterion["dimensions"] == [{"name": one, "operator": "Include", "values": ["*"]} for one in columns]
        given = re.findall(r"^\| project (.*)$", criterion["query"], re.MULTILINE)[-1]
        # Azure sorts rows into windows by their time, so each must have one.
        assert {"TimeGenerated", *columns} <= set(re.findall(r"(?:^|, )(\w+)(?= =|,|$)", given))


def test_an_alarm_sees_as_far_back_as_its_query_was_tried_with() -> None:
    """tests/docs/test_alarm_queries.py lets each query see what its rule lets it see."""
    seen = {
        name: PERIODS[rule.properties["overrideQueryTimeRange"] or rule.properties["windowSize"]]
        for name, rule in _rules(deployed("queue")).items()
    }
    assert seen == {name: reach for name, reach in REACHES.items() if name != OF_WORK}


@pytest.mark.parametrize("name", sorted(ALARMS))
def test_no_alarm_makes_up_the_time_of_a_row(name: str) -> None:
    """Azure sorts rows into windows by their time; one that says "now" may lie past the window's end."""
    assert "now()" not in re.sub(r"//.*", "", ALARMS[name])


@pytest.mark.parametrize("name", sorted(ALARMS))
def test_an_alarm_asks_one_table_first(name: str) -> None:
    """Azure Monitor takes no rule whose query searches or unites tables, and wants a table at its beginning."""
    query = re.sub(r"//.*", "", ALARMS[name])
    assert re.match(r"\s*App(Traces|Requests)\n", query)
    assert not re.search(r"\b(union|search)\b", query)


@pytest.mark.parametrize(
    ("schedule", "told"),
    [
        ("0 */15 * * * *", True),
        ("0 0,30 * * * *", True),
        ("0 10-50 * * * *", True),
        ("*/30 * * * * *", True),
        ("0 0 * * * *", False),
        ("0 */15 */2 * * *", False),
        ("0 */15 8-18 * * *", False),
        ("0 */15 * * * MON-FRI", False),
        ("0", False),
    ],
)
def test_the_app_s_silence_is_told_where_it_should_have_spoken(schedule: str, *, told: bool) -> None:
    """Who lets it sweep more seldom than twice an hour would be woken for nothing: that one alarm is off then."""
    given = parameters_of(INFRA / "queue.bicepparam") | {"sweepSchedule": schedule}
    rules = _rules(deploy(committed_template(), given))
    assert {name for name, rule in rules.items() if not rule.properties["enabled"]} == (
        set() if told else {"alarm-app-silent"}
    )


@pytest.mark.parametrize("way", WAYS)
def test_lost_events_are_told_for_every_topic(way: str) -> None:
    """Dead-lettered or dropped: one alarm each, of our own subscriptions only."""
    topics: dict[tuple[str, str], list[str]] = {}
    for one in resources(deployed(way), "EventGrid/systemTopics/eventSubscriptions"):
        topic, name = one.name.split("/")
        topics.setdefault((one.place.subscription, topic), []).append(name)
    told: Counter[tuple[str, str]] = Counter()
    (group,) = resources(deployed(way), "Insights/actionGroups")
    for alarm in resources(deployed(way), "Insights/metricAlerts"):
        (criterion,) = alarm.properties["criteria"]["allOf"]
        topic = alarm.properties["scopes"][0].rsplit("/", 1)[-1]
        assert criterion["dimensions"][0]["values"] == topics[alarm.place.subscription, topic]
        assert (criterion["operator"], criterion["threshold"], criterion["timeAggregation"]) == (
            "GreaterThan",
            0,
            "Total",
        )
        assert alarm.name.endswith(
            {"DeadLetteredCount": "lettered", "DroppedEventCount": "dropped"}[criterion["metricName"]]
        )
        assert [action["actionGroupId"].rsplit("/", 1)[-1] for action in alarm.properties["actions"]] == [group.name]
        told[alarm.place.subscription, topic] += 1
    assert told == dict.fromkeys(topics, 2)


def test_a_query_looks_no_further_back_than_its_alarm() -> None:
    """A query that goes back two days gets two days: Azure cuts what it sees to the rule's window."""
    for rule in resources(deployed("queue"), "Insights/scheduledQueryRules"):
        query = rule.properties["criteria"]["allOf"][0]["query"]
        reaches = {int(days) for days in re.findall(r"ago\((\d+)d\)", query)}
        assert max(reaches, default=0) <= (2 if rule.properties["overrideQueryTimeRange"] == "P2D" else 0)


def test_operators_are_told_by_e_mail_where_there_is_an_address() -> None:
    """With an address the action group writes to it; without one the alarms are in the portal only."""
    for way, addresses in (("queue", ["operators@example.com"]), ("push", [])):
        (group,) = resources(deployed(way), "Insights/actionGroups")
        assert [receiver["emailAddress"] for receiver in group.properties["emailReceivers"]] == addresses
        assert all(receiver["useCommonAlertSchema"] for receiver in group.properties["emailReceivers"])


def test_the_workbook_is_the_file() -> None:
    """What is deployed is infra/workbook/workbook.json."""
    (workbook,) = resources(deployed("queue"), "Insights/workbooks")
    file = json.loads((REPOSITORY / "infra" / "workbook" / "workbook.json").read_text("utf-8"))
    assert json.loads(workbook.properties["serializedData"]) == file


# Azure's rules on length and letters.
NAMES = {
    "Authorization/roleAssignments": "[0-9a-f-]{36}",
    "Authorization/roleDefinitions": "[0-9a-f-]{36}",
    "EventGrid/systemTopics": "[A-Za-z0-9-]{3,50}",
    "EventGrid/systemTopics/eventSubscriptions": "[A-Za-z0-9-]{3,50}/[A-Za-z0-9-]{3,64}",
    "Insights/actionGroups": "[^:<>+/&%\\\\?|]{1,260}",
    "Insights/components": "[^%&\\\\?/]{1,260}",
    "Insights/metricAlerts": "[^:@#<>*%&+{}/?]{1,260}",
    "Insights/scheduledQueryRules": "[^:@#<>*%&+{}/?]{1,260}",
    "ManagedIdentity/userAssignedIdentities": "[A-Za-z0-9][A-Za-z0-9_-]{2,127}",
    "OperationalInsights/workspaces": "[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]",
    "Resources/resourceGroups": r"[\w.()-]{0,89}[\w()-]",
    "Storage/storageAccounts": "[a-z0-9]{3,24}",
    "Web/serverfarms": "[A-Za-z0-9-]{1,60}",
    "Web/sites": "[A-Za-z0-9-]{2,60}",
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("environment", ["spot-responder", "x", "Trial_2.(a)" + "b" * 21])
def test_azure_takes_the_names(way: str, environment: str) -> None:
    """However the environment is called: azd lets it have dots, underscores and brackets, and we 32 characters."""
    given = parameters_of(INFRA / f"{way}.bicepparam") | {"environmentName": environment}
    for one in deploy(committed_template(), given).everything():
        kind = one.type.removeprefix("Microsoft.")
        assert re.fullmatch(NAMES.get(kind, ".+"), one.name), (one.type, one.name)


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_deployed_twice(way: str) -> None:
    """No two resources of one name in one place, and no two modules: the second would overwrite the first, or wait."""
    deployment = deployed(way)
    made = Counter((one.type, one.place, one.scope, one.name) for one in deployment.everything())
    modules = Counter((module.place, module.name) for module in deployment.nested())
    assert [one for one, times in (made + modules).items() if times > 1] == []


@pytest.mark.parametrize("way", WAYS)
def test_a_new_identity_may_be_given_a_role_at_once(way: str) -> None:
    """With the principal's type given, Azure does not look it up in a directory that may not have it yet."""
    kinds = {one.properties["principalType"] for one in resources(deployed(way), "Authorization/roleAssignments")}
    assert kinds == {"ServicePrincipal"}
