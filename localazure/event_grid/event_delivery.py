"""The destinations of Event Grid: the storage queue, and the webhook of a function app. Called by ``service.py``."""

from __future__ import annotations

import json
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, Self

import aiohttp
from azure.core.exceptions import AzureError, HttpResponseError
from azure.core.pipeline.transport import AioHttpTransport
from azure.storage.queue import TextBase64EncodePolicy
from azure.storage.queue.aio import QueueClient

from localazure.event_grid.azure_events import DeliverySchema
from localazure.event_grid.delivery_policy import NO_ANSWER, TIMED_OUT

if TYPE_CHECKING:
    from datetime import timedelta
    from pathlib import Path
    from types import TracebackType

    from azure.core.credentials_async import AsyncTokenCredential

    from localazure.event_grid.azure_events import JsonObject

# How long Event Grid waits for an answer: docs/azure-facts.md delivery-1.
ANSWER_WITHIN_S: Final = 30


@dataclass(frozen=True, slots=True)
class OutgoingEvent:
    """One attempt to deliver one event to one event subscription. ``body`` is written in ``schema``."""

    body: JsonObject
    schema: DeliverySchema
    subscription: str
    attempt: int


class Delivery(Protocol):
    """A destination of event subscriptions."""

    @property
    def never_retried(self) -> frozenset[int]:
        """The statuses after which Event Grid does not try again."""

    async def deliver(self, event: OutgoingEvent) -> int:
        """Deliver, and give the HTTP status of the answer; ``NO_ANSWER`` where there was none. Raises nothing."""


class QueueDelivery:
    """Delivers to a storage queue, one base64 message an event, as Event Grid does (docs/azure-facts.md delivery-7).

    Make it within a running event loop, and enter it as an async context. ``queue_uri`` is the account's
    (``Storage.queue_uri``); the queue must exist.
    """

    never_retried: frozenset[int] = frozenset({400, 403, 413})

    def __init__(
        self, queue_uri: str, queue: str, credential: AsyncTokenCredential, time_to_live: timedelta, authority: Path
    ) -> None:
        """Take the address, who Event Grid is there, how long a message lives, and whose certificates are trusted."""
        self._time_to_live_s = int(time_to_live.total_seconds())
        self._client = QueueClient(
            queue_uri,
            queue,
            credential=credential,
            message_encode_policy=TextBase64EncodePolicy(),
            transport=_transport(authority),
            # Event Grid has a retry schedule of its own; the SDK's would hide each failure for minutes.
            retry_total=0,
            connection_timeout=ANSWER_WITHIN_S,
            read_timeout=ANSWER_WITHIN_S,
        )

    async def __aenter__(self) -> Self:
        """Open the connection."""
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connection."""
        await self._client.close()

    async def deliver(self, event: OutgoingEvent) -> int:
        """Put the event on the queue."""
        try:
            await self._client.send_message(json.dumps(event.body), time_to_live=self._time_to_live_s)
        except HttpResponseError as error:
            return error.status_code or NO_ANSWER
        except AzureError:
            return NO_ANSWER
        return 201


def _transport(authority: Path) -> AioHttpTransport:
    """Trust the authority once. With ``connection_verify`` the SDK would read it, and connect anew, for each event."""
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=authority))
    session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False)
    return AioHttpTransport(session=session)


class WebhookDelivery:
    """Pushes to the webhook of a function with an Event Grid trigger."""

    never_retried: frozenset[int] = frozenset({400, 401, 403, 413})

    def __init__(self, session: aiohttp.ClientSession, url: str, answer_within_s: float = ANSWER_WITHIN_S) -> None:
        """Take the connection, and the webhook's address with its ``functionName``."""
        self._session = session
        self._url = url
        self._timeout = aiohttp.ClientTimeout(total=answer_within_s)

    async def deliver(self, event: OutgoingEvent) -> int:
        """Post the event: alone as a CloudEvent, or in an array of one in Event Grid schema."""
        is_cloud_event = event.schema is DeliverySchema.CLOUD_EVENTS
        body = json.dumps(event.body if is_cloud_event else [event.body])
        try:
            async with self._session.post(
                self._url,
                data=body.encode(),
                headers=_headers(event),
                timeout=self._timeout,
                allow_redirects=False,
            ) as answer:
                return answer.status
        except TimeoutError:
            return TIMED_OUT
        except aiohttp.ClientError:
            return NO_ANSWER


def _headers(event: OutgoingEvent) -> dict[str, str]:
    """Give the headers of Microsoft's "message headers" table, and the content type of the schema."""
    headers = {
        "aeg-event-type": "Notification",
        "aeg-subscription-name": event.subscription.upper(),
        "aeg-delivery-count": str(event.attempt - 1),
    }
    if event.schema is DeliverySchema.CLOUD_EVENTS:
        return headers | {
            "content-type": "application/cloudevents+json; charset=utf-8",
            "aeg-metadata-version": str(event.body["specversion"]),
        }
    return headers | {
        "content-type": "application/json; charset=utf-8",
        "aeg-data-version": str(event.body["dataVersion"]),
        "aeg-metadata-version": str(event.body["metadataVersion"]),
    }
