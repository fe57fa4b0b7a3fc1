"""``status``: how the agent that runs on this VM is doing, by what it left in the state folder."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final

from spot_agent.commands.answers import CommandAnswer
from spot_agent.configuration import FOLDERS
from spot_agent.deciding.state import State, UnreadableStateError, read_state
from spot_agent.deciding.times import iso
from spot_agent.edges.disk import is_in_use, read_alive
from spot_agent.edges.hooks import find_hooks
from spot_agent.text import local

if TYPE_CHECKING:
    from spot_agent.configuration import Configuration

LATE_S: Final = 25.0
"""``alive.json`` is rewritten each 10 seconds, with the time of the last answer in it."""


def status(configuration: Configuration) -> CommandAnswer:
    """Say how it is doing. Exit code 1 if no agent runs, or none that hears the metadata service."""
    alive = read_alive(configuration.state) or {}
    state = _state(configuration)
    is_running = is_in_use(configuration.state)
    last = alive.get("last_answer_at")
    hears = is_running and last is not None and time.time() - last <= LATE_S
    machine = state.machine if state else None
    data = {
        "running": is_running,
        "hears_metadata_service": hears,
        "last_answer_at": last and iso(datetime.fromtimestamp(last, timezone.utc)),
        "ready": bool(is_running and alive.get("is_ready")),
        "health_port": alive.get("health_port") if is_running else None,
        "pid": alive.get("pid") if is_running else None,
        "vm": machine and vars(machine),
        "notices": _notices(state),
        "recovery": state and state.recovery and state.recovery.id,
        "hooks": _hooks(configuration),
        "not_sent": len(state.unsent) if state else 0,
        "state": str(configuration.state),
    }
    return CommandAnswer("\n".join(_lines(data)), data, 0 if hears else 1)


def _state(configuration: Configuration) -> State | None:
    try:
        return read_state((configuration.state / "state.json").read_text("utf-8"))
    except (OSError, UnreadableStateError):
        return None


def _notices(state: State | None) -> list[dict[str, Any]]:
    return [
        {
            "event_id": notice.event.id,
            "event_type": notice.event.type_name,
            "status": notice.event.status,
            "not_before": notice.event.not_before and iso(notice.event.not_before),
            "detected_at": iso(notice.detected_at),
            "stage": notice.stage.value,
        }
        for notice in (state.notices if state else ())
        if notice.is_open
    ]


def _hooks(configuration: Configuration) -> dict[str, list[str]]:
    found = {folder: find_hooks(configuration.hooks, folder) for folder in FOLDERS}
    return {
        folder: [f"{hook.name} ({hook.refused})" if hook.refused else hook.name for hook in hooks]
        for folder, hooks in found.items()
        if hooks
    }


def _lines(data: dict[str, Any]) -> list[str]:
    last = data["last_answer_at"]
    heard = local(datetime.fromisoformat(last.replace("Z", "+00:00"))) if last else "never"
    vm = data["vm"] or {}
    domains = f", fault domain {vm.get('fault_domain') or '?'}, update domain {vm.get('update_domain') or '?'}"
    notices = [
        f"{one['event_type']} {one['status']}, {one['stage']}, since {one['detected_at']}" for one in data["notices"]
    ]
    hooks = [folder + ": " + ", ".join(names) for folder, names in data["hooks"].items()]
    return [
        f"agent      {'runs' if data['running'] else 'does not run'} (state: {data['state']})",
        f"last heard {heard}" + ("" if data["hears_metadata_service"] else ": the metadata service is not heard"),
        f"vm         {vm['name'] + domains if vm else 'not known yet'}",
        f"work       {'is taken' if data['ready'] else 'is not taken'}",
        f"notices    {'; '.join(notices) or 'none under way'}",
        f"recovery   {data['recovery'] or 'none under way'}",
        f"hooks      {'; '.join(hooks) or 'none'}",
        f"not sent   {data['not_sent']} messages",
    ]
