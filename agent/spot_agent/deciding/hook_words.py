"""What a hook is told: ``SPOT_AGENT_*`` variables, and the same as JSON on its standard input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spot_agent.deciding.times import iso

if TYPE_CHECKING:
    from spot_agent.deciding.state import Machine, Notice, Recovery, State


def notice_words(
    notice: Notice, status: str, left_s: float | None, state: State
) -> tuple[dict[str, str], dict[str, Any]]:
    """Words about an event. Seconds are whole in the variable, for shells; empty where Azure sets no time."""
    event = notice.event
    variables = {
        "SPOT_AGENT_EVENT_ID": event.id,
        "SPOT_AGENT_EVENT_TYPE": event.type_name,
        "SPOT_AGENT_EVENT_STATUS": status,
        "SPOT_AGENT_SECONDS_LEFT": "" if left_s is None else str(int(left_s)),
        "SPOT_AGENT_RECOVERY_ID": "",
    }
    details = {
        "eventId": event.id,
        "eventType": event.type_name,
        "eventStatus": status,
        "notBefore": event.not_before and iso(event.not_before),
        "secondsLeft": left_s,
        "detectedAt": iso(notice.detected_at),
        "resources": list(event.resources),
        "eventSource": event.source,
        "durationInSeconds": event.duration_s,
        "recoveryId": None,
        **_where(state),
    }
    return variables, details


def recovery_words(recovery: Recovery, state: State) -> tuple[dict[str, str], dict[str, Any]]:
    """Words about a recovery; the event is the one before it, if there was a notice."""
    variables = {
        "SPOT_AGENT_EVENT_ID": recovery.event_id or "",
        "SPOT_AGENT_EVENT_TYPE": "",
        "SPOT_AGENT_EVENT_STATUS": "",
        "SPOT_AGENT_SECONDS_LEFT": "",
        "SPOT_AGENT_RECOVERY_ID": recovery.id,
    }
    details = {
        "recoveryId": recovery.id,
        "eventId": recovery.event_id,
        "hadNotice": recovery.had_notice,
        "downSince": recovery.down_since and iso(recovery.down_since),
        "isSameBoot": recovery.boot_id == state.boot_id,
        **_where(state),
    }
    return variables, details


def _where(state: State) -> dict[str, Any]:
    return {"bootId": state.boot_id, "vm": _vm(state.machine)}


def _vm(machine: Machine | None) -> dict[str, str] | None:
    if machine is None:
        return None
    return {"name": machine.name, "vmId": machine.vm_id, "resourceId": machine.resource_id}
