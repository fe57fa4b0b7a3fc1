"""What stands between one real worker and Azurite: it knows each request, and kills the worker at a marked one.

It is the worker's metadata service as well, which announces evictions.

Called by ``kills.py``; one proxy for each worker, so that it knows who asks.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector, web
from yarl import URL

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable

    from localazure.runtime.azurite import Storage

_LARGEST: Final = 64 * 1024**2
_OF_ONE_HOP: Final = frozenset({"connection", "keep-alive", "transfer-encoding", "content-encoding", "content-length"})
_SIGNED: Final = frozenset({"Content-Type", "Accept", "Accept-Encoding", "User-Agent"})
"""What a client of aiohttp adds by itself: then the signature, which is over the headers, would not fit."""
POINTER: Final = "pointer.json"


class Asked(StrEnum):
    """What a request of a worker is for."""

    RECEIVE = "a message is received"
    RENEW = "a lease is renewed, or a message given back"
    DELETE = "a message is deleted"
    PUT = "a message is put"
    READ_POINTER = "a pointer is read"
    CLAIM = "a claim is written"
    PROGRESS = "a checkpoint is pointed to"
    RESULT = "a result is written into the pointer"
    CHECKPOINT = "a checkpoint is uploaded"
    DELETE_CHECKPOINT = "an old checkpoint is deleted"
    RESULT_ROW = "a result is copied into its row"
    WORKER_ROW = "a worker says what it does"
    OTHER = "another request"


@dataclass(frozen=True, slots=True)
class Written:
    """A pointer that a worker wrote, and that Azurite took."""

    worker: str
    job_id: str
    pointer: dict[str, Any]


@dataclass(slots=True)
class KillingProxy:
    """The proxy of one worker. ``kill`` ends its process; ``saw`` hears of each pointer that was written."""

    worker: str
    kill: Callable[[], None]
    saw: Callable[[Written], None]
    results: str
    """The name of the results table."""
    event: dict[str, Any] | None = None
    """The scheduled event that the metadata service shows."""
    imds: str = ""
    """The metadata service's address."""
    _armed: tuple[Asked, bool] | None = None
    _awaited: Asked | None = None
    _hit: asyncio.Event = field(default_factory=asyncio.Event)
    _lasts: dict[str, tuple[int, int]] = field(default_factory=dict)

    async def hits(self, asked: Asked, within_s: float, *, is_after: bool) -> bool:
        """Kill the worker at the next such request: before it is carried out, or after, with its answer unread."""
        self._armed = asked, is_after
        self._hit.clear()
        return await self._is_hit(within_s)

    async def comes(self, asked: Asked, within_s: float) -> bool:
        """Wait for the next such request to be carried out; nobody dies of it."""
        self._awaited = asked
        self._hit.clear()
        return await self._is_hit(within_s)

    async def _is_hit(self, within_s: float) -> bool:
        try:
            async with asyncio.timeout(within_s):
                await self._hit.wait()
        except TimeoutError:
            self._armed = self._awaited = None
            return False
        return True

    @asynccontextmanager
    async def serves(self, storage: Storage, trusted: ssl.SSLContext) -> AsyncIterator[dict[str, str]]:
        """Listen for the three services; give their addresses as a connection string has them."""
        connector = TCPConnector(ssl=trusted, limit=0)
        runners: list[web.AppRunner] = []
        async with ClientSession(
            connector=connector, timeout=ClientTimeout(total=30), auto_decompress=False, cookie_jar=DummyCookieJar()
        ) as session:
            addresses: dict[str, str] = {}
            services = ("Blob", storage.blob_uri), ("Queue", storage.queue_uri), ("Table", storage.table_uri)
            try:
                for service, uri in services:
                    runners.append(await _listening(self._app(service, URL(uri).origin(), session)))
                    addresses[f"{service}Endpoint"] = f"{_address(runners[-1])}{URL(uri).path}"
                runners.append(await _listening(self._metadata_service()))
                self.imds = _address(runners[-1])
                yield addresses
            finally:
                for runner in runners:
                    await runner.cleanup()

    def _app(self, service: str, origin: URL, session: ClientSession) -> web.Application:
        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                content = await request.read()
            except ConnectionError:
                raise web.HTTPBadRequest from None  # the worker died while it was asking
            asked = self._asked(service, request, content)
            if self._is_the_one(asked, is_after=False):
                self.kill()
                self._hit.set()
                raise web.HTTPServiceUnavailable
            is_the_one = self._is_the_one(asked, is_after=True)
            url = URL(f"{origin}{request.raw_path}", encoded=True)
            async with session.request(
                request.method, url, headers=request.headers, data=content or None, skip_auto_headers=_SIGNED
            ) as answer:
                told = await answer.read()
                self._look(request, content, answer.status)
                if is_the_one:
                    self.kill()
                    self._hit.set()
                if self._awaited is asked:
                    self._awaited = None
                    self._hit.set()
                kept = [(k, v) for k, v in answer.headers.items() if k.lower() not in _OF_ONE_HOP]
                return web.Response(status=answer.status, headers=kept, body=told)

        app = web.Application(client_max_size=_LARGEST)
        app.router.add_route("*", "/{path:.*}", handle)
        return app

    def _metadata_service(self) -> web.Application:
        async def events(_request: web.Request) -> web.Response:
            return web.json_response({"DocumentIncarnation": 1, "Events": [self.event] if self.event else []})

        async def instance(_request: web.Request) -> web.Response:
            return web.json_response({"compute": {"name": self.worker, "vmId": self.worker, "resourceId": self.worker}})

        app = web.Application()
        app.router.add_get("/metadata/scheduledevents", events)
        app.router.add_get("/metadata/instance", instance)
        return app

    def _is_the_one(self, asked: Asked, *, is_after: bool) -> bool:
        if self._armed != (asked, is_after):
            return False
        self._armed = None
        return True

    def _asked(self, service: str, request: web.Request, content: bytes) -> Asked:
        name = request.path
        match service, request.method:
            case "Queue", "GET" if name.endswith("/messages"):
                return Asked.RECEIVE
            case "Queue", "PUT" if "/messages/" in name:
                return Asked.RENEW
            case "Queue", "DELETE" if "/messages/" in name:
                return Asked.DELETE
            case "Queue", "POST" if name.endswith("/messages"):
                return Asked.PUT
            case "Blob", "GET" if name.endswith(POINTER):
                return Asked.READ_POINTER
            case "Blob", "PUT" if name.endswith(POINTER):
                return self._of_pointer(name, json.loads(content))
            case "Blob", "PUT" if "/attempt-" in name:
                return Asked.CHECKPOINT
            case "Blob", "DELETE":
                return Asked.DELETE_CHECKPOINT
            case "Table", "PUT" | "PATCH" | "MERGE" | "POST" if "(" in name or request.method == "POST":
                return Asked.RESULT_ROW if f"/{self.results}" in name else Asked.WORKER_ROW
            case _:
                return Asked.OTHER

    def _of_pointer(self, name: str, pointer: dict[str, Any]) -> Asked:
        last = self._lasts.get(name)
        self._lasts[name] = now = pointer["attempt"], len(pointer.get("checkpoints", ()))
        if pointer.get("outcome"):
            return Asked.RESULT
        return Asked.CLAIM if last is None or last[0] != now[0] else Asked.PROGRESS

    def _look(self, request: web.Request, content: bytes, status: int) -> None:
        is_pointer = request.method == "PUT" and request.path.endswith(POINTER)
        if is_pointer and status == web.HTTPCreated.status_code:
            job_id = request.path.rsplit("/", 2)[1]
            self.saw(Written(self.worker, job_id, json.loads(content)))


async def _listening(app: web.Application) -> web.AppRunner:
    """Serve an app on a free port of loopback."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner


def _address(runner: web.AppRunner) -> str:
    return f"http://127.0.0.1:{runner.addresses[0][1]}"
