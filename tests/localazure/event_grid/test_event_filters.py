"""Event Grid's filters: what they let through, what Event Grid would refuse, and what ours are there for."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localazure.event_grid.azure_events import DeliverySchema, azure_event
from localazure.event_grid.event_filters import EventFilter, EventFilterError, read_filter, read_topics
from localazure.world.happenings import ActionSucceeded, Annotated, AvailabilityChanged, Happening
from spot_responder.intake.events import read_event
from spot_responder.intake.signals import Signal

FILTERS = Path(__file__).resolve().parents[3] / "infra" / "event-filters.json"
COMPUTE = "Microsoft.Compute/virtualMachines"
VM = f"/subscriptions/11111111-2222-4333-8444-555555555555/resourceGroups/rg/providers/{COMPUTE}/spot-1"
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
EVENT: dict[str, object] = {
    "eventType": "Shop.Sold",
    "subject": "/Shops/North/Apples",
    "data": {"name": "Granny Smith", "count": 5, "ripe": True, "buyer": None, "tags": ["green"], "deep": {"er": "x"}},
}


def _passes(operator: str, key: str, **operands: object) -> bool:
    return _filter(operator, key, **operands).passes(EVENT)


def _filter(operator: str, key: str, **operands: object) -> EventFilter:
    return read_filter({"advancedFilters": [{"operatorType": operator, "key": key, **operands}]}, "test")


def _taken_by(happening: Happening) -> set[str]:
    event = azure_event(happening, "event-1", AT)
    return {
        subscription.name
        for topic in read_topics(FILTERS)
        if topic.topic_type == event.topic_type
        for subscription in topic.subscriptions
        if subscription.filter.passes(event.written(DeliverySchema.EVENT_GRID))
    }


def _write(folder: Path, subscription: dict[str, object]) -> Path:
    path = folder / "event-filters.json"
    topics = {"health": {"topicType": "T", "subscriptions": [subscription]}}
    path.write_text(json.dumps({"topics": topics}), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("operator", "values", "expected"),
    [
        ("StringContains", ["NY SM"], True),
        ("StringContains", ["pear"], False),
        ("StringBeginsWith", ["pear", "GRANNY"], True),
        ("StringBeginsWith", ["Smith"], False),
        ("StringEndsWith", ["smITH"], True),
        ("StringEndsWith", ["granny"], False),
        ("StringIn", ["granny smith"], True),
        ("StringIn", ["granny"], False),
        ("StringNotContains", ["pear", "Smith"], False),
        ("StringNotContains", ["pear"], True),
        ("StringNotBeginsWith", ["GRANNY"], False),
        ("StringNotBeginsWith", ["pear"], True),
        ("StringNotEndsWith", ["SMITH"], False),
        ("StringNotEndsWith", ["pear"], True),
        ("StringNotIn", ["granny SMITH"], False),
        ("StringNotIn", ["granny"], True),
    ],
)
def test_texts_are_compared_without_regard_to_case(operator: str, values: list[str], *, expected: bool) -> None:
    """Any one of the values is enough, whatever the casing; with a Not, every one of them must fail."""
    assert _passes(operator, "data.name", values=values) is expected


@pytest.mark.parametrize(
    ("operator", "operands", "expected"),
    [
        ("NumberIn", {"values": [4, 5]}, True),
        ("NumberIn", {"values": [4]}, False),
        ("NumberNotIn", {"values": [4]}, True),
        ("NumberNotIn", {"values": [5]}, False),
        ("NumberLessThan", {"value": 5}, False),
        ("NumberLessThan", {"value": 5.5}, True),
        ("NumberLessThanOrEquals", {"value": 5}, True),
        ("NumberLessThanOrEquals", {"value": 4}, False),
        ("NumberGreaterThan", {"value": 5}, False),
        ("NumberGreaterThan", {"value": 4}, True),
        ("NumberGreaterThanOrEquals", {"value": 5}, True),
        ("NumberGreaterThanOrEquals", {"value": 6}, False),
        ("NumberInRange", {"values": [[1, 2], [5, 9]]}, True),
        ("NumberInRange", {"values": [[6, 9]]}, False),
        ("NumberNotInRange", {"values": [[1, 2], [5, 9]]}, False),
        ("NumberNotInRange", {"values": [[6, 9]]}, True),
    ],
)
def test_numbers_are_compared_as_numbers(operator: str, operands: dict[str, object], *, expected: bool) -> None:
    """Limits of ranges belong to them."""
    assert _passes(operator, "data.count", **operands) is expected


def test_true_is_no_number_and_no_text() -> None:
    """A value of another kind than the operator's is ignored, as if it were not there."""
    assert _passes("BoolEquals", "data.ripe", value=True)
    assert not _passes("BoolEquals", "data.ripe", value=False)
    assert not _passes("BoolEquals", "data.count", value=True)
    assert not _passes("NumberIn", "data.ripe", values=[1])
    assert not _passes("StringContains", "data.count", values=["5"])
    assert not _passes("StringIn", "data.tags", values=["green"])


