"""What a trial looks at before it creates anything, and with which rights it gets along."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from localazure.laptop import EVENT_FILTERS, TEMPLATE
from localazure.resource_manager.deployment import deployed
from localazure.resource_manager.roles import RESPONDER_ROLE, Role
from localazure.trial.ground import open_beneath
from localazure.world.world import SUBSCRIPTION
from spot_responder.trial.journal import Made
from spot_responder.trial.precautions import find_app, find_lacking_rights
from spot_responder.trial.removal import take_away
from spot_responder.trial.run import run_trial
from spot_responder.trial.views.checks import steps_for
from spot_responder.trial.views.rights import lacking, needed
from spot_responder.trial.views.verdicts import Step
from tests.trial.harness.trials import open_trial

if TYPE_CHECKING:
    from pathlib import Path

ALL = tuple(Step)


def test_a_trial_needs_no_more_rights_than_it_says(tmp_path: Path) -> None:
    """With just these it does everything, and is denied nothing."""

    async def story() -> None:
        roles = {"owner": Role("trial", needed(ALL))}
        async with (
            open_beneath(tmp_path) as beneath,
            open_trial(tmp_path / "here", beneath, "aaaaaaaa", roles=roles) as tried,
        ):
            assert await find_lacking_rights(tried.field.azure, tried.field.plan, ALL) == []
            course, left = await run_trial(tried.field, ALL, keep=False)
            assert (course.failed, course.unfinished, left) == ({}, [], [])
            seen = tried.field.seen
            denied = [name for name, answers in seen.answers.items() if any(each.status == 403 for each in answers)]
            assert denied == []

    asyncio.run(story())


@pytest.mark.parametrize("belief", ["E14", "C1", "G9"])
def test_a_trial_of_one_belief_needs_no_more_rights_than_it_says(belief: str, tmp_path: Path) -> None:
    """Each step names all that it needs: with --only there may be no other that names it too."""

    async def story() -> None:
        steps = steps_for(frozenset({belief}))
        roles = {"owner": Role("trial", needed(steps))}
        async with (
            open_beneath(tmp_path) as beneath,
            open_trial(tmp_path / "here", beneath, "aaaaaaaa", roles=roles) as tried,
        ):
            field = tried.field
            assert await find_app(field.azure, field.plan) == ""
            assert await find_lacking_rights(field.azure, field.plan, steps) == []
            course, left = await run_trial(field, steps, keep=False)
            assert (course.failed, course.unfinished, left) == ({}, [], [])
            answers = [(name, each) for name, given in field.seen.answers.items() for each in given]
            assert [name for name, each in answers if each.status == 403] == []

    asyncio.run(story())


def test_the_rights_that_a_login_lacks_are_named_before_anything_is_created(tmp_path: Path) -> None:
    """A reader may read; where not even that can be seen, that is said."""

    async def story() -> None:
        roles = {"owner": Role("reader", ("*/read",))}
        async with (
            open_beneath(tmp_path) as beneath,
            open_trial(tmp_path / "reader", beneath, "aaaaaaaa", roles=roles) as tried,
            open_trial(tmp_path / "nobody", beneath, "bbbbbbbb", roles={}) as nobody,
        ):
            field = tried.field
            assert await find_lacking_rights(field.azure, field.plan, (Step.READ,)) == []
            lacks = await find_lacking_rights(field.azure, field.plan, (Step.GROUP,))
            assert lacks == [f"Microsoft.Resources/subscriptions/resourceGroups/{verb}" for verb in ("write", "delete")]
            (unseen,) = await find_lacking_rights(nobody.field.azure, nobody.field.plan, (Step.READ,))
            assert unseen.startswith("Microsoft.Authorization/permissions/read (403")
            assert "could not be seen" in await find_app(nobody.field.azure, nobody.field.plan)

    asyncio.run(story())


def test_a_right_that_is_taken_out_is_lacking() -> None:
    """By ``notActions``; and what is no list of permissions gives none."""
    permissions = {"value": [{"actions": ["Microsoft.Compute/*"], "notActions": ["*/delete"]}, "odd"]}
    actions = ["Microsoft.Compute/virtualMachines/write", "Microsoft.Compute/virtualMachines/delete"]
    assert lacking(actions, permissions) == actions[1:]
    assert lacking(actions, None) == actions


def test_the_app_is_found_by_its_role(tmp_path: Path) -> None:
    """Where it is deployed, and nowhere else."""

    async def story() -> None:
        async with open_beneath(tmp_path) as beneath, open_trial(tmp_path / "here", beneath, "aaaaaaaa") as tried:
            field = tried.field
            assert await find_app(field.azure, field.plan) == ""
            there = deployed(EVENT_FILTERS, RESPONDER_ROLE, TEMPLATE)
            tried.ground.deployed.definitions.extend(there.definitions)
            assert (await find_app(field.azure, field.plan)).startswith("the subscription has the app (its role 'Spot")

    asyncio.run(story())


def test_what_a_trial_did_not_create_is_left_alone(tmp_path: Path) -> None:
    """A group of a journal's name without the trial's tag is another's by now."""

    async def story() -> None:
        async with open_beneath(tmp_path) as beneath, open_trial(tmp_path / "here", beneath, "aaaaaaaa") as tried:
            field, plan = tried.field, tried.field.plan
            await field.azure.ask("PUT", plan.group, "2022-09-01", {"location": "westeurope", "tags": {"a": "b"}})
            field.journal.note(Made(plan.group, "2022-09-01", plan.run))
            (problem,) = await take_away(field.azure, field.journal, plan.subscription, field.waits, lambda _: None)
            assert "left alone" in problem
            assert list(tried.ground.made.bodies) == [plan.group.lower()]

    asyncio.run(story())


def test_an_existing_topic_is_used_and_stays(tmp_path: Path) -> None:
    """Only the event subscription on it goes again; nor is another group of the subscription touched."""

    async def story() -> None:
        async with open_beneath(tmp_path) as beneath, open_trial(tmp_path / "here", beneath, "aaaaaaaa") as tried:
            there = deployed(EVENT_FILTERS, RESPONDER_ROLE, TEMPLATE)
            tried.ground.deployed.topics.update(there.topics)
            field = tried.field
            steps = (Step.GROUP, Step.WITNESS)
            course, left = await run_trial(field, steps, keep=True)
            assert (course.failed, left) == ({}, [])
            hanging = [one["name"] for each in tried.ground.deployed.subscriptions.values() for one in each]
            assert sorted(hanging) == ["spot-responder-trial-arm-aaaaaaaa", "spot-responder-trial-health-aaaaaaaa"]
            left = await take_away(field.azure, field.journal, SUBSCRIPTION, field.waits, lambda _: None)
            assert left == []
            assert tried.ground.deployed.topics == there.topics
            assert [one for each in tried.ground.deployed.subscriptions.values() for one in each] == []

    asyncio.run(story())
