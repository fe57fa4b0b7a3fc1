"""Publishes events as CloudEvents on an Event Grid custom topic, if one is configured (docs/events.md).

Opened by ``connections.py``, called by ``responder/publish.py``; ``decisions/publishing/`` has what they say.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from azure.core.exceptions import AzureError
from azure.core.messaging import CloudEvent

from spot_responder.clients.sdk_errors import refusal
from spot_responder.decisions.publishing.published_events import closed_event, notice_event, price_alert_event

if TYPE_CHECKING:
    from datetime import datetime

    from azure.eventgrid.aio import EventGridPublisherClient

    from spot_responder.decisions.publishing.published_events import PublishedEvent
    from spot_responder.decisions.recoveries import Notice, Recovery
    from spot_responder.offerings.price_alerts import PriceAlert

PATIENCE_S: Final = 10.0
"""How long publishing may take, in seconds, the login included: Azure's answer to a start is saved only after it."""


@dataclass(frozen=True, slots=True)
class EventsTopic:
    """The port to the topic; without a client, nothing is published."""

    client: EventGridPublisherClient | None

    async def publish_outcome(self, recovery: Recovery) -> None:
        """Publish a recovery's outcome.

        Raises:
            AzureRefusedError: if the topic did not take it.
        """
        await self._send(closed_event(recovery), "publish an outcome")

    async def publish_notice(self, recovery: Recovery, notice: Notice, now: datetime) -> bool:
        """Publish a notice about a recovery, and answer whether there is a topic that took it.

        Raises:
            AzureRefusedError: if the topic did not take it.
        """
        await self._send(notice_event(recovery, notice, now), "publish a notice")
        return self.client is not None

    async def publish_price_alert(self, alert: PriceAlert) -> None:
        """Publish that a VM's max price has fallen behind.

        Raises:
            AzureRefusedError: if the topic did not take it.
        """
        await self._send(price_alert_event(alert), "publish a price alert")

    async def _send(self, event: PublishedEvent, what: str) -> None:
        if self.client is None:
            return
        sent = CloudEvent(
            source="/spot-responder",
            type=event.event_type,
            id=event.event_id,
            subject=event.subject,
            time=event.time,
            data=event.data,
        )
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self.client.send(sent)
        except AzureError as error:
            raise refusal(error, what) from error
        except TimeoutError as error:
            raise refusal(AzureError(f"no answer within {PATIENCE_S:.0f} s"), what) from error
