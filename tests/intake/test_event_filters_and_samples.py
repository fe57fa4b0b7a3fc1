"""Which of Azure's events pass which of our event subscriptions, by Event Grid's own rules."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from localazure.event_grid.event_filters import MOST_FILTERS, MOST_VALUES, read_topics

REPOSITORY = Path(__file__).resolve().parents[2]
DEPLOYED = [REPOSITORY / "infra" / name for name in ("event-filters.json", "preview-event-filters.json")]
OURS = Path(__file__).parents[1] / "payloads" / "events"
COLLECTED = REPOSITORY.parent / "shared" / "samples" / "events"

SUBSCRIPTIONS = {
    subscription.name: subscription.filter
    for path in DEPLOYED
    for topic in read_topics(path)
    for subscription in topic.subscriptions
}
DEFINITIONS = [
    subscription
    for path in DEPLOYED
    for topic in json.loads(path.read_text(encoding="utf-8"))["topics"].values()
    for subscription in topic["subscriptions"]
]

# The event subscription that each of our own payloads passes; None where none may.
PASSES: dict[str, str | None] = {
    "action_deallocate_eventgrid": "power-operations",
    "action_evict_spot_vm_cloudevent": "evict-operation",
    "action_other_resource_eventgrid": None,
    "action_simulate_eviction_eventgrid": "power-operations",
    "action_start_cloudevent": "power-operations",
    "annotated_deallocation_long_subject": "owner-intent",
    "annotated_preempted_cloudevent": "evicted",
    "annotated_preempted_eventgrid": "evicted",
    "annotated_preempted_occured": "evicted",
    "annotated_preempted_without_time": "evicted",
    "annotated_reboot_cloudevent": None,
    "annotated_start_eventgrid": "owner-intent",
    "availability_available_eventgrid": None,
    "availability_preview_name": None,
    "availability_unavailable_cloudevent": "unavailable",
    "availability_unknown_cloudevent": None,
    "bad_activity_log_record": None,
    "bad_activity_log_records": None,
    "bad_annotated_at_no_time": "evicted",
    "bad_availability_without_vm": None,
    "bad_imds_document": None,
    "bad_monitor_alert": None,
    "bad_validation_response": None,
    "bad_webhook_alert": None,
    "dead_letter_cloudevent": None,
    "follow_up": None,
    "operator_asked": None,
    "work_waits": None,
    "resources_created_or_updated_cloudevent": None,
    "scheduled_freeze_eventgrid": None,
    "scheduled_managed_cluster_eventgrid": None,
    "scheduled_preempt_completed_cloudevent": "preempt",
    "scheduled_preempt_eventgrid": "preempt",
    "scheduled_preempt_scale_set_eventgrid": "preempt",
    "subscription_validation_eventgrid": None,
    "sweep_found": None,
    "write_success_vm_eventgrid": None,
}

# The same for the collected samples; those that are not named here are no events for us.
COLLECTED_PASSES = {
    "eg_health_availabilitystatuschanged_unavailable_cloudevents_monitoralerts_doc": "unavailable",
    "eg_health_resourceannotated_cloudevents_doc_2023-09_longsubject": "owner-intent",
    "eg_health_resourceannotated_deallocationinitiated_cloudevents_doc": "owner-intent",
    "eg_health_resourceannotated_deallocationinitiated_eventgrid_doc": "owner-intent",
    "eg_health_resourceannotated_eventgrid_doc_2023-09_longsubject": "owner-intent",
    "eg_health_resourceannotated_preempted_thirdparty_fixture_runnerscout": "evicted",
}

ENVELOPE = {
    "id": "id",
    "topic": "source",
    "subject": "subject",
    "data": "data",
    "eventType": "type",
    "eventTime": "time",
}

needs_collection = pytest.mark.skipif(
    not COLLECTED.is_dir(), reason="the collected samples (../shared/samples/events) are not beside this repository"
)


def event_of(path: Path) -> dict[str, Any]:
    """Read a payload; Event Grid schema's deliveries are lists of one."""
    document = json.loads(path.read_text(encoding="utf-8"))
    event: dict[str, Any] = document[0] if isinstance(document, list) else document
    return event


def passed(event: dict[str, Any]) -> list[str]:
    """Give the subscriptions that an event passes."""
    return [name for name, subscription in SUBSCRIPTIONS.items() if subscription.passes(event)]


def counterpart(event: dict[str, Any]) -> dict[str, Any]:
    """Write an event in the other of Event Grid's two schemas."""
    if "eventType" in event:
        other = {ENVELOPE[name]: value for name, value in event.items() if name in ENVELOPE}
        return other | {"specversion": "1.0"}
    names = {cloud: grid for grid, cloud in ENVELOPE.items()}
    other = {names[name]: value for name, value in event.items() if name in names}
    return other | {"dataVersion": "1", "metadataVersion": "1"}


