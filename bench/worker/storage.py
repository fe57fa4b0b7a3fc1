"""Storage for the contest: Azurite in memory, over HTTP, and a proxy in front of it that counts requests."""

from __future__ import annotations

import base64
import secrets
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from aiohttp import ClientSession, web
from yarl import URL

from localazure.runtime.azurite import ACCOUNT, azurite

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import AsyncIterator, Mapping

NOTHING_THERE: Final = "queue empty"
SERVICES: Final = ("blob", "queue", "table")
_OF_ONE_CONNECTION: Final = frozenset({"connection", "transfer-encoding", "content-length"})


@dataclass(frozen=True, slots=True)
class Account:
    """A storage account. ``uris``: for each of ``SERVICES``, its address."""

    key: str
    uris: Mapping[str, str]

    @property
    def connection_string(self) -> str:
        """Write it as the SDKs read it."""
        endpoints = ";".join(f"{service.title()}Endpoint={self.uris[service]}" for service in SERVICES)
        return f"AccountName={ACCOUNT};AccountKey={self.key};{endpoints}"

    @property
    def broker(self) -> str:
        """Write it as kombu reads it."""
        return f"azurestoragequeues://{self.key}@{self.uris['queue']}"


@asynccontextmanager
async def account() -> AsyncIterator[Account]:
    """Run Azurite with one empty account."""
    # Of hexadecimal digits, so that the key has no slash in base64: kombu's addresses do not allow one.
    secret = secrets.token_hex(32).encode()
    async with azurite(None, None, secret) as storage:
        uris = {"blob": storage.blob_uri, "queue": storage.queue_uri, "table": storage.table_uri}
        yield Account(base64.b64encode(secret).decode(), uris)


@asynccontextmanager
async def counted(account: Account, requests: Counter[str]) -> AsyncIterator[Account]:
    """Give the same account by way of proxies that count its answers by service, method and status."""
    runners = []
    uris = {}
    # A header that is added would not be what was signed.
    async with ClientSession(auto_decompress=False, skip_auto_headers=("Content-Type",)) as session:
        for service in SERVICES:
            runner = await _proxy(service, account.uris[service], requests, session)
            runners.append(runner)
            port = runner.addresses[0][1]
            uris[service] = f"http://127.0.0.1:{port}/{ACCOUNT}"
        try:
            yield Account(account.key, uris)
        finally:
            for runner in runners:
                await runner.cleanup()


async def _proxy(service: str, uri: str, requests: Counter[str], session: ClientSession) -> web.AppRunner:
    behind = urlsplit(uri)

    async def pass_on(request: web.Request) -> web.Response:
        url = URL(f"{behind.scheme}://{behind.netloc}{request.raw_path}", encoded=True)
        headers = {name: value for name, value in request.headers.items() if name.lower() != "transfer-encoding"}
        async with session.request(
            request.method, url, headers=headers, data=await request.read() or None, allow_redirects=False
        ) as answer:
            body = await answer.read()
        is_empty = service == "queue" and body.endswith(b"<QueueMessagesList/>")
        requests[NOTHING_THERE if is_empty else f"{service} {request.method} {answer.status}"] += 1
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in _OF_ONE_CONNECTION}
        return web.Response(status=answer.status, headers=kept, body=body)

    app = web.Application(client_max_size=2**30)
    app.router.add_route("*", "/{path:.*}", pass_on)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner
