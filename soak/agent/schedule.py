"""One schedule, drawn from a seed, so that it can be repeated."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from soak.agent.promises import Witness
from soak.agent.story import Story

if TYPE_CHECKING:
    from soak.agent.promises import Findings


def run_schedule(seed: int) -> Findings:
    """Run one schedule, and say what was found."""
    witnesses: list[Witness] = []

    def watched(story: Story) -> Witness:
        witnesses.append(Witness(story, seed))
        return witnesses[0]

    Story(Random(seed), watched).play()  # noqa: S311 - no secret
    return witnesses[0].findings