def swapped(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Turn every letter of every text, not of the names, into the other case."""
    match value:
        case dict():
            return {name: swapped(one) for name, one in value.items()}
        case list():
            return [swapped(one) for one in value]
        case str():
            return value.swapcase()
        case _:
            return value


def without(event: dict[str, Any], key: str) -> dict[str, Any]:
    """Take the value at a path such as ``data.operationName`` out of an event."""
    changed = copy.deepcopy(event)
    *way, last = key.split(".")
    place = changed
    for name in way:
        place = place[name]
    del place[last]
    return changed


def listed(name: str | None) -> list[str]:
    """Give an entry of the tables as a list."""
    return [name] if name else []


def test_each_payload_of_ours_has_its_place_in_the_table() -> None:
    """A payload that is added needs an answer here, and each subscription needs one that passes it."""
    assert {path.stem for path in OURS.glob("*.json")} == PASSES.keys()
    assert set(PASSES.values()) - {None} == SUBSCRIPTIONS.keys()


@pytest.mark.parametrize(("name", "subscription"), PASSES.items(), ids=PASSES.keys())
def test_an_event_passes_exactly_the_subscription_that_it_should(name: str, subscription: str | None) -> None:
    """No event comes twice, and what is not for us does not come; in either schema, in any casing."""
    event = event_of(OURS / f"{name}.json")
    assert passed(event) == listed(subscription)
    assert passed(counterpart(event)) == listed(subscription)
    assert passed(counterpart(counterpart(event))) == listed(subscription)
    assert passed(swapped(event)) == listed(subscription)


@needs_collection
def test_the_collected_samples_pass_as_they_should() -> None:
    """What Microsoft prints and others logged, read from the collection itself; and their counterparts."""
    paths = sorted(COLLECTED.glob("*.json"))
    assert COLLECTED_PASSES.keys() <= {path.stem for path in paths}
    for path in paths:
        event, expected = event_of(path), listed(COLLECTED_PASSES.get(path.stem))
        assert passed(event) == expected, path.stem
        assert passed(counterpart(event)) == expected, path.stem


@needs_collection
def test_of_all_annotations_that_azure_documents_only_evictions_and_owners_wishes_pass() -> None:
    """Forty-five are documented; maintenance, crashes and reboots are none of our business."""
    reference = json.loads(next(COLLECTED.glob("reference_vm_health_annotations_*.json")).read_text(encoding="utf-8"))
    event = event_of(OURS / "annotated_preempted_cloudevent.json")
    let_in: dict[str, list[str]] = {}
    for one in reference["annotations"]:
        event["data"]["resourceInfo"]["properties"]["annotationName"] = one["annotationName"]
        assert passed(counterpart(event)) == passed(event)
        let_in |= {one["annotationName"]: passed(event)} if passed(event) else {}
    owners = [
        "VirtualMachineDeallocationInitiated",
        "VirtualMachineStartInitiatedByControlPlane",
        "VirtualMachineStopInitiatedByControlPlane",
        "VirtualMachineStopInitiatedByControlPlaneTrackingId",
        "VirtualMachineStoppedInternally",
    ]
    assert let_in == {"VirtualMachinePreempted": ["evicted"]} | {name: ["owner-intent"] for name in owners}
    assert len(reference["annotations"]) > len(let_in)


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda one: str(one["name"]))
def test_an_event_that_lacks_the_key_does_not_pass(definition: dict[str, Any]) -> None:
    """Azure promises no key; one that is missing must not let everything in."""
    name = definition["name"]
    payload = next(file for file, subscription in PASSES.items() if subscription == name)
    event = event_of(OURS / f"{payload}.json")
    for one in definition["filter"]["advancedFilters"]:
        assert passed(without(event, one["key"])) == []


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda one: str(one["name"]))
def test_a_subscription_is_one_that_event_grid_takes(definition: dict[str, Any]) -> None:
    """At most 25 filters and 25 values, types named in full, a reason for whoever reads it."""
    advanced = definition["filter"]["advancedFilters"]
    assert 1 <= len(advanced) <= MOST_FILTERS == 25
    assert 1 <= sum(len(one["values"]) for one in advanced) <= MOST_VALUES == 25
    assert all(kind.startswith("Microsoft.") for kind in definition["filter"]["includedEventTypes"])
    assert definition["why"].endswith(".")


def test_names_of_event_subscriptions_are_unique() -> None:
    """Two of a name would be one in Azure."""
    assert len(SUBSCRIPTIONS) == len(DEFINITIONS)
