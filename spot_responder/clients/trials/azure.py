"""The port of a trial to ARM and Resource Graph: gives every answer as it came. Opened by ``commands/trials``."""

from __future__ import annotations

import json
import ssl
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

from aiohttp import ClientSession, DummyCookieJar, TCPConnector
from azure.core import AsyncPipelineClient
from azure.core.exceptions import AzureError
from azure.core.pipeline.policies import AsyncBearerTokenCredentialPolicy
from azure.core.pipeline.transport import AioHttpTransport
from azure.core.rest import HttpRequest
from azure.identity.aio import DefaultAzureCredential

from spot_responder.clients.kql import fill, read_query
from spot_responder.clients.logins import Login, cause_of, is_for_want_of_a_token
from spot_responder.clients.offerings.retail_prices import MOST_PAGES, first_page, next_page
from spot_responder.clients.operator_errors import no_login
from spot_responder.clients.resource_manager import login_of
from spot_responder.clients.trials.custom_data import custom_data
from spot_responder.clients.trials.storage import TrialStorage
from spot_responder.intake.payloads import text_field
from spot_responder.trial.field import COMPUTE
from spot_responder.trial.views.observations import Answered

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from azure.core.credentials_async import AsyncTokenCredential
    from azure.core.rest import AsyncHttpResponse

    from spot_responder.operators.ports import Login as Named
    from spot_responder.trial.clock import AzuresClock

_GRAPH: Final = "/providers/Microsoft.ResourceGraph/resources"
_GRAPH_VERSION: Final = "2024-04-01"
_OF_AN_ADDRESS: Final = "/?&=%$'()"
_KEY_BITS: Final = 2048
_BY_ARM: Final = "x-ms-request-id"
"""Each answer of ARM has it: a proxy on the way, which may answer instead, has another clock."""


