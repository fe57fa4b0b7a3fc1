"""A request that failed in passing is sent again: one bad minute of Azure's costs a trial no belief."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from localazure.trial.ground import open_beneath
from tests.trial.turns.turned import STEPS, problem_of_unturned, tried
from tests.trial.turns.turning import Turning, between
from tests.trial.turns.turnings import TURNINGS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.trial.turns.turned import Trial
    from tests.trial.turns.turning import Asked

READ_AT_ONCE = {"C1", "P6"}
"""Seen in a read right after a write, which is made once only: a moment later it would show something else."""
ASKED_TWICE = {"V5", "V11"}
"""Where an eviction and a start are each asked for twice, what is seen inside the VM may be of either."""


def _failing_once(status: int, *, is_done: bool) -> Turning:
    """Fail the first request of each kind; ``is_done``: only its answer is lost."""
    met: set[str] = set()

    async def turn(asked: Asked, go: Callable[[], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
        kind = f"{asked.method} {re.sub('[0-9a-f-]{8,}', '', asked.path.lower())} {sorted(asked.query.items())}"
        if kind in met:
            return await go()
        met.add(kind)
        if is_done:
            await go()
        return web.json_response({"error": {"code": "Passing", "message": "Try again."}}, status=status)

    return Turning(between=between(turn))


def _trial(folder: Path, turning: Turning) -> Trial:
    async def story() -> Trial:
        async with open_beneath(folder) as beneath:
            return await asyncio.to_thread(tried, folder / "here", beneath, 1, turning, STEPS)

    return asyncio.run(story())


@pytest.mark.parametrize("status", [429, 503])
def test_where_each_request_fails_once_all_is_found_that_is_found_otherwise(status: int, tmp_path: Path) -> None:
    """Each is sent again."""
    found = _trial(tmp_path, _failing_once(status, is_done=False)).found
    assert problem_of_unturned(found, TURNINGS.keys() - READ_AT_ONCE) == ""


def test_where_each_first_answer_is_lost_nothing_is_called_untrue(tmp_path: Path) -> None:
    """What was done without an answer may be refused when it is asked for again, and the trial goes on."""
    found = _trial(tmp_path, _failing_once(503, is_done=True)).found
    assert problem_of_unturned(found, TURNINGS.keys() - READ_AT_ONCE - ASKED_TWICE) == ""
