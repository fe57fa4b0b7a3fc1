"""The metadata service of one VM over HTTP: Azure's 169.254.169.254, on a port of loopback.

It answers while the VM runs. ``metadata_answers.py`` says what, ``metadata_faults.py`` what goes wrong.
``laptop.py`` opens one for each VM that is to have one, and ``emulator.py`` one for a world of one VM.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Final

from aiohttp import web

from localazure.guests.metadata_answers import Asked, Inside, answer, check_headers
from localazure.guests.metadata_errors import MetadataRefused, too_many_requests
from localazure.guests.metadata_faults import Category, MetadataFaults, Trouble
from localazure.resource_manager.token_buckets import Rate, TokenBucket
from localazure.world.machines import PowerState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping
    from datetime import datetime

    from localazure.guests.announcements import Announcements
    from localazure.guests.instance_metadata import InboundRule
    from localazure.guests.metadata_answers import Body
    from localazure.runtime.identity import TokenIssuer
    from localazure.world.machines import Machine
    from localazure.world.world import World


_RATE: Final = Rate(5, 5, timedelta(seconds=1))
_TOKEN_RATE: Final = Rate(20, 20, timedelta(seconds=1))
_LARGEST_BODY: Final = 64 * 1024
_LOOK_S: Final = 0.02
_ERRORS: Final = {
    Trouble.BAD_REQUEST: "Bad request",
    Trouble.NOT_FOUND: "Not found",
    Trouble.GONE: "Gone",
    Trouble.TOO_MANY_REQUESTS: "Too many requests",
    Trouble.SERVER_ERROR: "Internal server error",
    Trouble.UNAVAILABLE: "Internal service unavailable. Please retry later",
}


@dataclass(slots=True)
class MetadataService:
    """The service of one VM, and what may be set of it while it runs: ``faults``, ``rules``, ``identities``."""

    machine: Machine
    world: World
    announcements: Announcements
    issuer: TokenIssuer
    clock: Callable[[], datetime]
    identities: Mapping[str, str]
    faults: MetadataFaults = field(default_factory=MetadataFaults)
    rules: tuple[InboundRule, ...] = ()
    url: str = ""
    events_read_at: datetime | None = None
    """When somebody in the VM last got an answer about scheduled events."""
    _buckets: dict[Rate, TokenBucket] = field(default_factory=dict)
    _switched_on: tuple[datetime, datetime] | None = None

    def catch_up(self) -> None:
        """Bring the world to the present."""
        self.world.advance(self.clock())

    @property
    def runs(self) -> bool:
        """Whether there is anybody inside."""
        return self.machine.power_state is PowerState.RUNNING and self.machine.deleted_at is None

    def take_turn(self, asked: Asked) -> None:
        """Count a request; raises ``MetadataRefused`` 429 where there were too many in this second."""
        rate = _TOKEN_RATE if asked.category is Category.IDENTITY else _RATE
        bucket = self._buckets.setdefault(rate, TokenBucket(rate, self.world.now))
        if bucket.remaining(self.world.now) == 0:
            raise too_many_requests()
        bucket.take(self.world.now)

    def answers_at(self) -> datetime:
        """Say when a question for scheduled events that comes now is answered: the first of a boot switches them on."""
        boot = self.machine.running_at or self.world.now
        if self._switched_on is None or self._switched_on[0] != boot:
            self._switched_on = (boot, self.world.now + self.faults.first_call_takes)
        return self._switched_on[1]

    def inside(self) -> Inside:
        """Give what the answers are made of, as it is now."""
        return Inside(
            machine=self.machine,
            announcements=self.announcements,
            faults=self.faults,
            identities=self.identities,
            mint=self.issuer.mint,
            seconds=lambda: int(self.clock().timestamp()),
            rules=self.rules,
        )


@asynccontextmanager
async def metadata_service(
    service: MetadataService, port: int = 0, beside: Iterable[web.RouteDef] = ()
) -> AsyncIterator[MetadataService]:
    """Serve it on a port of loopback (0: any free one), over plain http as in Azure, and note its address.

    ``beside``: addresses that are no part of Azure's service.

    Raises:
        OSError: the port is taken.
    """
    # Who waits for an answer that will not come does not hold up the end.
    runner = web.AppRunner(_application(service, beside), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        service.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield service
    finally:
        await runner.cleanup()


def _application(service: MetadataService, beside: Iterable[web.RouteDef]) -> web.Application:
    async def respond(request: web.Request) -> web.StreamResponse:
        service.catch_up()
        asked = Asked(
            method=request.method,
            path=request.path,
            query=dict(request.query),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=await request.read(),
        )
        if not service.runs:
            return _dropped(request)
        trouble = None if asked.category is None else service.faults.trouble.get(asked.category)
        match trouble:
            case Trouble.SILENCE:
                await _until(lambda: not service.runs, request)
                return _dropped(request)
            case Trouble.RESET:
                return _dropped(request)
            case Trouble.RUBBISH:
                return web.Response(text="<html><body>Sign in to continue</body></html>", content_type="text/html")
            case Trouble.EMPTY:
                return web.Response(content_type="application/json")
            case None | Trouble.HALF:
                return await _truth(service, asked, request, cut_off=trouble is Trouble.HALF)
            case (
                Trouble.BAD_REQUEST
                | Trouble.NOT_FOUND
                | Trouble.GONE
                | Trouble.TOO_MANY_REQUESTS
                | Trouble.SERVER_ERROR
                | Trouble.UNAVAILABLE
            ):
                return web.json_response({"error": _ERRORS[trouble]}, status=int(trouble))

    application = web.Application(client_max_size=_LARGEST_BODY)
    application.add_routes([*beside, web.route("*", "/{path:.*}", respond)])
    return application


async def _truth(service: MetadataService, asked: Asked, request: web.Request, *, cut_off: bool) -> web.StreamResponse:
    try:
        service.take_turn(asked)
        if asked.category is Category.SCHEDULED_EVENTS:
            check_headers(asked)
            await _until(lambda: not service.runs or service.clock() >= service.answers_at(), request)
            service.catch_up()
            if not service.runs:
                return _dropped(request)
        response = _written(answer(asked, service.inside()))
        if asked.category is Category.SCHEDULED_EVENTS and not cut_off:
            service.events_read_at = service.world.now
    except MetadataRefused as refusal:
        response = web.json_response(dict(refusal.body), status=refusal.status, headers=dict(refusal.headers))
    response.headers["Date"] = format_datetime(service.clock() + service.faults.ahead, usegmt=True)
    return await _half(response, request) if cut_off else response


def _written(body: Body | None) -> web.Response:
    return web.Response(status=200) if body is None else web.json_response(body)


async def _half(response: web.Response, request: web.Request) -> web.StreamResponse:
    """Announce the whole answer, send a half of it, and end the connection."""
    body = response.body if isinstance(response.body, bytes) else b""
    begun = web.StreamResponse(status=response.status, headers=response.headers)
    begun.content_length = len(body)
    await begun.prepare(request)
    await begun.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return begun


def _dropped(request: web.Request) -> web.Response:
    """End the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _until(holds: Callable[[], bool], request: web.Request) -> None:
    """Wait until something holds, or the client has gone: aiohttp tells nobody of that."""
    while not holds() and request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110 - see above
        await asyncio.sleep(_LOOK_S)
