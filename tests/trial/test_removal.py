"""What a trial has created is forgotten only where it is gone: not because somebody else's Azure does not know it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from localazure.trial.ground import open_beneath
from localazure.world.world import SUBSCRIPTION
from spot_responder.trial.journal import JOURNAL, LAPTOP_JOURNAL, Made
from spot_responder.trial.removal import take_away
from tests.trial.harness.commanded import command, laptop, left_in, outcome
from tests.trial.harness.trials import open_trial
from tests.trial.turns.turning import answered, between

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.trial.turns.turning import Asked

GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-spot-responder-trial-aaaaaaaa"
TOPICS = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/others/providers/Microsoft.EventGrid/systemTopics"
HANGING = f"{TOPICS}/theirs/eventSubscriptions/spot-responder-trial-arm-aaaaaaaa"
OTHER = "22222222-bbbb-4ccc-8ddd-333333333333"


def taken(folder: Path, resource_id: str, turn: Any) -> tuple[list[str], list[str]]:  # noqa: ANN401 - as in turning.py
    """Let a trial take this away; give what it says, and what its journal has afterwards."""

    async def story() -> tuple[list[str], list[str]]:
        async with (
            open_beneath(folder) as beneath,
            open_trial(folder / "a", beneath, "aaaaaaaa", between=turn) as tried,
        ):
            field = tried.field
            field.journal.note(Made(resource_id, "2022-09-01", "aaaaaaaa"))
            left = await take_away(field.azure, field.journal, SUBSCRIPTION, field.waits, lambda _: None)
            return left, [made.resource_id for made in field.journal.remains()]

    return asyncio.run(story())


def page_of_a_proxy() -> Any:  # noqa: ANN401 - as in turning.py
    """Answer 404 without any code, as something else than ARM does."""

    async def turn(_asked: Asked, _go: Callable[[], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
        await asyncio.sleep(0)
        return web.Response(status=404, text="<html>Not Found</html>", content_type="text/html")

    return between(turn)


@pytest.mark.parametrize("code", ["SubscriptionNotFound", "NotFound", "ResourceNotFound", "InvalidResourceType"])
def test_a_resource_group_that_another_404_is_about_stays_in_the_record(code: str, tmp_path: Path) -> None:
    """The VM in it goes on costing; that is said, and what to do."""
    (told,), remains = taken(tmp_path, GROUP, answered(lambda _: True, 404, code))
    assert told.startswith(f"{GROUP}: 404 {code}")
    assert "does not say that it is gone: look in the portal" in told
    assert remains == [GROUP]


def test_a_page_without_a_code_is_no_news_of_a_resource(tmp_path: Path) -> None:
    """Neither of a group nor of what hangs elsewhere."""
    for resource_id in (GROUP, HANGING):
        (told,), remains = taken(tmp_path / resource_id.rpartition("/")[2], resource_id, page_of_a_proxy())
        assert told.startswith(f"{resource_id}: ")
        assert remains == [resource_id]


@pytest.mark.parametrize("code", ["ResourceGroupNotFound", "ResourceNotFound", "ParentResourceNotFound"])
def test_what_arm_says_is_gone_is_forgotten(code: str, tmp_path: Path) -> None:
    """An event subscription on another's topic, which that one has deleted meanwhile."""
    assert taken(tmp_path, HANGING, answered(lambda _: True, 404, code)) == ([], [])


def test_a_group_that_is_gone_is_forgotten_by_its_own_code_alone(tmp_path: Path) -> None:
    """It says that there is no such group in the very subscription."""
    assert taken(tmp_path, GROUP, answered(lambda _: True, 404, "ResourceGroupNotFound")) == ([], [])


