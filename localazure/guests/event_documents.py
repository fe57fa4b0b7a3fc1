"""A document of scheduled events as the metadata service writes it, in each version of its API. Pure.

Versions and fields: the version table of Microsoft's "Scheduled Events for Linux VMs". Called by
``metadata_answers.py``.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from localazure.guests.scheduled_events import EventType

if TYPE_CHECKING:
    from localazure.guests.scheduled_events import Document, ScheduledEvent

PREVIEW: Final = "2024-07-09"
"""The version with ``SpotRebalanceRecommendation``; in June 2026 not generally available."""

VERSIONS: Final = ("2017-08-01", "2017-11-01", "2019-01-01", "2019-04-01", "2019-08-01", "2020-07-01", PREVIEW)
"""In the order of their time, so that they compare as texts. 2017-03-01, a preview, wrote every name otherwise."""

# An event of a type that a version does not have yet is not shown in it.
_TYPE_SINCE: Final = {
    EventType.FREEZE: "2017-08-01",
    EventType.REBOOT: "2017-08-01",
    EventType.REDEPLOY: "2017-08-01",
    EventType.PREEMPT: "2017-11-01",
    EventType.TERMINATE: "2019-01-01",
    EventType.REBALANCE: PREVIEW,
}
_FIELD_SINCE: Final = {"Description": "2019-04-01", "EventSource": "2019-08-01", "DurationInSeconds": "2020-07-01"}


class TimeForm(StrEnum):
    """How ``NotBefore`` is written: as documented, or in a way that was seen elsewhere and has to be understood."""

    RFC_1123 = "as documented"
    WRONG_WEEKDAY = "with a wrong weekday"
    """As in Microsoft's own sample of a live migration."""
    ISO_8601 = "ISO 8601"
    """As Microsoft's scheduled-events-mock-server writes it."""


def written(
    document: Document, version: str, form: TimeForm = TimeForm.RFC_1123, ahead: timedelta = timedelta()
) -> dict[str, object]:
    """Write a document in a version of the API; ``ahead``: by how much the service's clock is before the VM's."""
    return {
        "DocumentIncarnation": document.incarnation,
        "Events": [
            _event(event, version, form, ahead) for event in document.events if _TYPE_SINCE[event.event_type] <= version
        ],
    }


def _event(event: ScheduledEvent, version: str, form: TimeForm, ahead: timedelta) -> dict[str, object]:
    fields: dict[str, object] = {
        "EventId": event.event_id,
        "EventStatus": event.status.value,
        "EventType": event.event_type.value,
        "ResourceType": "VirtualMachine",
        "Resources": list(event.resources),
        "NotBefore": "" if event.not_before is None else _time(event.not_before + ahead, form),
        "Description": event.description,
        "EventSource": event.source.value,
        "DurationInSeconds": event.duration_s,
    }
    return {name: value for name, value in fields.items() if _FIELD_SINCE.get(name, "") <= version}


def _time(moment: datetime, form: TimeForm) -> str:
    at = moment.astimezone(UTC).replace(microsecond=0)
    match form:
        case TimeForm.RFC_1123:
            return format_datetime(at, usegmt=True)
        case TimeForm.WRONG_WEEKDAY:
            return f"{at + timedelta(days=1):%a}{format_datetime(at, usegmt=True)[3:]}"
        case TimeForm.ISO_8601:
            return f"{at:%Y-%m-%dT%H:%M:%SZ}"
