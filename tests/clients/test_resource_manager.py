"""The client of ARM's lists: what is no list, or less than a whole one, is never taken for a list without an item."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from azure.core import AsyncPipelineClient
from azure.core.pipeline.transport import AioHttpTransport

from spot_responder.clients.resource_manager import ResourceManager
from spot_responder.decisions.policy import Policy
from spot_responder.responder.ports import AzureRefusedError
from spot_responder.settings import Settings
from tests.harness.fronts import Credential

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    type Reply = Callable[[str, int], web.Response]

PATH = "/subscriptions/s/providers/Microsoft.Compute/skus"


def listed(reply: Reply) -> list[Mapping[str, object]]:
    """List what is at a path; ``reply`` answers by the server's own address and the number of the request."""

    async def ask() -> list[Mapping[str, object]]:
        asked: list[web.Request] = []

        async def answer(request: web.Request) -> web.Response:
            asked.append(request)
            return reply(str(request.url.origin()), len(asked))

        application = web.Application()
        application.router.add_get("/{path:.*}", answer)
        async with TestServer(application) as server, AioHttpTransport() as transport:
            arm = str(server.make_url("")).rstrip("/")
            client: AsyncPipelineClient[Any, Any] = AsyncPipelineClient(arm, policies=[], transport=transport)
            settings = Settings("https://queue", "https://table", arm, None, dry_run=False, policy=Policy())
            return await ResourceManager(settings, client, Credential("resizer")).listed(PATH, "2024-01-01")

    return asyncio.run(ask())


def test_all_pages_are_read() -> None:
    """In their order, and an empty list is one."""

    def reply(arm: str, number: int) -> web.Response:
        return web.json_response({"value": [{"page": number}]} | ({"nextLink": f"{arm}/more"} if number < 3 else {}))

    assert listed(reply) == [{"page": 1}, {"page": 2}, {"page": 3}]
    assert listed(lambda *_: web.json_response({"value": []})) == []


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, "<html>Sign in</html>"),
        (200, ""),
        (200, "[]"),
        (200, "{}"),
        (200, '{"value": null}'),
        (200, '{"value": {"name": "Standard_D2s_v5"}}'),
        (302, ""),
        (503, "down"),
    ],
)
def test_an_answer_that_is_no_list_is_a_refusal(status: int, body: str) -> None:
    """A proxy's page says nothing of sizes or quotas. The refusal says what was asked for."""

    def reply(_arm: str, _number: int) -> web.Response:
        return web.Response(status=status, text=body, headers={"Location": "https://elsewhere.example/"})

    with pytest.raises(AzureRefusedError, match=f"GET {PATH}"):
        listed(reply)


@pytest.mark.parametrize("link", ["https://elsewhere.example/more", "/more", 17])
def test_a_list_whose_next_page_is_elsewhere_is_a_refusal(link: object) -> None:
    """It is not asked, since a token goes with the request; and what is on that page may be what is looked for."""
    with pytest.raises(AzureRefusedError, match="at another host"):
        listed(lambda *_: web.json_response({"value": [{}], "nextLink": link}))


def test_pages_without_an_end_are_a_refusal() -> None:
    """A hundred of them are a mistake of Azure's."""
    with pytest.raises(AzureRefusedError, match="more than 100 pages"):
        listed(lambda arm, _: web.json_response({"value": [], "nextLink": f"{arm}/more"}))