def test_whether_a_value_is_there_can_be_asked() -> None:
    """A null counts as not there, and so does a key beneath something that has no keys."""
    for key in ("data.buyer", "data.nothing", "data.name.first", "nothing.at.all"):
        assert _passes("IsNullOrUndefined", key), key
        assert not _passes("IsNotNull", key), key
    for key in ("data.name", "data.deep.er", "subject"):
        assert _passes("IsNotNull", key), key
        assert not _passes("IsNullOrUndefined", key), key


@pytest.mark.parametrize(
    ("operator", "operands", "expected"),
    [
        ("StringContains", {"values": ["a"]}, False),
        ("StringNotContains", {"values": ["a"]}, False),
        ("StringNotBeginsWith", {"values": ["a"]}, False),
        ("StringNotEndsWith", {"values": ["a"]}, False),
        ("StringNotIn", {"values": ["a"]}, True),
        ("NumberNotIn", {"values": [1]}, True),
        ("NumberNotInRange", {"values": [[1, 2]]}, False),
        ("NumberLessThan", {"value": 1}, False),
        ("BoolEquals", {"value": False}, False),
    ],
)
def test_a_missing_key_matches_only_two_operators(
    operator: str, operands: dict[str, object], *, expected: bool
) -> None:
    """Of all comparisons, StringNotIn and NumberNotIn alone let an event through that lacks the key."""
    assert _passes(operator, "data.nothing", **operands) is expected
    assert _passes(operator, "data.buyer", **operands) is expected


def test_all_conditions_must_hold() -> None:
    """Filters are joined with and."""
    apple = {"operatorType": "StringContains", "key": "data.name", "values": ["smith"]}
    many = {"operatorType": "NumberGreaterThan", "key": "data.count", "value": 5}
    few = {"operatorType": "NumberLessThan", "key": "data.count", "value": 6}
    assert read_filter({"advancedFilters": [apple, few]}, "test").passes(EVENT)
    assert not read_filter({"advancedFilters": [apple, many]}, "test").passes(EVENT)


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ({}, True),
        ({"includedEventTypes": None}, True),
        ({"includedEventTypes": ["All"]}, True),
        ({"includedEventTypes": ["Shop.Bought", "shop.sold"]}, True),
        ({"includedEventTypes": ["Shop.Bought"]}, False),
        ({"subjectBeginsWith": "/shops/north"}, True),
        ({"subjectBeginsWith": "/shops/north", "isSubjectCaseSensitive": True}, False),
        ({"subjectBeginsWith": "/Shops/North", "isSubjectCaseSensitive": True}, True),
        ({"subjectBeginsWith": "/shops/south"}, False),
        ({"subjectEndsWith": "apples"}, True),
        ({"subjectEndsWith": "pears"}, False),
    ],
)
def test_types_and_subjects_are_filtered(definition: dict[str, object], *, expected: bool) -> None:
    """An event type must be one of those named, if any are; a subject must begin and end as asked."""
    assert read_filter(definition, "test").passes(EVENT) is expected


def test_a_cloud_event_is_filtered_by_its_type() -> None:
    """The same filter serves both schemas."""
    only_sold = read_filter({"includedEventTypes": ["Shop.Sold"]}, "test")
    assert only_sold.passes({"type": "Shop.Sold", "subject": ""})
    assert not only_sold.passes({"type": "Shop.Bought", "subject": ""})


def test_names_on_the_envelope_may_be_written_as_microsoft_does() -> None:
    """Microsoft writes Subject and EventType as keys, where events have subject and eventType."""
    assert _passes("StringContains", "Subject", values=["apples"])
    assert not _passes("StringContains", "data.Name", values=["smith"])


