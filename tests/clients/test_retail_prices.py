"""The client of Azure's price list: all pages, on the API's own host only, without a token."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from azure.core import AsyncPipelineClient
from azure.core.pipeline.transport import AioHttpTransport

from spot_responder.clients.offerings.retail_prices import RetailPrices
from spot_responder.intake.azure_errors import FailureKind
from spot_responder.responder.ports import AzureRefusedError

type Reply = Callable[[web.Request, int], Awaitable[web.Response]]


@dataclass
class PriceServer:
    """What answers in place of Azure; ``asked`` holds the requests."""

    reply: Reply
    asked: list[web.Request] = field(default_factory=list)

    async def pages(self, location: str = "westeurope", size: str = "Standard_D4s_v5") -> list[object]:
        """Ask for a size."""

        async def answer(request: web.Request) -> web.Response:
            self.asked.append(request)
            return await self.reply(request, len(self.asked))

        application = web.Application()
        application.router.add_get("/{path:.*}", answer)
        async with TestServer(application) as server, AioHttpTransport() as transport:
            endpoint = str(server.make_url("")).rstrip("/")
            client: AsyncPipelineClient[Any, Any] = AsyncPipelineClient(endpoint, policies=[], transport=transport)
            return await RetailPrices(endpoint, client).pages(location, size)


def answered(reply: Reply, **asked: str) -> tuple[list[object], PriceServer]:
    """Ask once."""
    server = PriceServer(reply)
    return asyncio.run(server.pages(**asked)), server


def page(link: object = None) -> web.Response:
    """Give a page."""
    return web.json_response({"Items": [], "NextPageLink": link})


def test_all_pages_are_read() -> None:
    """A link is followed as it is, with what it says in its query."""

    async def reply(request: web.Request, number: int) -> web.Response:
        return page(f"{request.url.origin()}/api/retail/prices?$skip={number}00&more='a b'" if number < 3 else "")

    pages, server = answered(reply)
    assert len(pages) == 3
    assert [request.query.get("$skip") for request in server.asked] == [None, "100", "200"]
    assert server.asked[2].query["more"] == "'a b'"


def test_what_is_asked_for() -> None:
    """The region as the API spells it, and the size as Azure does: it compares them with case. No token goes along."""

    async def reply(_request: web.Request, _number: int) -> web.Response:
        return page()

    _, server = answered(reply, location="West Europe", size="Standard_O'Neill")
    (request,) = server.asked
    assert request.query["$filter"] == (
        "serviceName eq 'Virtual Machines' and armRegionName eq 'westeurope' and armSkuName eq 'Standard_O''Neill'"
    )
    assert request.query["api-version"] == "2023-01-01-preview"
    assert "Authorization" not in request.headers


@pytest.mark.parametrize(
    "link", ["https://prices.example/api", "http://[broken", "/api/retail/prices", 17, {"a": 1}, "http://127.0.0.1:1/"]
)
def test_a_link_that_leads_elsewhere_is_not_followed(link: object) -> None:
    """The page says that there is more, so the price is unknown, not wrong."""

    async def reply(_request: web.Request, _number: int) -> web.Response:
        return page(link)

    pages, server = answered(reply)
    assert len(server.asked) == 1
    assert pages == [{"Items": [], "NextPageLink": link}]


def test_links_without_an_end_are_not_followed_for_ever() -> None:
    """A hundred pages of one size are a mistake of the API."""

    async def reply(request: web.Request, _number: int) -> web.Response:
        return page(str(request.url))

    assert len(answered(reply)[0]) == 100


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, "", FailureKind.THROTTLED),
        (503, "down", FailureKind.UNKNOWN),
        (302, "", FailureKind.UNKNOWN),
        (200, "<html>", FailureKind.UNKNOWN),
        (200, "", FailureKind.UNKNOWN),
    ],
)
def test_an_answer_that_is_no_page_is_a_refusal(status: int, body: str, kind: FailureKind) -> None:
    """It says which prices were asked for."""

    async def reply(_request: web.Request, _number: int) -> web.Response:
        return web.Response(status=status, text=body, headers={"Location": "https://elsewhere.example/"})

    with pytest.raises(AzureRefusedError, match="tell prices of Standard_D4s_v5 in westeurope") as refused:
        answered(reply)
    assert refused.value.failure.kind is kind


def test_json_that_is_no_page_is_handed_on() -> None:
    """The reader of pages refuses it, with words of its own."""

    async def reply(_request: web.Request, _number: int) -> web.Response:
        return web.Response(text=json.dumps(["no page"]), content_type="application/json")

    assert answered(reply)[0] == [["no page"]]