def test_a_resource_whose_creation_got_no_answer_stays_in_the_record_when_it_is_refused_later(tmp_path: Path) -> None:
    """It may be there because of the first request."""
    statuses = [500, 409]

    async def turn(asked: Asked, go: Callable[[], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
        if asked.method != "PUT":
            return await go()
        return web.json_response({"error": {"code": "Odd", "message": ""}}, status=statuses.pop(0))

    async def story() -> None:
        async with (
            open_beneath(tmp_path) as beneath,
            open_trial(tmp_path / "a", beneath, "aaaaaaaa", between=between(turn)) as tried,
        ):
            for _ in range(2):
                await tried.field.make("network", f"{GROUP}/providers/Microsoft.Network/virtualNetworks/w", "1", {})
            assert len(tried.field.journal.remains()) == 1

    asyncio.run(story())


@pytest.mark.parametrize("first", [204, 404])
def test_an_event_subscription_whose_creation_got_no_answer_is_looked_for(first: int, tmp_path: Path) -> None:
    """Event Grid has nothing to delete yet, and says so with 204: a moment later it has."""
    asked: list[str] = []

    async def turn(request: Asked, _go: Callable[[], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
        await asyncio.sleep(0)
        asked.append(request.method)
        if len(asked) > 2:
            return web.Response(status=200)
        return (
            web.json_response({"error": {"code": "ResourceNotFound"}}, status=first)
            if first > 204
            else web.Response(status=204)
        )

    assert taken(tmp_path, HANGING, between(turn)) == ([], [])
    assert asked == ["DELETE"] * 3


def test_a_trial_of_the_laptop_leaves_the_record_of_azure_alone(tmp_path: Path) -> None:
    """The laptop Azure knows nothing of a VM that is paid for, and says of it that it is gone."""

    async def story() -> None:
        async with open_beneath(tmp_path) as beneath, laptop(tmp_path / "here", beneath):
            journal = tmp_path / "here" / ".local" / JOURNAL
            paid = json.dumps({"created": GROUP, "version": "2022-09-01", "run": "aaaaaaaa"}) + "\n"
            journal.write_text(paid, encoding="utf-8")
            code, said = await outcome(tmp_path / "here", "--only", "R6")
            assert code == 0, said
            assert journal.read_text(encoding="utf-8") == paid
            assert "earlier trial" not in said

    asyncio.run(story())


def test_what_is_left_in_another_subscription_is_not_looked_for_in_this_one(tmp_path: Path) -> None:
    """The trial names it, and the command that takes it away, and creates nothing."""

    async def story() -> None:
        async with open_beneath(tmp_path) as beneath, laptop(tmp_path / "here", beneath) as ground:
            journal = tmp_path / "here" / ".local" / LAPTOP_JOURNAL
            elsewhere = GROUP.replace(SUBSCRIPTION, OTHER)
            line = json.dumps({"created": elsewhere, "version": "2022-09-01", "run": "aaaaaaaa"}) + "\n"
            journal.write_text(line, encoding="utf-8")
            code, said = await outcome(tmp_path / "here")
            assert code == 1
            assert f"1 resource that a trial has left in subscription {OTHER}, such as {elsewhere}" in said
            assert f".venv/bin/spot-responder trial --subscription {OTHER} --take-away --local" in said
            assert "nothing was begun" in said
            code, said = await outcome(tmp_path / "here", "--take-away")
            assert code == 1
            assert journal.read_text(encoding="utf-8") == line
            assert left_in(ground) == []

    asyncio.run(story())


def test_what_was_kept_is_taken_away_by_the_command_that_is_named(tmp_path: Path) -> None:
    """Without another trial; a second time there is nothing to do."""

    async def story() -> None:
        async with open_beneath(tmp_path) as beneath, laptop(tmp_path / "here", beneath) as ground:
            process = await command(tmp_path / "here", "--keep", "--only", "Q14")
            await process.communicate()
            assert process.returncode == 0
            assert left_in(ground) != []
            code, said = await outcome(tmp_path / "here", "--take-away")
            assert code == 0, said
            assert left_in(ground) == []
            code, said = await outcome(tmp_path / "here", "--take-away")
            assert code == 0, said

    asyncio.run(story())
