"""A removal comes to its end: whatever signal comes, whatever Azure answers at first, whatever befalls its record."""

from __future__ import annotations

import asyncio
import json
import re
import resource
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from localazure.trial.ground import open_beneath
from localazure.world.world import SUBSCRIPTION
from spot_responder.trial.journal import JOURNAL, LAPTOP_JOURNAL, Made, open_journal
from spot_responder.trial.removal import take_away
from tests.trial.harness.commanded import command, laptop, left_in, outcome
from tests.trial.harness.trials import open_trial
from tests.trial.turns.turning import between

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from aiohttp.typedefs import Handler, Middleware

    from tests.trial.turns.turning import Asked

GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-spot-responder-trial-aaaaaaaa"
HANGING = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/others/providers/Microsoft.EventGrid/systemTopics/theirs"
    "/eventSubscriptions/spot-responder-trial-arm-aaaaaaaa"
)


@dataclass
class AtRequest:
    """Does something once to the process, or the folder, of a trial: when its group is deleted, or created."""

    method: str
    act: Callable[[asyncio.subprocess.Process], None]
    slow_s: float = 0.3
    process: list[asyncio.subprocess.Process] = field(default_factory=list)
    done: bool = False

    def middleware(self) -> Middleware:
        """Give what stands between the trial and ARM."""

        @web.middleware
        async def middle(request: web.Request, handler: Handler) -> web.StreamResponse:
            is_group = "/resourceGroups/" in request.path and "/providers/" not in request.path
            if is_group and request.method == self.method and self.process and not self.done:
                self.done = True
                self.act(self.process[0])
                await asyncio.sleep(self.slow_s)
            return await handler(request)

        return middle


async def _told(here: Path, at: AtRequest, *more: str) -> tuple[int | None, str]:
    process = await command(here, *more, stdout=asyncio.subprocess.PIPE)
    at.process.append(process)
    out, said = await process.communicate()
    return process.returncode, f"{said.decode()}{out.decode()}"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_first_signal_that_comes_while_all_is_taken_away_does_not_end_that(
    tmp_path: Path, number: signal.Signals
) -> None:
    """The steps are over: whoever presses Ctrl-C means the trial, and is told what another one would do."""

    async def story() -> None:
        at = AtRequest("DELETE", lambda process: process.send_signal(number), slow_s=2.0)
        here = tmp_path / "here"
        async with open_beneath(tmp_path) as beneath, laptop(here, beneath, at.middleware()) as ground:
            code, said = await _told(here, at, "--only", "Q14")
            assert code == 0, said
            assert at.done
            assert "taking away what was created; Ctrl-C again ends even that" in said
            assert "left behind" not in said
            assert left_in(ground) == []

    asyncio.run(story())


def test_ctrl_c_while_the_group_is_being_created_leaves_no_group(tmp_path: Path) -> None:
    """Its creation is answered late: had it not been waited for, it would have come to be after all was taken away."""

    async def story() -> None:
        at = AtRequest("PUT", lambda process: process.send_signal(signal.SIGINT), slow_s=1.5)
        here = tmp_path / "here"
        async with open_beneath(tmp_path) as beneath, laptop(here, beneath, at.middleware()) as ground:
            code, said = await _told(here, at, "--only", "Q14")
            await asyncio.sleep(2)
            assert code == 130, said
            assert left_in(ground) == []

    asyncio.run(story())


def test_a_disk_that_takes_no_more_does_not_end_the_removal(tmp_path: Path) -> None:
    """The record lists still what is gone; that is said, and the next trial finds it gone."""

    def fill(process: asyncio.subprocess.Process) -> None:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))

    async def story() -> None:
        at = AtRequest("DELETE", fill)
        here = tmp_path / "here"
        async with open_beneath(tmp_path) as beneath, laptop(here, beneath, at.middleware()) as ground:
            _, said = await _told(here, at, "--only", "Q14")
            assert left_in(ground) == []
            assert "could not be written" in said
            assert "it still lists what is gone; the next trial looks again" in said
            assert "Traceback" not in said
            code, said = await outcome(here, "--take-away")
            assert code == 0, said
            with open_journal(here / ".local", LAPTOP_JOURNAL) as journal:
                assert journal.remains() == []

    asyncio.run(story())


