"""What the responder is told: CloudEvents 1.0. Their fields are a contract with ``spot_responder``.

An id is the same on each try, so that what was told twice counts once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from spot_agent.deciding.plans import PLANS
from spot_agent.deciding.state import Message
from spot_agent.deciding.times import iso

if TYPE_CHECKING:
    from datetime import datetime

    from spot_agent.deciding.state import Machine, Notice, Recovery
    from spot_agent.deciding.times import Now

WORKLOAD_READY: Final = "SpotAgent.WorkloadReady"


def notice_message(notice: Notice, machine: Machine, boot_id: str, now: Now) -> Message:
    """Say what is about to happen to the VM."""
    event = notice.event
    kind = PLANS[event.type].message
    data = {
        "eventId": event.id,
        "eventType": event.type.value,
        "eventStatus": event.status,
        "notBefore": event.not_before and iso(event.not_before),
        "detectedAt": iso(notice.detected_at),
        "secondsLeft": None if notice.seconds_left is None else round(notice.seconds_left, 1),
        "vmId": machine.vm_id,
        "bootId": boot_id,
        "late": False,
    }
    return _message(f"{event.id}/{kind.rpartition('.')[2]}", kind, machine, now.wall, data)


def ready_message(  # noqa: PLR0913 - each is a field of the message
    recovery: Recovery, machine: Machine, *, boot_id: str, booted_at: datetime | None, ready_at: datetime, now: Now
) -> Message:
    """Say that the work goes on."""
    since = recovery.down_since
    data = {
        "recoveryId": recovery.id,
        "bootId": boot_id,
        "vmId": machine.vm_id,
        "bootedAt": booted_at and iso(booted_at),
        "readyAt": iso(ready_at),
        "downSince": since and iso(since),
        "downForSeconds": since and round(max((ready_at - since).total_seconds(), 0.0), 1),
        "hadNotice": recovery.had_notice,
        "eventId": recovery.event_id,
        "late": False,
    }
    return _message(f"{recovery.id}/WorkloadReady", WORKLOAD_READY, machine, now.wall, data)


def late(message: Message) -> Message:
    """Mark what an earlier run could not send."""
    event = {**message.event, "data": {**message.event["data"], "late": True}}
    return Message(message.id, message.made_at, event)


def _message(message_id: str, kind: str, machine: Machine, made_at: datetime, data: dict[str, Any]) -> Message:
    event = {
        "specversion": "1.0",
        "id": message_id,
        "source": machine.resource_id,
        "type": kind,
        "subject": machine.resource_id,
        "time": iso(made_at),
        "datacontenttype": "application/json",
        "data": data,
    }
    return Message(message_id, made_at, event)
