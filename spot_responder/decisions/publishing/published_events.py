"""The events that are published about recoveries and prices: their types, ids and fields (docs/events.md). Pure.

``notices.py`` decides which notices are due; ``clients/events_topic.py`` sends the events as CloudEvents.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from spot_responder.decisions.recoveries import Notice
from spot_responder.decisions.recovery_times import notice_lead, ready_after, restored_after, was_ready_when_closed
from spot_responder.text import span

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from spot_responder.decisions.recoveries import Recovery
    from spot_responder.offerings.price_alerts import PriceAlert

OPENED_TYPE: Final = "SpotResponder.RecoveryOpened"
NEEDS_SOMEBODY_TYPE: Final = "SpotResponder.RecoveryNeedsSomebody"
WORKLOAD_READY_TYPE: Final = "SpotResponder.WorkloadReady"
CLOSED_TYPE: Final = "SpotResponder.RecoveryClosed"
PRICE_ALERT_TYPE: Final = "SpotResponder.PriceAlert"

SCHEMA_VERSION: Final = "1.0"
"""The version of ``data``. Within 1, fields are only added; a field that is left out or changes its meaning makes it
2."""


@dataclass(frozen=True, slots=True)
class PublishedEvent:
    """One event. ``event_id`` is the same each time that it is made, so that duplicates can be recognized.

    ``subject`` is the VM's id; the times in ``data`` are ISO 8601 in UTC.
    """

    event_type: str
    event_id: str
    subject: str
    time: datetime | None
    data: dict[str, object]


def closed_event(recovery: Recovery) -> PublishedEvent:
    """Make the event of a closed recovery. Its id is the recovery's."""
    closed_at, took = recovery.closed_at, restored_after(recovery)
    ending: dict[str, object] = {
        "outcome": recovery.outcome,
        "reason": recovery.reason,
        "downSince": _iso(recovery.down_since),
        "closedAt": _iso(closed_at),
        "restoredAfterSeconds": _seconds(took),
        # What was heard later is not in it: the same event that is sent again says the same.
        **_notice(recovery, is_known=not recovery.agent.is_notice_late),
        **_ready(recovery, is_known=was_ready_when_closed(recovery)),
    }
    return _event(CLOSED_TYPE, recovery.recovery_id, closed_at, recovery, ending)


def notice_event(recovery: Recovery, notice: Notice, now: datetime) -> PublishedEvent:
    """Make the event of a notice about a recovery. Its id is made of the recovery's and the notice."""
    event_id = f"{recovery.recovery_id}/{notice}"
    if notice is Notice.WORKLOAD_READY:
        return _event(WORKLOAD_READY_TYPE, event_id, now, recovery, _going_on(recovery))
    failure = recovery.attempt.failure if recovery.attempt else None
    standing: dict[str, object] = {
        "evidence": str(recovery.evidence.verdict),
        "reason": recovery.reason,
        "downSince": _iso(recovery.went_down_at),
        "nextLookAt": _iso(recovery.wake_at),
    }
    if notice is Notice.OPENED:
        return _event(OPENED_TYPE, event_id, now, recovery, standing)
    said = {"code": failure.code, "message": failure.message} if failure else {"code": None, "message": None}
    return _event(NEEDS_SOMEBODY_TYPE, event_id, now, recovery, {"need": str(notice), **standing, **said})


def price_alert_event(alert: PriceAlert) -> PublishedEvent:
    """Make the event of a max price that has fallen behind. Its id is made of the VM's, the time and the standing."""
    data: dict[str, object] = {
        "schemaVersion": SCHEMA_VERSION,
        "vmId": str(alert.vm_id),
        "size": alert.size.lower(),
        "region": alert.location.lower(),
        "standing": str(alert.standing),
        "maxPrice": alert.max_price,
        "spotPrice": alert.spot,
        "since": _iso(alert.since),
        "reason": alert.says,
    }
    event_id = f"{alert.vm_id.key}/{alert.since:%Y%m%dT%H%M%S}/{alert.standing}"
    return PublishedEvent(PRICE_ALERT_TYPE, event_id, str(alert.vm_id), alert.seen_at, data)


def _event(
    kind: str, event_id: str, time: datetime | None, recovery: Recovery, more: dict[str, object]
) -> PublishedEvent:
    pool = recovery.pool
    common: dict[str, object] = {
        "schemaVersion": SCHEMA_VERSION,
        "vmId": str(recovery.vm_id),
        "recoveryId": recovery.recovery_id,
        "openedBy": recovery.opened_by,
        "openedAt": _iso(recovery.opened_at),
        "startRequests": recovery.attempts,
        "size": pool.size if pool else None,
        "region": pool.location if pool else None,
        "zone": (pool.zone or None) if pool else None,
    }
    return PublishedEvent(kind, event_id, str(recovery.vm_id), time, {**common, **more})


def _going_on(recovery: Recovery) -> dict[str, object]:
    after = ready_after(recovery)
    how_long = f", {span(after)} after it went down" if after is not None else ""
    return {
        "outcome": recovery.outcome,
        "reason": f"its workload goes on{how_long}",
        "downSince": _iso(recovery.went_down_at),
        "closedAt": _iso(recovery.closed_at),
        **_notice(recovery, is_known=True),
        **_ready(recovery, is_known=True),
    }


def _notice(recovery: Recovery, *, is_known: bool) -> dict[str, object]:
    """Say when the VM's agent told of the eviction; ``None`` where it did not, or that is not known."""
    return {
        "noticedAt": _iso(recovery.agent.noticed_at) if is_known else None,
        "noticeLeadSeconds": _seconds(notice_lead(recovery)) if is_known else None,
    }


def _ready(recovery: Recovery, *, is_known: bool) -> dict[str, object]:
    """Say when the VM's workload went on; ``None`` where that is not known."""
    after = ready_after(recovery) if is_known else None
    return {
        "readyAt": _iso(recovery.agent.ready_at) if after is not None else None,
        "readyAfterSeconds": _seconds(after),
    }


def _seconds(duration: timedelta | None) -> float | None:
    return duration.total_seconds() if duration is not None else None


def _iso(time: datetime | None) -> str | None:
    return time.isoformat() if time else None