@dataclass(frozen=True, slots=True)
class TrialAzure:
    """The port to ARM and Resource Graph."""

    endpoint: str
    prices_endpoint: str
    client: AsyncPipelineClient[HttpRequest, AsyncHttpResponse]
    public: AsyncPipelineClient[HttpRequest, AsyncHttpResponse]
    """Sends no token: for what is public, and for addresses that let in whoever knows them."""
    credential: AsyncTokenCredential
    transport: AioHttpTransport
    clock: AzuresClock
    accounts: dict[str, TrialStorage] = field(default_factory=dict)

    async def login(self) -> Named:
        """Give the login, by what its token says.

        Raises:
            CouldNotLookError: if there is none.
        """
        try:
            token = await self.credential.get_token(f"{self.endpoint}/.default")
        except AzureError as error:
            raise no_login(error) from error
        return login_of(token.token)

    async def ask(
        self,
        method: str,
        path: str,
        api_version: str,
        body: Mapping[str, object] | None = None,
        *,
        if_match: str = "",
    ) -> Answered:
        """Send a request to ARM; give its answer, status 0 where there was none."""
        joint = "&" if "?" in path else "?"
        address = f"{self.endpoint}{quote(path, safe=_OF_AN_ADDRESS)}{joint}api-version={api_version}"
        headers = {"If-Match": if_match} if if_match else {}
        request = HttpRequest(method, address, headers=headers, json=body)
        return await self._send(self.client, request, path.partition("?")[0])

    async def follow(self, address: str) -> Answered:
        """Ask at an address of ARM's own host."""
        try:
            parts = urlsplit(address)
        except ValueError as error:
            return Answered(self.clock.now(), "GET", "", 0, body=f"not asked: what Azure gave is no address: {error}")
        if parts[:2] != urlsplit(self.endpoint)[:2]:
            return Answered(self.clock.now(), "GET", parts.path, 0, body="not asked: the address is not ARM's own")
        return await self._send(self.client, HttpRequest("GET", address), parts.path)

    async def price_pages(self, location: str, size: str) -> list[Answered]:
        """Ask the public price list about a size: all its pages."""
        pages: list[Answered] = []
        address = first_page(self.prices_endpoint, location, size)
        while address and len(pages) < MOST_PAGES:
            pages.append(await self._read_public(address))
            address = next_page(self.prices_endpoint, pages[-1].body)
        return pages

    async def prices_after(self, location: str, size: str, rows: int) -> Answered:
        """Ask the price list for what it has about a size after so many rows."""
        return await self._read_public(f"{first_page(self.prices_endpoint, location, size)}&$skip={rows}")

    async def query(self, subscription: str, kql: str) -> Answered:
        """Ask Resource Graph about one subscription."""
        body = {"subscriptions": [subscription], "query": kql, "options": {"resultFormat": "objectArray"}}
        return await self.ask("POST", _GRAPH, _GRAPH_VERSION, body)

    async def named_query(self, subscription: str, name: str, **parameters: str | list[str]) -> Answered:
        """Ask Resource Graph with a file of ``queries/``."""
        return await self.query(subscription, fill(name, read_query(name), **parameters))

    def storage(self, endpoints: Mapping[str, str]) -> TrialStorage:
        """Open a storage account; one that was opened before is given again."""
        key = endpoints["queue"]
        if key not in self.accounts:
            self.accounts[key] = TrialStorage(
                endpoints["queue"], endpoints["blob"], self.credential, self.transport, self.clock.now
            )
        return self.accounts[key]

    def custom_data(self) -> str:
        """Give the custom data by which a VM has a listener."""
        return custom_data()

    def public_key(self) -> str:
        """Give the public half of a new SSH key; the other half is forgotten at once."""
        # Imported where a VM is made: it takes long.
        from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415

        key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS).public_key()
        return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()

    async def serial_log(self, vm: str) -> Answered:
        """Read what a VM printed to its serial console, by the address that ARM gives for it."""
        answer = await self.ask("POST", f"{vm}/retrieveBootDiagnosticsData", COMPUTE)
        address = text_field(answer.body, "serialConsoleLogBlobUri")
        # Whoever knows that address may read the log: it is told to nobody.
        return await self._read_public(address) if address else replace(answer, body=None)

    async def _read_public(self, address: str) -> Answered:
        return await self._send(self.public, HttpRequest("GET", address), urlsplit(address).path)

    async def _send(
        self, client: AsyncPipelineClient[HttpRequest, AsyncHttpResponse], request: HttpRequest, path: str
    ) -> Answered:
        begun, method = monotonic(), request.method
        try:
            response = await client.send_request(request)
        except AzureError as error:
            lacks_token = is_for_want_of_a_token(error)
            why = f"no token: {cause_of(error.message)}" if lacks_token else str(error.message)
            return Answered(self.clock.now(), method, path, 0, body=why, took_s=monotonic() - begun)
        took_s = monotonic() - begun
        headers = {name.lower(): value for name, value in response.headers.items()}
        if client is self.client and _BY_ARM in headers:
            self.clock.hear(headers.get("date", ""), took_s)
        return Answered(self.clock.now(), method, path, response.status_code, headers, _parsed(response), took_s)


def _parsed(response: AsyncHttpResponse) -> object:
    # A serial log may have anything.
    text = response.content.decode("utf-8", "replace")
    try:
        return json.loads(text) if text.strip() else None
    except ValueError:
        return text


@asynccontextmanager
async def trial_azure(endpoint: str, prices_endpoint: str, clock: AzuresClock) -> AsyncIterator[TrialAzure]:
    """Open the port with the login that ``DefaultAzureCredential`` finds."""
    credential = Login(DefaultAzureCredential())
    connector = TCPConnector(ssl=ssl.create_default_context())
    session = ClientSession(connector=connector, auto_decompress=False, cookie_jar=DummyCookieJar(), trust_env=True)
    transport = AioHttpTransport(session=session, connection_timeout=10, read_timeout=60)
    async with transport, credential:
        yield azure_by(endpoint, prices_endpoint, credential, transport, clock)


def azure_by(
    endpoint: str,
    prices_endpoint: str,
    credential: AsyncTokenCredential,
    transport: AioHttpTransport,
    clock: AzuresClock,
) -> TrialAzure:
    """Give the port over a transport that is open, with this login."""
    policy = AsyncBearerTokenCredentialPolicy(credential, f"{endpoint}/.default")
    client: AsyncPipelineClient[Any, Any] = AsyncPipelineClient(endpoint, policies=[policy], transport=transport)
    public: AsyncPipelineClient[Any, Any] = AsyncPipelineClient(prices_endpoint, policies=[], transport=transport)
    return TrialAzure(endpoint, prices_endpoint, client, public, credential, transport, clock)
