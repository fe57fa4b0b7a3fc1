"""Event Grid's deliveries: what a webhook and a queue are given, and what their answers mean."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web
from azure.storage.queue.aio import QueueClient

from localazure.event_grid.azure_events import DeliverySchema, azure_event
from localazure.event_grid.event_delivery import OutgoingEvent, QueueDelivery, WebhookDelivery
from localazure.runtime.azurite import azurite
from localazure.runtime.certificate import write_certificate
from localazure.runtime.identity import PrincipalCredential, TokenIssuer
from localazure.world.happenings import Annotated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
VM = (
    "/subscriptions/11111111-2222-4333-8444-555555555555/resourceGroups/rg"
    "/providers/Microsoft.Compute/virtualMachines/spot-1"
)
EVICTED = Annotated(VM, START, "VirtualMachinePreempted")
HOUR = timedelta(hours=1)


def _outgoing(schema: DeliverySchema, attempt: int = 1) -> OutgoingEvent:
    body = azure_event(EVICTED, "event-1", START).written(schema)
    return OutgoingEvent(body, schema, "evicted", attempt)


@asynccontextmanager
async def _webhook(status: int, *, mute: bool = False) -> AsyncIterator[tuple[str, list[tuple[Any, Any]]]]:
    received: list[tuple[Any, Any]] = []
    may_answer = asyncio.Event()
    if not mute:
        may_answer.set()

    async def post(request: web.Request) -> web.Response:
        received.append((request.headers, json.loads(await request.text())))
        await may_answer.wait()
        return web.Response(status=status, headers={"Location": "/elsewhere"} if status == 302 else None)

    application = web.Application()
    application.router.add_post("/runtime/webhooks/EventGrid", post)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        port = runner.addresses[0][1]
        yield f"http://127.0.0.1:{port}/runtime/webhooks/EventGrid?functionName=on_event", received
    finally:
        may_answer.set()
        await runner.cleanup()


async def _push(event: OutgoingEvent, status: int) -> tuple[int, Any, Any]:
    async with _webhook(status) as (url, received), aiohttp.ClientSession() as session:
        answered = await WebhookDelivery(session, url).deliver(event)
    ((headers, body),) = received
    return answered, headers, body


def test_a_cloud_event_is_pushed_alone() -> None:
    """The webhook is sent the event itself, with the headers of a CloudEvents delivery."""
    event = _outgoing(DeliverySchema.CLOUD_EVENTS, attempt=3)
    status, headers, body = asyncio.run(_push(event, 202))
    assert (status, body) == (202, event.body)
    assert headers["aeg-event-type"] == "Notification"
    assert headers["aeg-delivery-count"] == "2"
    assert headers["content-type"] == "application/cloudevents+json; charset=utf-8"


def test_an_event_grid_event_is_pushed_in_an_array_of_one() -> None:
    """Without batching the body is still an array."""
    event = _outgoing(DeliverySchema.EVENT_GRID)
    status, headers, body = asyncio.run(_push(event, 500))
    assert (status, body) == (500, [event.body])
    assert (headers["aeg-subscription-name"], headers["aeg-data-version"]) == ("EVICTED", "1")
    assert headers["content-type"] == "application/json; charset=utf-8"


def test_a_redirection_is_an_answer_and_not_followed() -> None:
    """Event Grid does not go where a webhook points."""
    status, _, _ = asyncio.run(_push(_outgoing(DeliverySchema.CLOUD_EVENTS), 302))
    assert status == 302


def test_a_webhook_that_is_not_there_or_too_slow_gives_no_answer() -> None:
    """No connection and no answer in time are told apart, since Event Grid waits longer after the second."""

    async def scene() -> tuple[int, int]:
        event = _outgoing(DeliverySchema.CLOUD_EVENTS)
        async with _webhook(200, mute=True) as (url, _), aiohttp.ClientSession() as session:
            slow = await WebhookDelivery(session, url, answer_within_s=0.05).deliver(event)
        async with aiohttp.ClientSession() as session:
            gone = await WebhookDelivery(session, url).deliver(event)
        return slow, gone

    assert asyncio.run(scene()) == (408, 0)


def test_an_event_lies_on_the_queue_in_base64(tmp_path: Path) -> None:
    """In Azurite itself the message is base64 of one CloudEvent, with its time to live; a missing queue is a 404."""

    async def scene() -> tuple[int, int, Any]:
        certificate = write_certificate(tmp_path)
        who = PrincipalCredential(TokenIssuer(secrets.token_bytes(32), lambda: datetime.now(UTC)), "event-grid")
        async with azurite(None, certificate, secrets.token_bytes(32)) as storage:
            authority = certificate.authority
            raw = QueueClient(storage.queue_uri, "signals", credential=who, connection_verify=str(authority))
            async with raw, QueueDelivery(storage.queue_uri, "signals", who, timedelta(hours=2), authority) as queue:
                missing = await queue.deliver(event)
                await raw.create_queue()
                taken = await queue.deliver(event)
                return missing, taken, await raw.receive_message()

    event = _outgoing(DeliverySchema.CLOUD_EVENTS)
    missing, taken, message = asyncio.run(scene())
    assert (missing, taken) == (404, 201)
    assert json.loads(base64.b64decode(message.content, validate=True)) == event.body
    assert message.expires_on - message.inserted_on == timedelta(hours=2)


def test_a_queue_that_is_not_there_gives_no_answer(tmp_path: Path) -> None:
    """While storage is down there is no status, and nothing is raised."""

    async def scene() -> int:
        certificate = write_certificate(tmp_path)
        who = PrincipalCredential(TokenIssuer(b"k" * 32, lambda: datetime.now(UTC)), "event-grid")
        async with QueueDelivery("https://127.0.0.1:9/none", "signals", who, HOUR, certificate.authority) as queue:
            return await queue.deliver(_outgoing(DeliverySchema.CLOUD_EVENTS))

    assert asyncio.run(scene()) == 0


def test_destinations_differ_in_what_they_never_retry() -> None:
    """Event Grid tries a queue again that said 401, and a webhook that said so never."""
    assert QueueDelivery.never_retried == {400, 403, 413}
    assert WebhookDelivery.never_retried == {400, 401, 403, 413}
