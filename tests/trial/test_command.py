"""What may be said to the command ``trial``, and what a careful person is promised."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from localazure.trial.ground import open_beneath
from tests.trial.commanded import laptop, left_in, outcome

if TYPE_CHECKING:
    from pathlib import Path

    from localazure.trial.ground import Ground


def _others(ground: Ground) -> dict[str, object]:
    """Give the VMs that no trial has created, as they are."""
    machines = [one for one in ground.world.machines() if "witness-" not in one.vm_id]
    return {one.vm_id: (len(one.conditions), one.tags, one.size, one.deleted_at) for one in machines}


def test_what_is_kept_the_next_trial_takes_away_and_nothing_else(tmp_path: Path) -> None:
    """The VM that was kept may cost as much as was said, and no more."""

    async def story() -> None:
        async with open_beneath(tmp_path) as beneath, laptop(tmp_path / "here", beneath) as ground:
            others = _others(ground)
            code, said = await outcome(tmp_path / "here", "--keep", "--only", "G6", "--max-cost", "0.5")
            assert code == 0, said
            assert "It costs 0.50 USD at most" in said
            (kept,) = (one for one in ground.world.machines() if one.name.startswith("witness-"))
            assert kept.max_price == 0.15
            assert kept.deleted_at is None
            told = json.loads((tmp_path / "here" / ".local" / "trial.json").read_text(encoding="utf-8"))
            assert [(each["belief"], each["verdict"]) for each in told] == [("G6", "holds")]

            code, said = await outcome(tmp_path / "here", "--only", "R6")
            assert code == 0, said
            assert "Before that it takes away what an earlier trial has left" in said
            assert left_in(ground) == []
            assert _others(ground) == others

    asyncio.run(story())