@given(st.text(max_size=12), st.lists(st.text(max_size=4), min_size=1, max_size=5))
def test_a_not_is_the_opposite_where_there_is_a_value(text: str, values: list[str]) -> None:
    """Whatever text is compared with whatever values, an operator and its Not never agree."""
    event: dict[str, object] = {"data": {"key": text}}
    for name in ("Contains", "BeginsWith", "EndsWith", "In"):
        positive = _filter(f"String{name}", "data.key", values=values).passes(event)
        assert positive != _filter(f"StringNot{name}", "data.key", values=values).passes(event)


@pytest.mark.parametrize(
    ("filter_", "complaint"),
    [
        (
            {"advancedFilters": [{"operatorType": "StringEquals", "key": "k", "values": ["v"]}]},
            "unknown operator 'StringEquals'",
        ),
        ({"advancedFilters": [{"operatorType": "StringIn", "key": "k", "value": "v"}]}, "needs 'values'"),
        ({"advancedFilters": [{"operatorType": "StringIn", "key": "k", "values": []}]}, "has no values"),
        ({"advancedFilters": [{"operatorType": "StringIn", "key": "k", "values": "v"}]}, "values must be a list"),
        ({"advancedFilters": [{"operatorType": "StringIn", "key": "k", "values": [1]}]}, "compares with texts"),
        ({"advancedFilters": [{"operatorType": "NumberIn", "key": "k", "values": [True]}]}, "compares with numbers"),
        ({"advancedFilters": [{"operatorType": "NumberInRange", "key": "k", "values": [1, 2]}]}, "compares with range"),
        ({"advancedFilters": [{"operatorType": "BoolEquals", "key": "k", "value": "true"}]}, "true or false"),
        ({"advancedFilters": [{"operatorType": "IsNotNull", "key": "k", "value": 1}]}, "takes no value"),
        ({"advancedFilters": [{"operatorType": "StringIn", "values": ["v"]}]}, "must name"),
        ({"advancedFilters": ["k == v"]}, "must name"),
        ({"subjectBeginsWith": 1}, "subjectBeginsWith must be a text"),
        ({"enableAdvancedFilteringOnArrays": True}, "unknown filter properties"),
        ({"advancedFilters": [{"operatorType": "IsNotNull", "key": "k"}] * 26}, "26 advanced filters"),
        (
            {"advancedFilters": [{"operatorType": "StringIn", "key": "k", "values": ["v"] * 13}] * 2},
            "26 filter values",
        ),
        ({"advancedFilters": [{"operatorType": "StringIn", "key": "k", "values": ["v" * 513]}]}, "513 characters"),
    ],
)
def test_what_event_grid_would_refuse_is_an_error_that_says_where(
    filter_: dict[str, object], complaint: str, tmp_path: Path
) -> None:
    """The error names the file, the subscription and what is wrong, so that it is found before a deployment."""
    path = _write(tmp_path, {"name": "broken-one", "filter": filter_})
    with pytest.raises(EventFilterError) as refusal:
        read_topics(path)
    assert all(part in str(refusal.value) for part in (str(path), "broken-one", complaint))


def test_the_limits_themselves_are_allowed() -> None:
    """Twenty-five filters, twenty-five values and 512 characters are not yet too much."""
    there = {"operatorType": "IsNotNull", "key": "k"}
    assert len(read_filter({"advancedFilters": [there] * 25}, "test").advanced) == 25
    assert len(_filter("StringIn", "k", values=["v" * 512] * 25).advanced[0].operands) == 25


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"topics": {"health": {}}}', '{"topics": {"health": 1}}'])
def test_a_file_of_another_shape_is_an_error_that_names_it(text: str, tmp_path: Path) -> None:
    """A file that holds no topics says so, with its name."""
    path = tmp_path / "other.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(EventFilterError, match=r"other\.json"):
        read_topics(path)


@pytest.mark.parametrize("subscription", [{"name": "a"}, {"filter": {}}, {"name": 1, "filter": {}}])
def test_a_subscription_needs_a_name_and_a_filter(subscription: dict[str, object], tmp_path: Path) -> None:
    """Half a subscription is not quietly taken for one that lets everything through."""
    with pytest.raises(EventFilterError, match="a subscription must be"):
        read_topics(_write(tmp_path, subscription))


