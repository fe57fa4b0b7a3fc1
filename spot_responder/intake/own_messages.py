"""The messages that the app puts on its own queue, as CloudEvents 1.0: follow-ups, finds, an operator's request. Pure.

``responder`` and ``operators`` make them; ``events.py`` reads them when they come back.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Final

from spot_responder.intake.payloads import moment, refuse

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from spot_responder.intake.vms import VmId

FOLLOW_UP_TYPE: Final = "SpotResponder.FollowUp"
SWEEP_FOUND_TYPE: Final = "SpotResponder.SweepFound"
OPERATOR_ASKED_TYPE: Final = "SpotResponder.OperatorAsked"
WORK_WAITS_TYPE: Final = "SpotResponder.WorkWaits"

_REFUSED: Final = "requeued"
_WAITED: Final = "waited"
_SINCE: Final = "requeuedsince"
_UNSEEN_SINCE: Final = "unseensince"
"""The names of the extension attributes, as CloudEvents allows them, in which a requeue is noted."""

LARGEST: Final = 48 * 1024
"""The largest event that a queue message holds, in bytes of JSON: 64 KiB in base64."""

_OFTEN: Final = 1_000_000
"""The largest count of requeues that is believed: a larger one was written by somebody else, and might not be
countable."""


@dataclass(frozen=True, slots=True)
class Requeues:
    """How often an event was requeued: because something failed, and because others were before it in line.

    ``since``: when it was requeued first.
    """

    refused: int = 0
    waited: int = 0
    since: datetime | None = None


def follow_up_event(vm_id: VmId, sequence: int, due_at: datetime, event_id: str) -> dict[str, object]:
    """Make the CloudEvent that has the app look at a recovery again at ``due_at`` (aware)."""
    data: dict[str, object] = {"vmId": str(vm_id), "sequence": sequence}
    return _own_event(FOLLOW_UP_TYPE, vm_id, due_at, event_id, data)


def sweep_found_event(vm_id: VmId, found_at: datetime, event_id: str) -> dict[str, object]:
    """Make the CloudEvent of a VM that the sweep found at ``found_at`` (aware)."""
    return _own_event(SWEEP_FOUND_TYPE, vm_id, found_at, event_id, {"vmId": str(vm_id)})


def work_waits_event(vm_id: VmId, seen_at: datetime, event_id: str) -> dict[str, object]:
    """Make the CloudEvent of a VM whose work queue was seen to ask for it at ``seen_at`` (aware)."""
    return _own_event(WORK_WAITS_TYPE, vm_id, seen_at, event_id, {"vmId": str(vm_id)})


def operator_asked_event(vm_id: VmId, asked_at: datetime, event_id: str) -> dict[str, object]:
    """Make the CloudEvent by which an operator asks at ``asked_at`` (aware) for a look at a VM now."""
    return _own_event(OPERATOR_ASKED_TYPE, vm_id, asked_at, event_id, {"vmId": str(vm_id)})


def requeued(event: Mapping[str, object], times: Requeues) -> dict[str, object]:
    """Make the same event again, noting how often it was requeued.

    Raises:
        UnreadableEvent: if it is too large for the queue: pushed events may be, and JSON's escapes add to the size.
    """
    again = {**event, _REFUSED: times.refused, _WAITED: times.waited}
    if times.since is not None:
        again[_SINCE] = _iso(times.since)
    size = len(json.dumps(again))
    if size > LARGEST:
        refuse(f"the event cannot be requeued: {size} bytes as JSON, and the queue takes {LARGEST} at most")
    return again


def requeued_as_unseen(event: Mapping[str, object], since: datetime) -> dict[str, object]:
    """Make the same event again, noting since when neither ARM nor Resource Graph shows its VM.

    Raises:
        UnreadableEvent: as ``requeued``.
    """
    looked_at = {name: value for name, value in event.items() if name != _SINCE}
    return requeued({**looked_at, _UNSEEN_SINCE: _iso(since)}, Requeues())


def unseen_since(event: Mapping[str, object]) -> datetime | None:
    """Give since when neither ARM nor Resource Graph shows its VM, as noted when the event was requeued."""
    return _time(event.get(_UNSEEN_SINCE))


def requeues(event: Mapping[str, object]) -> Requeues:
    """Give how often an event was requeued; a count that the app cannot have written is taken as 0."""
    return Requeues(_counted(event.get(_REFUSED)), _counted(event.get(_WAITED)), _time(event.get(_SINCE)))


def _time(noted: object) -> datetime | None:
    return moment(noted) if isinstance(noted, str) else None


def _iso(time: datetime) -> str:
    return time.astimezone(UTC).isoformat()


def _counted(times: object) -> int:
    return min(times, _OFTEN) if isinstance(times, int) and not isinstance(times, bool) and times > 0 else 0


def _own_event(type_name: str, vm_id: VmId, at: datetime, event_id: str, data: dict[str, object]) -> dict[str, object]:
    if at.tzinfo is None:
        message = f"the time of a {type_name} event needs a time zone: {at}"
        raise ValueError(message)
    return {
        "specversion": "1.0",
        "id": event_id,
        "type": type_name,
        "source": "/spot-responder",
        "subject": str(vm_id),
        "time": at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": data,
    }
