"""What others have is left alone: in the trial's group, on the trial's topics, or named by a record that is damaged."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from localazure.trial.ground import open_beneath
from localazure.world.world import SUBSCRIPTION
from spot_responder.trial.belonging import is_own, is_topic, strangers, trial_of
from spot_responder.trial.journal import LAPTOP_JOURNAL, Made
from spot_responder.trial.removal import take_away
from spot_responder.trial.run import run_trial
from spot_responder.trial.views.verdicts import Step
from tests.trial.harness.commanded import laptop, left_in, outcome
from tests.trial.harness.trials import open_trial
from tests.trial.turns.turning import between

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.trial.harness.trials import Tried
    from tests.trial.turns.turning import Asked

RUN = "aaaaaaaa"
GROUPS = f"/subscriptions/{SUBSCRIPTION}/resourceGroups"
GROUP = f"{GROUPS}/rg-spot-responder-trial-{RUN}"
TOPIC = f"{GROUPS}/others/providers/Microsoft.EventGrid/systemTopics/theirs"
THEIRS = f"{GROUP}/providers/Microsoft.Network/virtualNetworks/theirs"


async def removed(tried: Tried) -> list[str]:
    """Take away all that the record lists; give what is left."""
    field = tried.field
    return await take_away(field.azure, field.journal, SUBSCRIPTION, field.waits, lambda _: None)


def test_a_group_with_something_of_somebody_else_is_not_deleted(tmp_path: Path) -> None:
    """Somebody has put a network into it. Only the VM goes, which costs; when theirs is gone, so is the group."""

    async def story() -> None:
        async with open_beneath(tmp_path) as beneath, open_trial(tmp_path / "a", beneath, RUN) as tried:
            field = tried.field
            await run_trial(field, (Step.GROUP, Step.WITNESS, Step.MACHINE), keep=True)
            await field.azure.ask("PUT", THEIRS, "2024-05-01", {"location": "westeurope", "properties": {}})
            (told,) = await removed(tried)
            assert "left alone, for the trial has not created all that is in it: " in told
            assert "Microsoft.Network/virtualNetworks/theirs. If nobody needs that: az group delete --name " in told
            assert told.endswith(f"rg-spot-responder-trial-{RUN} --subscription {SUBSCRIPTION}")
            assert THEIRS.lower() in tried.ground.made.bodies
            assert [one for one in tried.ground.world.machines() if RUN in one.vm_id and one.deleted_at is None] == []
            await field.azure.ask("DELETE", THEIRS, "2024-05-01")
            assert await field.until(lambda: THEIRS.lower() not in tried.ground.made.bodies, 10)
            assert await removed(tried) == []
            assert left_in(tried.ground) == []

    asyncio.run(story())


def test_a_topic_on_which_somebody_else_hangs_is_not_deleted(tmp_path: Path) -> None:
    """A subscription has one topic of a kind: an app that was deployed meanwhile uses that of the trial."""

    async def story() -> None:
        async with open_beneath(tmp_path) as beneath, open_trial(tmp_path / "a", beneath, RUN) as tried:
            field = tried.field
            await run_trial(field, (Step.GROUP, Step.WITNESS), keep=True)
            topic = next(made for made in field.journal.remains() if is_topic(made.resource_id))
            own = next(made for made in field.journal.remains() if "/eventSubscriptions/" in made.resource_id)
            body = (await field.azure.ask("GET", own.resource_id, own.api_version)).body
            theirs = f"{topic.resource_id}/eventSubscriptions/of-the-app"
            assert isinstance(body, dict)
            await field.azure.ask("PUT", theirs, own.api_version, {"properties": body["properties"]})
            (told,) = await removed(tried)
            assert "/eventSubscriptions/of-the-app. If nobody needs that: az group delete" in told
            assert theirs.lower() in tried.ground.made.bodies
            await field.azure.ask("DELETE", theirs, own.api_version)
            assert await field.until(lambda: theirs.lower() not in tried.ground.made.bodies, 10)
            assert await removed(tried) == []
            assert left_in(tried.ground) == []

    asyncio.run(story())


def refused_or_paged() -> Any:  # noqa: ANN401 - as in turning.py
    """Refuse to list what is in a group, the first time; then give it in two pages, of which the second has theirs."""
    asked: list[str] = []

    async def turn(request: Asked, go: Callable[[], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
        if not request.path.endswith("/resources"):
            return await go()
        asked.append(request.path)
        match len(asked):
            case 1:
                return web.json_response({"error": {"code": "AuthorizationFailed", "message": "No."}}, status=403)
            case 2:
                address = f"{request.ground.environment['ARM_ENDPOINT']}{request.path}?api-version=2022-09-01&page=2"
                return web.json_response({"value": [], "nextLink": address})
            case _:
                return web.json_response({"value": [{"id": THEIRS}] * 3})

    return between(turn)


def test_a_group_is_not_deleted_before_all_of_it_was_seen(tmp_path: Path) -> None:
    """Whether a right is lacking, or there is a second page."""

    async def story() -> None:
        async with (
            open_beneath(tmp_path) as beneath,
            open_trial(tmp_path / "a", beneath, RUN, between=refused_or_paged()) as tried,
        ):
            await run_trial(tried.field, (Step.GROUP,), keep=True)
            (told,) = await removed(tried)
            assert "it could not be seen what is in it: 403" in told
            (told,) = await removed(tried)
            assert "virtualNetworks/theirs and 1 more. If" in told
            assert left_in(tried.ground) == [GROUP.lower()]

    asyncio.run(story())


def test_a_trial_does_not_hang_on_the_topics_of_another_one(tmp_path: Path) -> None:
    """They go with the other one: it would hear no more from then on, and not know why."""

    async def story() -> None:
        async with open_beneath(tmp_path) as beneath, laptop(tmp_path / "here", beneath) as ground:
            code, said = await outcome(tmp_path / "here", "--keep", "--only", "Q14", "--out", "a")
            assert code == 0, said
            before = left_in(ground)
            _, said = await outcome(tmp_path / "here", "--only", "Q14", "--out", "b")
            assert "is another trial's, and goes with it: end that one, or take away what it has left, first" in said
            assert left_in(ground) == before
            code, said = await outcome(tmp_path / "here", "--take-away", "--out", "a")
            assert (code, left_in(ground)) == (0, []), said

    asyncio.run(story())


def test_a_record_that_names_somebody_elses_vm_does_not_have_it_deleted(tmp_path: Path) -> None:
    """It is told, and what to do with the line."""

    async def story() -> None:
        async with open_beneath(tmp_path) as beneath, laptop(tmp_path / "here", beneath) as ground:
            vm = next(one for one in ground.world.machines() if one.name == "regular-1")
            line = json.dumps({"created": vm.vm_id, "version": "2024-07-01", "run": RUN})
            (tmp_path / "here" / ".local" / LAPTOP_JOURNAL).write_text(f"{line}\n", encoding="utf-8")
            code, said = await outcome(tmp_path / "here", "--only", "R6")
            assert code == 1
            assert "left alone, for its id is none that its trial can have created: take the line out" in said
            assert vm.deleted_at is None

    asyncio.run(story())


@pytest.mark.parametrize(
    "resource_id",
    [
        GROUP,
        f"{GROUP}/providers/Microsoft.Compute/virtualMachines/witness-{RUN}",
        f"{TOPIC}/eventSubscriptions/spot-responder-trial-arm-{RUN}",
    ],
)
def test_what_a_trial_creates_is_its_own(resource_id: str) -> None:
    """In whatever casing."""
    assert is_own(Made(resource_id, "v", RUN))
    assert is_own(Made(resource_id.upper(), "v", RUN))
    assert not is_own(Made(resource_id, "v", "bbbbbbbb"))


@pytest.mark.parametrize(
    "resource_id",
    [
        f"{GROUP}x",
        f"{GROUPS}/others",
        TOPIC,
        f"{TOPIC}/eventSubscriptions/theirs",
        f"{TOPIC}/eventSubscriptions/theirs-{RUN}",
        f"{GROUP}/../others",
        f"{GROUP}/..",
        f"{GROUP}/%2e%2e/others",
        f"{GROUP}?x=/providers/y",
        f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/locks/{RUN}",
    ],
)
def test_what_no_trial_creates_is_not(resource_id: str) -> None:
    """Neither what is called alike, nor what leads out of the group again."""
    assert not is_own(Made(resource_id, "v", RUN))
    assert not is_own(Made(GROUP, "v", ".*"))


def test_a_disk_that_azure_has_named_after_the_vm_is_no_stranger() -> None:
    """Nor is what hangs on what the record names."""
    made = [Made(each, "v", RUN) for each in (GROUP, f"{GROUP}/providers/M.N/networks/witness")]
    inside = [f"{GROUP}/providers/M.C/disks/witness-{RUN}_OsDisk_1", f"{made[1].resource_id}/subnets/default"]
    assert strangers([*inside, THEIRS], made, made[0]) == [THEIRS]
    assert trial_of(f"{GROUP}/providers/x") == RUN
    assert trial_of(TOPIC) == ""
