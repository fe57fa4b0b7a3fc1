"""What the agent in a VM writes to the queue ``agents``: the contract's samples, about a VM and a time of a story."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from spot_responder.intake.signals import Inbox

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from tests.harness.stories import StoryAzure

SAMPLES: Final = Path(__file__).resolve().parents[1] / "payloads" / "agent"


def sample(name: str) -> dict[str, Any]:
    """Read a sample of the contract: ``eviction_notice``, ``maintenance``, ``workload_ready``."""
    read: dict[str, Any] = json.loads((SAMPLES / f"{name}.json").read_text("utf-8"))
    return copy.deepcopy(read)


def notice(vm_id: str, detected_at: datetime, *, event_id: str = "event-1", late: bool = False) -> dict[str, Any]:
    """Make the notice of an eviction."""
    made = sample("eviction_notice")
    made["data"] |= {"eventId": event_id, "detectedAt": _iso(detected_at), "late": late}
    return _about(vm_id, detected_at, f"{event_id}/EvictionNotice", made)


def maintenance(vm_id: str, detected_at: datetime, event_type: str = "Redeploy") -> dict[str, Any]:
    """Make the notice of maintenance."""
    made = sample("maintenance")
    made["data"] |= {"eventType": event_type, "detectedAt": _iso(detected_at)}
    return _about(vm_id, detected_at, "event-2/Maintenance", made)


def ready(vm_id: str, ready_at: datetime, *, recovery_id: str = "boot-1", late: bool = False) -> dict[str, Any]:
    """Make the word that the workload goes on."""
    made = sample("workload_ready")
    made["data"] |= {"recoveryId": recovery_id, "readyAt": _iso(ready_at), "late": late}
    return _about(vm_id, ready_at, f"{recovery_id}/WorkloadReady", made)


def agent_tells(azure: StoryAzure, message: dict[str, Any], delay: timedelta) -> None:
    """Put an agent's message on its queue, to be seen after a delay."""
    azure.app.put(json.dumps(message), delay, inbox=Inbox.AGENTS)


def _about(vm_id: str, at: datetime, message_id: str, made: dict[str, Any]) -> dict[str, Any]:
    return made | {"id": message_id, "source": vm_id, "subject": vm_id, "time": _iso(at)}


def _iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