def test_our_subscriptions_are_the_planned_ones() -> None:
    """Two topics and five subscriptions, with names that Azure takes, and all of them different."""
    names = [[subscription.name for subscription in topic.subscriptions] for topic in read_topics(FILTERS)]
    assert names == [["evicted", "unavailable", "owner-intent"], ["power-operations", "evict-operation"]]
    assert all(re.fullmatch(r"[A-Za-z0-9-]{3,64}", name) for group in names for name in group)


def test_every_subscription_says_why_and_names_its_event_types() -> None:
    """Bicep hands on the filter alone; a subscription that forgot its event types would be sent everything."""
    topics = json.loads(FILTERS.read_text(encoding="utf-8"))["topics"]
    for subscription in (one for topic in topics.values() for one in topic["subscriptions"]):
        assert subscription.keys() == {"name", "why", "filter"}
        assert subscription["filter"]["includedEventTypes"], subscription["name"]


@pytest.mark.parametrize(
    ("happening", "subscriptions"),
    [
        (Annotated(VM, AT, "VirtualMachinePreempted"), {"evicted"}),
        (Annotated(VM, AT, "VirtualMachinePreemptedTrackingId"), {"evicted"}),
        (AvailabilityChanged(VM, AT, "Available", "Unavailable"), {"unavailable"}),
        (AvailabilityChanged(VM, AT, "Unavailable", "Available"), set()),
        (AvailabilityChanged(VM, AT, "Available", "Degraded"), set()),
        (Annotated(VM, AT, "VirtualMachineDeallocationInitiated"), {"owner-intent"}),
        (Annotated(VM, AT, "VirtualMachineStopInitiatedByControlPlane"), {"owner-intent"}),
        (Annotated(VM, AT, "VirtualMachineStopInitiatedByControlPlaneTrackingId"), {"owner-intent"}),
        (Annotated(VM, AT, "VirtualMachineStoppedInternally"), {"owner-intent"}),
        (Annotated(VM, AT, "VirtualMachineStartInitiatedByControlPlane"), {"owner-intent"}),
        (Annotated(VM, AT, "VirtualMachineAllocated"), set()),
        (Annotated(VM, AT, "VirtualMachineRebootInitiatedByControlPlane"), set()),
        (ActionSucceeded(VM, AT, f"{COMPUTE}/start/action", "someone"), {"power-operations"}),
        (ActionSucceeded(VM, AT, f"{COMPUTE}/deallocate/action", "someone"), {"power-operations"}),
        (ActionSucceeded(VM, AT, f"{COMPUTE}/powerOff/action", "someone"), {"power-operations"}),
        (ActionSucceeded(VM, AT, f"{COMPUTE}/simulateEviction/action", "someone"), {"power-operations"}),
        (ActionSucceeded(VM, AT, f"{COMPUTE.upper()}/DEALLOCATE/ACTION", "someone"), {"power-operations"}),
        (ActionSucceeded(VM, AT, f"{COMPUTE}/evictSpotVM/action", ""), {"evict-operation"}),
        (ActionSucceeded(VM, AT, f"{COMPUTE}/restart/action", "someone"), set()),
    ],
)
def test_what_we_need_to_hear_comes_through_once(happening: Happening, subscriptions: set[str]) -> None:
    """Every happening that concerns us passes exactly one subscription, and no other happening passes any."""
    assert _taken_by(happening) == subscriptions


@pytest.mark.parametrize(
    "happening",
    [
        *(
            Annotated(VM, AT, f"VirtualMachine{name}")
            for name in (
                "Preempted",
                "DeallocationInitiated",
                "StopInitiatedByControlPlane",
                "StoppedInternally",
                "StartInitiatedByControlPlane",
            )
        ),
        AvailabilityChanged(VM, AT, "Available", "Unavailable"),
        *(
            ActionSucceeded(VM, AT, f"{COMPUTE}/{operation}/action", "someone")
            for operation in ("start", "deallocate", "powerOff", "simulateEviction", "evictSpotVM")
        ),
    ],
)
def test_nothing_comes_through_that_the_product_cannot_use(happening: Happening) -> None:
    """Each event that a subscription lets through wakes the app for a signal, never for nothing."""
    assert _taken_by(happening)
    event = azure_event(happening, "event-1", AT).written(DeliverySchema.CLOUD_EVENTS)
    assert isinstance(read_event(event), Signal)
