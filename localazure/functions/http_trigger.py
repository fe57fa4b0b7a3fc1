"""The addresses at which a function app answers requests: ``/api/<route>``, with the function's key."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from aiohttp import web

from localazure.functions.worker import RpcHttp, TypedData

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from localazure.functions.worker import Ran

PREFIX: Final = "/api/"
"""``routePrefix`` of ``host.json``, as it is where nothing is said."""


@dataclass(frozen=True, slots=True)
class HttpFunction:
    """A function with an HTTP trigger."""

    route: str
    methods: tuple[str, ...]
    needs_key: bool
    run: Callable[[TypedData], Awaitable[Ran]]


def http_routes(functions: Iterable[HttpFunction], key: str) -> list[web.RouteDef]:
    """Serve the functions. ``key`` opens all of them: in the header ``x-functions-key`` or in the query as ``code``.

    Where it is missing or wrong, Azure answers 401 and says nothing; where a function fails, 500.
    """
    return [
        web.route(method, f"{PREFIX}{function.route}", _handler(function, key))
        for function in functions
        for method in function.methods
    ]


def _handler(function: HttpFunction, key: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(request: web.Request) -> web.Response:
        given = request.headers.get("x-functions-key") or request.query.get("code", "")
        if function.needs_key and not secrets.compare_digest(given.encode(), key.encode()):
            return web.Response(status=HTTPStatus.UNAUTHORIZED)
        ran = await function.run(TypedData(http=await _asked(request)))
        if ran.error is not None or ran.returned is None or ran.returned.http is None:
            return web.Response(status=HTTPStatus.INTERNAL_SERVER_ERROR)
        return _answered(ran.returned.http)

    return answer


async def _asked(request: web.Request) -> RpcHttp:
    headers = {name.lower(): value for name, value in request.headers.items()}
    return RpcHttp(
        method=request.method,
        url=str(request.url),
        headers=headers,
        query=dict(request.query),
        body=TypedData(bytes=await request.read()),
    )


def _answered(answer: RpcHttp) -> web.Response:
    body = answer.body.bytes or (answer.body.string or "").encode() if answer.body else b""
    return web.Response(body=body, status=int(answer.status_code), headers=dict(answer.headers))
