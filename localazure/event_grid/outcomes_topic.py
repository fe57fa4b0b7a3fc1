"""A custom Event Grid topic: takes the outcomes and notices that the app publishes, and keeps them for tests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Callable

    from localazure.event_grid.azure_events import JsonObject

PATH: Final = "/api/events"
TOPIC_RESOURCE: Final = "https://eventgrid.azure.net"
"""The resource that a bearer token for a topic must be for (azure-eventgrid 4.22.1)."""

_API_VERSION: Final = "2018-01-01"
# A custom topic takes 1 MB a request.
_LARGEST_BODY: Final = 1024**2
_NEEDED: Final = ("id", "source", "type", "specversion")


class OutcomesTopic:
    """The published CloudEvents, in the order they came."""

    def __init__(self) -> None:
        """Begin with none."""
        self.published: list[JsonObject] = []


def outcomes_application(topic: OutcomesTopic, principal_of: Callable[[str], str | None]) -> web.Application:
    """Serve a topic at ``/api/events``. ``principal_of`` says whose a bearer token is, ``None`` for a bad one."""

    async def post(request: web.Request) -> web.Response:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or principal_of(token.strip()) is None:
            return _refusal(401, "Unauthorized", "The request authorization is missing, or its token is not good.")
        if request.query.get("api-version") != _API_VERSION:
            return _refusal(400, "BadRequest", f"The api-version of a custom topic is {_API_VERSION}.")
        try:
            events = _events(await request.text())
        except ValueError as error:
            return _refusal(400, "BadRequest", str(error))
        topic.published.extend(events)
        return web.Response(status=200)

    application = web.Application(client_max_size=_LARGEST_BODY)
    application.router.add_post(PATH, post)
    return application


def _events(body: str) -> list[JsonObject]:
    content = json.loads(body)
    events = content if isinstance(content, list) else [content]
    for event in events:
        missing = [name for name in _NEEDED if not isinstance(event, dict) or name not in event]
        if missing:
            message = f"This topic takes CloudEvents 1.0; one of the events lacks {', '.join(missing)}."
            raise ValueError(message)
    return events


def _refusal(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"error": {"code": code, "message": message}}, status=status)
