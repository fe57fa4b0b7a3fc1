"""Events as the metadata service writes them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from virtual_vm.virtual_time import VirtualTime


def event(  # noqa: PLR0913 - the fields of an event
    time: VirtualTime,
    kind: str = "Preempt",
    *,
    event_id: str = "C1BF8322-4CBF-4FC4-9C45-B40CF3106D0E",
    notice_s: float | None = 30.0,
    resources: tuple[str, ...] = ("render-1",),
    duration_s: int = -1,
) -> dict[str, Any]:
    """Write an event that is Scheduled so many seconds ahead; ``None``: no time is set."""
    at = None if notice_s is None else time.true_time() + timedelta(seconds=notice_s)
    return {
        "EventId": event_id,
        "EventStatus": "Scheduled",
        "EventType": kind,
        "ResourceType": "VirtualMachine",
        "Resources": list(resources),
        "NotBefore": f"{at:%a, %d %b %Y %H:%M:%S GMT}" if at else "",
        "Description": "",
        "EventSource": "Platform",
        "DurationInSeconds": duration_s,
    }


def started(scheduled: dict[str, Any]) -> dict[str, Any]:
    """Write the same event once it has started."""
    return {**scheduled, "EventStatus": "Started", "NotBefore": ""}
