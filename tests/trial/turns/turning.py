"""How the laptop Azure is told to be otherwise: on the wire of ARM, price list and serial log, or in its world."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

from spot_responder.trial.views.observations import LISTENER

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from aiohttp.typedefs import Handler, Middleware

    from localazure.trial.ground import Ground
    from localazure.world.machines import Machine

type Body = Any


@dataclass(frozen=True, slots=True)
class Asked:
    """A request on its way, and the ground that it goes to."""

    ground: Ground
    method: str
    path: str
    query: Mapping[str, str]
    text: str

    def is_post(self, action: str) -> bool:
        """Whether it asks for an action on the witness VM."""
        return self.method == "POST" and "/witness-" in self.path and self.path.endswith(f"/{action}")

    @property
    def machine(self) -> Machine | None:
        """The witness VM."""
        found = [one for one in self.ground.world.machines() if one.name.startswith("witness-")]
        return found[0] if found else None


def between(
    turn: Callable[[Asked, Callable[[], Awaitable[web.StreamResponse]]], Awaitable[web.StreamResponse]],
) -> Callable[[list[Ground]], Middleware]:
    """Stand between a trial and the laptop Azure."""

    def make(here: list[Ground]) -> Middleware:
        @web.middleware
        async def middle(request: web.Request, handler: Handler) -> web.StreamResponse:
            asked = Asked(here[0], request.method, request.path, request.query, await request.text())
            return await turn(asked, lambda: handler(request))

        return middle

    return make


def answered(when: Callable[[Asked], bool], status: int, code: str, message: str = "So it is.") -> Any:  # noqa: ANN401
    """Refuse some requests."""

    async def turn(asked: Asked, go: Callable[[], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
        if when(asked):
            return web.json_response({"error": {"code": code, "message": message}}, status=status)
        return await go()

    return between(turn)


def changed(when: Callable[[Asked], bool], change: Callable[[Body], Body]) -> Any:  # noqa: ANN401
    """Change the bodies of some answers."""

    async def turn(asked: Asked, go: Callable[[], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
        meant = when(asked)
        response = await go()
        if meant and isinstance(response, web.Response) and response.text:
            body = change(json.loads(response.text))
            kept = {
                name: value
                for name, value in response.headers.items()
                if name.lower().startswith(("x-ms", "az", "date"))
            }
            return web.json_response(body, status=response.status, headers=kept)
        return response

    return between(turn)


def without_header(when: Callable[[Asked], bool], name: str, value: str = "") -> Any:  # noqa: ANN401
    """Take a header out of some answers, or set it."""

    async def turn(asked: Asked, go: Callable[[], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
        meant = when(asked)
        response = await go()
        if meant:
            response.headers.pop(name, None)
            if value:
                response.headers[name] = value
        return response

    return between(turn)


def noticed(when: Callable[[Asked], bool], act: Callable[[Ground], None]) -> Any:  # noqa: ANN401
    """Do something to the world before some requests."""

    async def turn(asked: Asked, go: Callable[[], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
        if when(asked):
            act(asked.ground)
        return await go()

    return between(turn)


@dataclass(frozen=True, slots=True)
class Turning:
    """How a belief is made untrue.

    ``settle``: how long what is told late is waited for, in seconds; ``role``: how long a role is.
    """

    between: Callable[[list[Ground]], Middleware] | None = None
    world: Callable[[Ground], None] | None = None
    settle: float | None = None
    role: float | None = None


def printed(change: Callable[[list[Body]], list[Body]]) -> Any:  # noqa: ANN401
    """Change what the listener in the VM has printed."""

    async def turn(asked: Asked, go: Callable[[], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
        response = await go()
        if (
            asked.path.startswith("/witness-")
            and isinstance(response, web.Response)
            and isinstance(response.body, bytes)
        ):
            log = response.body.decode()
            lines = [json.loads(line.partition(LISTENER)[2]) for line in log.split("\n")[:-1] if LISTENER in line]
            return web.Response(text="".join(f"{LISTENER}{json.dumps(line)}\n" for line in change(lines)))
        return response

    return between(turn)
