"""The custom topic of the laptop: Microsoft's own SDK publishes to it."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import web
from azure.core.exceptions import ClientAuthenticationError
from azure.core.messaging import CloudEvent
from azure.eventgrid.aio import EventGridPublisherClient

from localazure.event_grid.outcomes_topic import TOPIC_RESOURCE, OutcomesTopic, outcomes_application
from localazure.runtime.certificate import write_certificate
from localazure.runtime.identity import PrincipalCredential, TokenIssuer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from localazure.runtime.certificate import Certificate

ISSUER = TokenIssuer(secrets.token_bytes(32), lambda: datetime.now(UTC))


@asynccontextmanager
async def _served(topic: OutcomesTopic, certificate: Certificate) -> AsyncIterator[str]:
    application = outcomes_application(topic, lambda token: ISSUER.principal_of(token, TOPIC_RESOURCE))
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=certificate.server_context()).start()
        yield f"https://127.0.0.1:{runner.addresses[0][1]}/api/events"
    finally:
        await runner.cleanup()


async def _publish(folder: Path, issuer: TokenIssuer, *events: CloudEvent[object]) -> OutcomesTopic:
    certificate = write_certificate(folder)
    topic = OutcomesTopic()
    async with (
        _served(topic, certificate) as url,
        EventGridPublisherClient(
            url, PrincipalCredential(issuer, "responder"), connection_verify=str(certificate.authority), retry_total=0
        ) as client,
    ):
        await client.send(list(events))
    return topic


async def _post(folder: Path, body: str, query: str = "?api-version=2018-01-01") -> tuple[int, str, OutcomesTopic]:
    certificate = write_certificate(folder)
    topic = OutcomesTopic()
    token = ISSUER.mint("responder", TOPIC_RESOURCE).token
    async with (
        _served(topic, certificate) as url,
        aiohttp.ClientSession() as session,
        session.post(
            url + query, data=body, headers={"Authorization": f"Bearer {token}"}, ssl=certificate.client_context()
        ) as answer,
    ):
        return answer.status, await answer.text(), topic


def test_published_outcomes_are_kept_in_order(tmp_path: Path) -> None:
    """What the SDK sends in one request is there, whole and in order."""
    events = [CloudEvent[object]("/spot-responder", "SpotResponder.Restored", data={"vm": name}) for name in ("a", "b")]
    topic = asyncio.run(_publish(tmp_path, ISSUER, *events))
    assert [event["id"] for event in topic.published] == [event.id for event in events]
    assert [event["data"] for event in topic.published] == [{"vm": "a"}, {"vm": "b"}]


def test_a_token_of_somebody_else_is_refused(tmp_path: Path) -> None:
    """Without a good token nothing is published, and the SDK says why."""
    stranger = TokenIssuer(secrets.token_bytes(32), lambda: datetime.now(UTC))
    event = CloudEvent[object]("/spot-responder", "SpotResponder.Restored")
    with pytest.raises(ClientAuthenticationError, match="Unauthorized"):
        asyncio.run(_publish(tmp_path, stranger, event))


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("{", "Expecting"),
        ("[1]", "lacks id, source, type, specversion"),
        ('[{"id": "1", "source": "/s", "type": "t"}]', "lacks specversion"),
    ],
)
def test_what_is_no_cloud_event_is_refused(body: str, complaint: str, tmp_path: Path) -> None:
    """A body that is no JSON, or holds something else than CloudEvents, is a bad request that says so."""
    status, answer, topic = asyncio.run(_post(tmp_path, body))
    assert (status, topic.published) == (400, [])
    assert complaint in answer


def test_a_request_needs_an_api_version(tmp_path: Path) -> None:
    """As everywhere in Azure, a request without a version is refused."""
    status, answer, _ = asyncio.run(_post(tmp_path, "[]", query=""))
    assert status == 400
    assert "api-version" in answer
