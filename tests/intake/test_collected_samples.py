"""What the responder makes of every sample that was collected about Azure."""

from __future__ import annotations

from pathlib import Path

import pytest

from spot_responder.intake.events import read_event
from spot_responder.intake.payloads import NotOurs, UnreadableEvent, parse_body
from spot_responder.intake.signals import SignalKind

SHARED = Path(__file__).parents[3] / "shared" / "samples"
NOT_OURS = "not ours"
REFUSED = "refused"
SHARED_EVENTS = {
    "arm/events/activitylog_real_eviction_operation_names.reported": REFUSED,
    "arm/events/activitylog_simulate_eviction.reported": REFUSED,
    "arm/events/resource_annotated_cloudevent.docs": SignalKind.STOPPED_BY_OWNER,
    "arm/events/resource_annotated_eventgrid.docs": SignalKind.STOPPED_BY_OWNER,
    "events/activitylog_administrative_nsg_write_doc": REFUSED,
    "events/activitylog_eventhub_vm_deallocate_success_REAL_2023_redacted": REFUSED,
    "events/activitylog_portal_timeline_of_one_spot_eviction_REAL_2021": REFUSED,
    "events/activitylog_resourcehealth_spot_preempted_REAL_2021": REFUSED,
    "events/activitylog_resourcehealth_spot_preempted_loganalytics_rows_REAL_2021": REFUSED,
    "events/activitylog_resourcehealth_vm_unavailable_doc": REFUSED,
    "events/activitylog_vmss_simulateeviction_REAL_2024_excerpt": REFUSED,
    "events/alert_common_activitylog_administrative_vm_restart_doc": REFUSED,
    "events/alert_common_envelope_metric_doc": REFUSED,
    "events/alert_common_envelope_resourcehealth_thirdparty_2026": REFUSED,
    "events/alert_common_resourcehealth_vm_deallocated_by_user_doc": REFUSED,
    "events/alert_webhook_activitylog_vm_deallocate_doc_2018": REFUSED,
    "events/alert_webhook_activitylog_vm_start_started_2017_redacted": REFUSED,
    "events/alert_webhook_resourcehealth_vm_unavailable_doc_tail_cut": REFUSED,
    "events/eg_arn_resources_createdorupdated_cloudevents_doc": NOT_OURS,
    "events/eg_arn_resources_createdorupdated_eventgrid_doc": NOT_OURS,
    "events/eg_arn_resources_deleted_cloudevents_doc": NOT_OURS,
    "events/eg_arn_resources_deleted_eventgrid_doc": NOT_OURS,
    "events/eg_deadletter_cloudevents_doc": NOT_OURS,
    "events/eg_deadletter_eventgrid_schema_doc": NOT_OURS,
    "events/eg_health_availability_flash_doc_2022_repaired": REFUSED,  # its ids are blanked
    "events/eg_health_availabilitystatuschanged_cloudevents_doc": SignalKind.STARTED,
    "events/eg_health_availabilitystatuschanged_cloudevents_doc_2023-09_longsubject": SignalKind.STARTED,
    "events/eg_health_availabilitystatuschanged_eventgrid_doc": SignalKind.STARTED,
    "events/eg_health_availabilitystatuschanged_eventgrid_doc_2023-09_longsubject": SignalKind.STARTED,
    "events/eg_health_availabilitystatuschanged_unavailable_cloudevents_monitoralerts_doc": SignalKind.UNAVAILABLE,
    "events/eg_health_resourceannotated_cloudevents_doc_2023-09_longsubject": SignalKind.STOPPED_BY_OWNER,
    "events/eg_health_resourceannotated_deallocationinitiated_cloudevents_doc": SignalKind.STOPPED_BY_OWNER,
    "events/eg_health_resourceannotated_deallocationinitiated_eventgrid_doc": SignalKind.STOPPED_BY_OWNER,
    "events/eg_health_resourceannotated_eventgrid_doc_2023-09_longsubject": SignalKind.STOPPED_BY_OWNER,
    "events/eg_health_resourceannotated_preempted_thirdparty_fixture_runnerscout": SignalKind.EVICTED,
    "events/eg_health_resourceannotated_rebootbycontrolplane_cloudevents_monitoralerts_doc": NOT_OURS,
    "events/eg_maintenance_scheduledeventemitted_aks_doc_2024_excerpt": NOT_OURS,
    "events/eg_maintenance_scheduledeventemitted_vm_freeze_completed_eventgrid_thirdparty_2024": NOT_OURS,
    "events/eg_maintenance_scheduledeventemitted_vmss_freeze_eventgrid_doc": NOT_OURS,
    "events/eg_resources_action_success_cloudevents_doc": NOT_OURS,
    "events/eg_resources_action_success_eventgrid_doc": NOT_OURS,
    "events/eg_resources_delete_success_cloudevents_doc": NOT_OURS,
    "events/eg_resources_delete_success_eventgrid_doc": NOT_OURS,
    "events/eg_resources_vm_write_success_eventgrid_real_gist_2018_tail_cut": NOT_OURS,
    "events/eg_resources_write_success_cloudevents_doc": NOT_OURS,
    "events/eg_resources_write_success_eventgrid_doc": NOT_OURS,
    "events/eg_subscription_validation_request_doc": NOT_OURS,
    "events/eg_subscription_validation_response_doc": REFUSED,
    "events/imds_scheduledevents_freeze_started_aks_issue_2023": REFUSED,
    "events/reference_vm_health_annotations_2026-03-18": REFUSED,
}


def outcome(text: bytes) -> str:
    """Say in one word what is made of a payload."""
    try:
        read = read_event(parse_body(text))
    except UnreadableEvent:
        return REFUSED
    return NOT_OURS if isinstance(read, NotOurs) else read.kind


@pytest.mark.skipif(not SHARED.is_dir(), reason="the collected samples (../shared/samples) are not on this machine")
def test_every_collected_sample_is_read_rightly_or_refused() -> None:
    """What was collected about Azure, file by file."""
    files = [*SHARED.glob("events/*.json"), *SHARED.glob("arm/events/*.json")]
    read = {str(file.relative_to(SHARED).with_suffix("")): outcome(file.read_bytes()) for file in files}
    assert read == SHARED_EVENTS
