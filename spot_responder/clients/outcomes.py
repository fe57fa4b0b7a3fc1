"""Outcomes, told as CloudEvents on an Event Grid custom topic where one is configured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from azure.core.exceptions import AzureError
from azure.core.messaging import CloudEvent

from spot_responder.clients.sdk_errors import refusal

if TYPE_CHECKING:
    from datetime import datetime

    from azure.eventgrid.aio import EventGridPublisherClient

    from spot_responder.recoveries import Recovery

OUTCOME_TYPE: Final = "SpotResponder.RecoveryClosed"


@dataclass(frozen=True, slots=True)
class OutcomesTopic:
    """The door to the topic; ``None`` where nobody asked to be told."""

    client: EventGridPublisherClient | None

    async def publish(self, recovery: Recovery) -> None:
        """Publish how a recovery ended. Its id is the recovery's, so that a doubled message can be told.

        Raises:
            AzureRefusedError: if the topic did not take it.
        """
        if self.client is None:
            return
        try:
            await self.client.send(outcome_event(recovery))
        except AzureError as error:
            raise refusal(error, "publish an outcome") from error


def outcome_event(recovery: Recovery) -> CloudEvent[dict[str, object]]:
    """Make the CloudEvent of a closed recovery; times are ISO 8601 in UTC."""
    return CloudEvent(
        source="/spot-responder",
        type=OUTCOME_TYPE,
        id=recovery.recovery_id,
        subject=str(recovery.vm_id),
        time=recovery.closed_at,
        data={
            "vmId": str(recovery.vm_id),
            "outcome": recovery.outcome,
            "reason": recovery.reason,
            "openedBy": recovery.opened_by,
            "openedAt": _iso(recovery.opened_at),
            "downSince": _iso(recovery.down_since),
            "closedAt": _iso(recovery.closed_at),
            "startRequests": recovery.attempts,
        },
    )


def _iso(time: datetime | None) -> str | None:
    return time.isoformat() if time else None
