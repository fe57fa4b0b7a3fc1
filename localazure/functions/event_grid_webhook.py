"""The address at which Event Grid pushes events to a function app. Opened by ``triggers.py``."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from localazure.functions.worker import TypedData

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from localazure.functions.worker import RpcException

    type Push = Callable[[TypedData], Awaitable[RpcException | None]]

PATH: Final = "/runtime/webhooks/EventGrid"
# Event Grid sends batches of at most 1 MB; base64 and an envelope add to that.
LARGEST_BODY: Final = 2 * 1024**2


def event_grid_routes(functions: Mapping[str, Push]) -> list[web.RouteDef]:
    """Serve the Event Grid functions, by name (in any casing): validation, the CloudEvents handshake, and events."""
    by_name = {name.lower(): push for name, push in functions.items()}

    async def post(request: web.Request) -> web.Response:
        push = by_name.get(request.query.get("functionName", "").lower())
        if push is None:
            names = ", ".join(functions) or "none"
            return web.json_response(
                {"error": f"functionName names no Event Grid function; there are: {names}"}, status=404
            )
        try:
            events = _events(await request.text())
        except ValueError as error:
            return web.json_response({"error": str(error)}, status=400)
        return await _answer(request.headers.get("aeg-event-type", "").lower(), events, push)

    return [web.post(PATH, post), web.options(PATH, _handshake)]


async def _answer(event_type: str, events: list[dict[str, Any]], push: Push) -> web.Response:
    match event_type:
        case "subscriptionvalidation":
            code = events[0].get("data", {}).get("validationCode") if events else None
            return web.json_response({"validationResponse": code})
        case "notification":
            errors = await asyncio.gather(*(push(TypedData(json=json.dumps(event))) for event in events))
            return web.Response(status=500 if any(errors) else 202)
        case "unsubscribe":
            return web.Response(status=200)
        case _:
            return web.json_response({"error": f"aeg-event-type {event_type!r} is not known"}, status=400)


def _events(body: str) -> list[dict[str, Any]]:
    """Read an array of events, or the single one that a CloudEvents delivery holds."""
    content = json.loads(body)
    events = content if isinstance(content, list) else [content]
    if not all(isinstance(event, dict) for event in events):
        message = "the body must be an event, or an array of events"
        raise ValueError(message)
    return events


async def _handshake(request: web.Request) -> web.Response:
    """Agree to be sent events, as the CloudEvents webhook specification asks (section 4, abuse protection)."""
    origin = request.headers.get("WebHook-Request-Origin", "")
    return web.Response(headers={"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "*"})