def test_a_record_that_is_deleted_while_a_trial_runs_is_written_anew(tmp_path: Path) -> None:
    """What it listed is taken away all the same."""

    async def story() -> None:
        here = tmp_path / "here"
        at = AtRequest("DELETE", lambda _: (here / ".local" / LAPTOP_JOURNAL).unlink())
        async with open_beneath(tmp_path) as beneath, laptop(here, beneath, at.middleware()) as ground:
            code, said = await _told(here, at, "--only", "Q14")
            assert code == 0, said
            assert left_in(ground) == []
            with open_journal(here / ".local", LAPTOP_JOURNAL) as journal:
                assert journal.remains() == []

    asyncio.run(story())


def test_a_record_that_is_lost_lists_what_is_kept_again(tmp_path: Path) -> None:
    """Also where nothing is created after that."""
    made = Made(GROUP, "2022-09-01", "aaaaaaaa")
    with open_journal(tmp_path) as journal:
        journal.note(made)
        journal.path.unlink()
        assert journal.remains() == [made]
    lines = (tmp_path / JOURNAL).read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["created"] for line in lines] == [GROUP]


@pytest.mark.parametrize(("status", "method"), [(503, "DELETE"), (409, "DELETE"), (429, "GET"), (500, "GET")])
def test_a_refusal_that_passes_leaves_nothing(status: int, method: str, tmp_path: Path) -> None:
    """Azure is busy for a moment, or still takes off a lock."""
    refused: list[int] = []

    async def turn(asked: Asked, go: Callable[[], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
        if asked.path == GROUP and asked.method == method and len(refused) < 2:
            refused.append(status)
            body = {"error": {"code": "ScopeLocked" if status == 409 else "ServerBusy", "message": "Not now."}}
            return web.json_response(body, status=status, headers={"Retry-After": "1"})
        return await go()

    async def story() -> None:
        async with (
            open_beneath(tmp_path) as beneath,
            open_trial(tmp_path / "a", beneath, "aaaaaaaa", between=between(turn)) as tried,
        ):
            ours, told = tried.field, list[str]()
            await ours.make(
                "group", GROUP, "2022-09-01", {"location": "westeurope", "tags": {"spot-responder-trial": "aaaaaaaa"}}
            )
            assert await take_away(ours.azure, ours.journal, SUBSCRIPTION, ours.waits, told.append) == []
            assert re.search(rf": {status} \w+: Not now\.; it is tried again for \d+ s", "\n".join(told))
            assert left_in(tried.ground) == []

    asyncio.run(story())


def test_what_azure_has_only_agreed_to_delete_is_not_forgotten_before_it_is_gone(tmp_path: Path) -> None:
    """202 says that it will be done."""
    looks: list[str] = []

    async def turn(asked: Asked, go: Callable[[], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
        if asked.path != HANGING:
            return await go()
        if asked.method == "DELETE":
            return web.Response(status=202)
        looks.append(asked.method)
        if len(looks) < 3:
            return web.json_response({"id": HANGING})
        return web.json_response({"error": {"code": "ResourceNotFound", "message": "No."}}, status=404)

    async def story() -> None:
        async with (
            open_beneath(tmp_path) as beneath,
            open_trial(tmp_path / "a", beneath, "aaaaaaaa", between=between(turn)) as tried,
        ):
            ours = tried.field
            ours.journal.note(Made(HANGING, "2022-09-01", "aaaaaaaa"))
            assert await take_away(ours.azure, ours.journal, SUBSCRIPTION, ours.waits, lambda _: None) == []
            assert looks == ["GET"] * 3
            assert ours.journal.remains() == []

    asyncio.run(story())
