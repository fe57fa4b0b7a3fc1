"""``make trial``: a trial of the beliefs about Azure, in the laptop Azure. Called by ``demo/commands.py``."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING, Final

from localazure.demo.az_env import leave_login, remove_login
from localazure.trial.ground import trial_ground
from localazure.world.world import SUBSCRIPTION

if TYPE_CHECKING:
    from pathlib import Path

    from localazure.trial.ground import Ground

LOCATION: Final = "westeurope"
SIZE: Final = "Standard_D2s_v5"
_QUOTA: Final = 100
_PRICE_USD: Final = 0.02


def furnish(ground: Ground) -> None:
    """Give the subscription what a trial looks for: a price, a quota, and scale sets."""
    ground.world.set_quota(SUBSCRIPTION, LOCATION, _QUOTA)
    ground.world.set_price(SIZE, LOCATION, _PRICE_USD)
    scale_set = ground.world.add_scale_set("set-1", restore_policy=True)
    ground.world.add_vm("set-1_1", scale_set_id=scale_set)
    ground.world.add_vm("regular-1", priority="Regular")


def run(folder: Path) -> int:
    """Run a trial against the laptop Azure, and leave its evidence in the folder; give the command's exit code."""
    return asyncio.run(_run(folder))


async def _run(folder: Path) -> int:
    async with trial_ground(folder) as ground:
        furnish(ground)
        leave_login(folder, "operator", ground.environment)
        try:
            words = ("trial", "--local", "--yes", "--subscription", SUBSCRIPTION, "--location", LOCATION)
            command = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "spot_responder", *words, "--size", SIZE, cwd=folder.parent, env=dict(os.environ)
            )
            return await command.wait()
        finally:
            remove_login(folder, "operator")
