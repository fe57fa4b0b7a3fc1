"""The answer to an accepted request, and the later answers at its operation's address, with their faults.

Compute's contract promises ``Location`` and ``Retry-After`` only; recorded answers have ``Azure-AsyncOperation`` too.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from aiohttp import web

from localazure.world.azure_errors import Refused
from localazure.world.operations import IN_PROGRESS
from localazure.world.timestamps import offset_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from localazure.world.operations import Operation

_LONGEST_SILENCE_S: Final = 60.0


class Acceptance(StrEnum):
    """How a start is accepted: 202 with both addresses, 202 with one, or a plain 200 without any."""

    BOTH = "Azure-AsyncOperation and Location"
    LOCATION = "Location"
    PLAIN = "200"


class AtAddress(StrEnum):
    """What answers at an operation's address."""

    TRUTH = "the truth"
    BROKEN = "500"
    THROTTLED = "429"
    DENIED = "403"
    EXPIRED = "404"
    RUBBISH = "no JSON"
    REDIRECT = "302"
    SILENCE = "nothing"


@dataclass(slots=True)
class OperationAnswers:
    """What is played; settable while the world runs."""

    acceptance: Acceptance = Acceptance.BOTH
    at_address: AtAddress = AtAddress.TRUTH

    def accept(self, headers: Mapping[str, str]) -> web.Response:
        """Accept a request whose whole answer has these headers."""
        left_out = {"Azure-AsyncOperation", "Azure-AsyncNotification"} if self.acceptance is Acceptance.LOCATION else {}
        if self.acceptance is Acceptance.PLAIN:
            return web.Response(status=200)
        return web.Response(status=202, headers={name: headers[name] for name in headers if name not in left_out})

    def instead(self, path: str) -> web.Response | None:
        """Give what answers instead of the truth; ``None`` where the truth does.

        Raises:
            Refused: where that is an error.
        """
        match self.at_address:
            case AtAddress.BROKEN:
                raise Refused(500, "InternalServerError", "Encountered internal server error.")
            case AtAddress.THROTTLED:
                raise Refused(429, "TooManyRequests", "Too many requests.", {"Retry-After": "600"})
            case AtAddress.DENIED:
                raise Refused(403, "AuthorizationFailed", "The client has no authorization to perform the action.")
            case AtAddress.EXPIRED:
                raise Refused(404, "NotFound", "The operation was not found.")
            case AtAddress.RUBBISH:
                return web.Response(text="<html><body>Sign in to continue</body></html>", content_type="text/html")
            case AtAddress.REDIRECT:
                return web.Response(status=302, headers={"Location": f"https://elsewhere.example{path}"})
            case AtAddress.TRUTH | AtAddress.SILENCE:
                return None

    async def keep_silent(self, request: web.Request) -> None:
        """Where silence is played at an operation's address, answer nothing for as long as anybody waits for it."""
        is_operation = "/locations/" in request.path and "/operations/" in request.path
        if self.at_address is not AtAddress.SILENCE or not is_operation:
            return
        try:
            async with asyncio.timeout(_LONGEST_SILENCE_S):
                while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110 - aiohttp tells nobody when a client has gone
                    await asyncio.sleep(0.05)
        except TimeoutError:
            return


def monitored(operation: Operation) -> web.Response:
    """Answer at ``Location``: 202 while it runs, then 200 or the error."""
    if operation.error is not None:
        raise Refused(409, operation.error.code, operation.error.message)
    return web.Response(status=202 if operation.status == IN_PROGRESS else 200)


def operation_body(operation: Operation) -> dict[str, object]:
    """Give the body of a poll. It comes with HTTP 200 also where the operation failed."""
    body: dict[str, object] = {"startTime": offset_time(operation.started_at)}
    if operation.ended_at is not None:
        body["endTime"] = offset_time(operation.ended_at)
    body["status"] = operation.status
    if operation.error is not None:
        body["error"] = {"code": operation.error.code, "message": operation.error.message}
    return body | {"name": operation.operation_id}
