"""One schedule, drawn from a seed, so that it can be repeated."""

from __future__ import annotations

import sys
from random import Random
from typing import TYPE_CHECKING

from soak.worker.story import Story

if TYPE_CHECKING:
    from soak.worker.known import Findings


def run_schedule(seed: int, *, is_shown: bool = False) -> Findings:
    """Run one schedule, and say what was found; ``is_shown``: with what the workers told."""

    def told(line: str) -> None:
        if is_shown:
            sys.stdout.write(f"{line}\n")

    story = Story(seed, Random(seed), told)  # noqa: S311 - no secret
    story.play()
    return story.judge.findings
