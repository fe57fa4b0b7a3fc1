"""What is known of a recipe: how its software is started, how jobs get into it, and what stays when a VM goes."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from bench.recipes.stories import Story

REPOSITORY: Final = Path(__file__).resolve().parents[2]
FOLDER: Final = REPOSITORY / "agent" / "recipes"
PYTHON: Final = REPOSITORY / ".venv-recipes" / "bin" / "python"
NO_HOOK: Final = "none"
CUT_OFF: Final = "not over when the VM went"
OURS: Final = Path(sys.executable)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one software is played."""

    name: str
    """Of its folder, and of its hooks."""

    worker: Sequence[str]
    """What a VM runs; ``{vm}`` and ``{folder}`` are the VM's name and disk."""

    submit: Sequence[str]
    """Takes bodies of jobs on standard input, and may stay until they are done."""

    service: Callable[[Path], AbstractAsyncContextManager[Mapping[str, str]]]
    """What is not evicted (a broker, a server), in a folder. Gives environment variables for everybody."""

    missing: Callable[[], str]
    """Says what is not installed here; empty if it can be played."""

    slots: int = 2
    """A VM works on so many jobs at a time."""

    patience_s: float = 90.0
    """What has not ended so long after the eviction is lost."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one story."""

    recipe: str
    story: Story
    jobs: int
    lost: int
    begun_again: int
    """Jobs that did not end where they had begun."""

    repeated_s: float
    """So much work was done twice, of all jobs together."""

    away_s: float
    """How long such a job was worked on by nobody, at most."""

    hook: str
    """How the hook on the notice ended, as the agent says; ``CUT_OFF``, or ``NO_HOOK`` where none was run."""

    exit_codes: Sequence[int]
    """Of the evicted VM's worker, where it ended by itself."""


def how_hook_ended(recipe: str, story: Story, outcomes: Mapping[str, str]) -> str:
    """Say how the hook on the notice ended. ``outcomes``: what the agent wrote down before the VM went."""
    runs_one = story.value.notice_s is not None and (FOLDER / recipe / "preempt").is_dir()
    return outcomes.get(f"preempt/{recipe}", CUT_OFF) if runs_one else NO_HOOK


def missing_environment() -> str:
    """Say so where ``make recipes`` has not installed the software."""
    return "" if PYTHON.exists() else "the software is not installed: make recipes"
