"""Alarms, workbook and names: what an operator gets to see, and that Azure takes the names."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest

from tests.infra.compiler import REPOSITORY
from tests.infra.ways import WAYS, deployed, resources

ALARMS = {path.read_text("utf-8") for path in (REPOSITORY / "queries" / "logs").glob("alarm-*.kql")}


@pytest.mark.parametrize("way", WAYS)
def test_every_alarm_s_question_is_asked(way: str) -> None:
    """Each query of queries/logs that is meant for an alarm has a rule that tells the operators."""
    rules = resources(deployed(way), "Insights/scheduledQueryRules")
    asked = {rule.properties["criteria"]["allOf"][0]["query"] for rule in rules}
    assert asked == ALARMS
    (group,) = resources(deployed(way), "Insights/actionGroups")
    (workspace,) = resources(deployed(way), "OperationalInsights/workspaces")
    for rule in rules:
        assert [action.rsplit("/", 1)[-1] for action in rule.properties["actions"]["actionGroups"]] == [group.name]
        assert [scope.rsplit("/", 1)[-1] for scope in rule.properties["scopes"]] == [workspace.name]


def test_every_alarm_fires_at_the_first_row() -> None:
    """Enabled, looked at at least as often as its window is long, and told when its query finds anything."""
    periods = {"PT15M": 15, "PT30M": 30, "PT1H": 60, "P1D": 1440}
    for rule in resources(deployed("queue"), "Insights/scheduledQueryRules"):
        (criterion,) = rule.properties["criteria"]["allOf"]
        assert (criterion["timeAggregation"], criterion["operator"], criterion["threshold"]) == (
            "Count",
            "GreaterThan",
            0,
        )
        assert criterion["failingPeriods"] == {"numberOfEvaluationPeriods": 1, "minFailingPeriodsToAlert": 1}
        assert rule.properties["enabled"] is True
        assert periods[rule.properties["evaluationFrequency"]] <= periods[rule.properties["windowSize"]]


@pytest.mark.parametrize("way", WAYS)
def test_lost_events_are_told_for_every_topic(way: str) -> None:
    """Dead-lettered or dropped: one alarm each, of our own subscriptions only."""
    topics: dict[tuple[str, str], list[str]] = {}
    for one in resources(deployed(way), "EventGrid/systemTopics/eventSubscriptions"):
        topic, name = one.name.split("/")
        topics.setdefault((one.place.subscription, topic), []).append(name)
    told: Counter[tuple[str, str]] = Counter()
    for alarm in resources(deployed(way), "Insights/metricAlerts"):
        (criterion,) = alarm.properties["criteria"]["allOf"]
        topic = alarm.properties["scopes"][0].rsplit("/", 1)[-1]
        assert criterion["dimensions"][0]["values"] == topics[alarm.place.subscription, topic]
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


def test_the_workbook_is_the_file() -> None:
    """What is deployed is infra/workbook/workbook.json."""
    (workbook,) = resources(deployed("queue"), "Insights/workbooks")
    file = json.loads((REPOSITORY / "infra" / "workbook" / "workbook.json").read_text("utf-8"))
    assert json.loads(workbook.properties["serializedData"]) == file


@pytest.mark.parametrize("way", WAYS)
def test_azure_takes_the_names(way: str) -> None:
    """By Azure's rules on length and letters."""
    rules = {
        "Storage/storageAccounts": "[a-z0-9]{3,24}",
        "Web/sites": "[A-Za-z0-9-]{2,60}",
        "EventGrid/systemTopics": "[A-Za-z0-9-]{3,50}",
        "EventGrid/systemTopics/eventSubscriptions": "[A-Za-z0-9-]{3,50}/[A-Za-z0-9-]{3,64}",
        "OperationalInsights/workspaces": "[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]",
        "Insights/metricAlerts": "[^:@#<>*%&+{}/?]{1,260}",
    }
    for resource_type, rule in rules.items():
        for one in resources(deployed(way), resource_type):
            assert re.fullmatch(rule, one.name), one.name


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
