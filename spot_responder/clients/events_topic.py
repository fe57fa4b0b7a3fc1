"""Publishes outcomes and notices as CloudEvents on an Event Grid custom topic, if one is configured (docs/events.md).

Opened by ``connections.py``, called by ``responder/publish.py``.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from azure.core.exceptions import AzureError
from azure.core.messaging import CloudEvent

from spot_responder.clients.sdk_errors import refusal
from spot_responder.decisions.recoveries import Notice

if TYPE_CHECKING:
    from datetime import datetime

    from azure.eventgrid.aio import EventGridPublisherClient

    from spot_responder.decisions.recoveries import Recovery

OPENED_TYPE: Final = "SpotResponder.RecoveryOpened"
NEEDS_SOMEBODY_TYPE: Final = "SpotResponder.RecoveryNeedsSomebody"
CLOSED_TYPE: Final = "SpotResponder.RecoveryClosed"

PATIENCE_S: Final = 10.0
"""How long publishing may take, in seconds, the login included: Azure's answer to a start is saved only after it."""

SCHEMA_VERSION: Final = "1.0"
"""The version of ``data``. Within 1, fields are only added; a field that is left out or changes its meaning makes it
2."""


@dataclass(frozen=True, slots=True)
class EventsTopic:
    """The port to the topic; without a client, nothing is published."""

    client: EventGridPublisherClient | None

    async def publish_outcome(self, recovery: Recovery) -> None:
        """Publish a recovery's outcome. The event's id is the recovery's, so that duplicates can be recognized.

        Raises:
            AzureRefusedError: if the topic did not take it.
        """
        await self._send(closed_event(recovery), "publish an outcome")

    async def publish_notice(self, recovery: Recovery, notice: Notice, now: datetime) -> bool:
        """Publish a notice about an open recovery, and answer whether there is a topic that took it.

        The event's id is made of the recovery's and the notice.

        Raises:
            AzureRefusedError: if the topic did not take it.
        """
        await self._send(notice_event(recovery, notice, now), "publish a notice")
        return self.client is not None

    async def _send(self, event: CloudEvent[dict[str, object]], what: str) -> None:
        if self.client is None:
            return
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self.client.send(event)
        except AzureError as error:
            raise refusal(error, what) from error
        except TimeoutError as error:
            raise refusal(AzureError(f"no answer within {PATIENCE_S:.0f} s"), what) from error


def closed_event(recovery: Recovery) -> CloudEvent[dict[str, object]]:
    """Make the CloudEvent of a closed recovery; times are ISO 8601 in UTC."""
    closed_at, took = recovery.closed_at, recovery.restored_after
    ending: dict[str, object] = {
        "outcome": recovery.outcome,
        "reason": recovery.reason,
        "downSince": _iso(recovery.down_since),
        "closedAt": _iso(closed_at),
        "restoredAfterSeconds": took.total_seconds() if took is not None else None,
    }
    return _event(CLOSED_TYPE, recovery.recovery_id, closed_at, recovery, ending)


def notice_event(recovery: Recovery, notice: Notice, now: datetime) -> CloudEvent[dict[str, object]]:
    """Make the CloudEvent of a notice."""
    failure = recovery.attempt.failure if recovery.attempt else None
    standing: dict[str, object] = {
        "evidence": str(recovery.evidence.verdict),
        "reason": recovery.reason,
        "downSince": _iso(recovery.went_down_at),
        "nextLookAt": _iso(recovery.wake_at),
    }
    event_id = f"{recovery.recovery_id}/{notice}"
    if notice is Notice.OPENED:
        return _event(OPENED_TYPE, event_id, now, recovery, standing)
    said = {"code": failure.code, "message": failure.message} if failure else {"code": None, "message": None}
    return _event(NEEDS_SOMEBODY_TYPE, event_id, now, recovery, {"need": str(notice), **standing, **said})


def _event(
    kind: str, event_id: str, time: datetime | None, recovery: Recovery, more: dict[str, object]
) -> CloudEvent[dict[str, object]]:
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
    return CloudEvent(
        source="/spot-responder",
        type=kind,
        id=event_id,
        subject=str(recovery.vm_id),
        time=time,
        data={**common, **more},
    )


def _iso(time: datetime | None) -> str | None:
    return time.isoformat() if time else None
