"""Kills the app's host at marked points: when a request of the app reaches a front of Azure. Called by ``kills.py``."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from aiohttp import web

from localazure.event_grid.outcomes_topic import PATH as OUTCOMES_PATH

if TYPE_CHECKING:
    from random import Random

    from aiohttp.typedefs import Handler, Middleware

    from localazure.functions.restarted_host import KeptHost


class Point(StrEnum):
    """When the host dies. The host dies with a request of its own under way or just after, but for the last two.

    Azurite is no front of ours; what the app writes there is met by ``WRITING`` and ``AT_RANDOM``.
    """

    GRAPH_UNANSWERED = "before Resource Graph answers"
    VM_UNANSWERED = "before a VM is shown"
    WRITING = "right after a VM was shown"
    START_LATE = "before a start takes effect"
    START_UNANSWERED = "after a start took effect, before its answer leaves"
    OUTCOME_LOST = "before an outcome is taken"
    OUTCOME_UNANSWERED = "after an outcome was taken, before its answer leaves"
    START_LOST = "before a start arrives"
    """It never does. The app waits for two minutes (``ANSWER_PATIENCE``) before it asks again."""
    AT_RANDOM = "at random"


# A VM is shown, decided on, and its row written, within so long.
_WRITING_S: Final = 0.12
_LONGEST_WAIT_S: Final = 8.0
_RANDOM_WITHIN_S: Final = 1.5
_LOST: Final = frozenset({Point.START_LOST, Point.OUTCOME_LOST})
_BEFORE: Final = frozenset({Point.GRAPH_UNANSWERED, Point.VM_UNANSWERED, Point.START_LATE, *_LOST})


@dataclass(slots=True)
class Killer:
    """Kills one host after the other; ``kills`` counts them."""

    chance: Random
    kills: Counter[Point] = field(default_factory=Counter)
    _host: KeptHost | None = None
    _armed: Point | None = None
    _hit: asyncio.Event = field(default_factory=asyncio.Event)

    def middleware(self) -> Middleware:
        """Give what stands between the app and the fronts."""

        @web.middleware
        async def between(request: web.Request, handler: Handler) -> web.StreamResponse:
            point, host = self._armed, self._host
            if point is None or host is None or not _is_at(point, request):
                return await handler(request)
            self._armed = None
            # All of it has arrived, whatever becomes of the sender.
            await request.read()
            if point in _BEFORE:
                await self._kill(host, point)
                # Nobody is there to hear it.
                return web.Response(status=503) if point in _LOST else await handler(request)
            answer = await handler(request)
            if point is Point.WRITING:
                asyncio.get_running_loop().create_task(self._kill_soon(host))
            else:
                await self._kill(host, point)
            return answer

        return between

    async def kill_at(self, point: Point, host: KeptHost) -> bool:
        """Wait for a point, and kill the host there. Give whether that point came: where it did not, nobody died."""
        await host.is_up.wait()
        if point is Point.AT_RANDOM:
            await asyncio.sleep(self.chance.uniform(0, _RANDOM_WITHIN_S))
            await self._kill(host, point)
            return True
        self._host, self._armed = host, point
        self._hit.clear()
        try:
            async with asyncio.timeout(_LONGEST_WAIT_S):
                await self._hit.wait()
        except TimeoutError:
            if self._armed is point:
                self._armed = None
                return False
            await self._hit.wait()
        return True

    async def _kill_soon(self, host: KeptHost) -> None:
        await asyncio.sleep(self.chance.uniform(0, _WRITING_S))
        await self._kill(host, Point.WRITING)

    async def _kill(self, host: KeptHost, point: Point) -> None:
        if await host.kill():
            self.kills[point] += 1
        self._hit.set()


def _is_at(point: Point, request: web.Request) -> bool:
    path = request.path.lower()
    match point:
        case Point.GRAPH_UNANSWERED:
            return path.endswith("/providers/microsoft.resourcegraph/resources")
        case Point.VM_UNANSWERED | Point.WRITING:
            return request.method == "GET" and path.rpartition("/")[0].endswith("/virtualmachines")
        case Point.START_LATE | Point.START_LOST | Point.START_UNANSWERED:
            return request.method == "POST" and path.endswith("/start")
        case Point.OUTCOME_LOST | Point.OUTCOME_UNANSWERED:
            return path == OUTCOMES_PATH
        case Point.AT_RANDOM:
            return False
