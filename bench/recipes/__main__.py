"""``python -m bench.recipes`` plays every recipe, ``python -m bench.recipes NAME …`` some. ``make recipes``."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING, Final

from bench.recipes import web
from bench.recipes.catalogue import RECIPES, missing
from bench.recipes.play import play
from bench.recipes.recipe import CUT_OFF, NO_HOOK, REPOSITORY
from bench.recipes.stories import Story

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.recipes.recipe import Result

_FOLDER: Final = REPOSITORY / ".local" / "recipes"
_AT_A_TIME: Final = 2
_MAY_BE_CUT_OFF: Final = {("prefect", Story.TOO_LONG)}
"""Flow runs are put back within ten seconds, but their processes need longer to end (docs/recipes.md)."""

_HEAD: Final = """\
| recipe | eviction | jobs | lost | begun again | repeated | nobody worked on it | hook |
|---|---|---|---|---|---|---|---|"""


def main() -> int:
    """Play them; print a row a story, and what was not installed. Exit code 1: not all went as promised."""
    parser = argparse.ArgumentParser(prog="python -m bench.recipes", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join([*RECIPES, web.NAME]))
    names: Sequence[str] = parser.parse_args().names or [*RECIPES, web.NAME]
    skipped = {name: why for name in names if (why := missing(name))}
    _say(_HEAD)
    wells = asyncio.run(_all([name for name in names if name not in skipped]))
    for name, why in skipped.items():
        _say(f"{name}: skipped, {why}")
    played, failed = len(names) - len(skipped), wells.count(False)
    _say(f"recipes: {played} played, {len(skipped)} skipped; {len(wells)} evictions, {failed} not as promised")
    return 1 if failed else 0


def is_failed(result: Result) -> bool:
    """Whether a job was lost, or a hook did not end well. Requests that fail are counted, and no failure."""
    cut_off_is_well = (result.recipe, result.story) in _MAY_BE_CUT_OFF
    is_well = result.hook == NO_HOOK or result.hook.startswith("ok") or (result.hook == CUT_OFF and cut_off_is_well)
    return (result.recipe != web.NAME and result.lost > 0) or not is_well


def row(result: Result) -> str:
    """Write a line of the table."""
    cells = [
        result.recipe,
        result.story.value.words,
        str(result.jobs),
        str(result.lost),
        str(result.begun_again),
        f"{result.repeated_s:.1f} s",
        f"{result.away_s:.1f} s",
        result.hook,
    ]
    return f"| {' | '.join(cells)} |"


async def _all(names: Sequence[str]) -> Sequence[bool]:
    """Say for each eviction whether all went as promised."""
    places = asyncio.Semaphore(_AT_A_TIME)

    async def one(name: str) -> Sequence[bool]:
        async with places:
            return [await _is_well(name, story) for story in Story]

    return [is_well for wells in await asyncio.gather(*(one(name) for name in names)) for is_well in wells]


async def _is_well(name: str, story: Story) -> bool:
    folder = _FOLDER / name / story.name.lower()
    try:
        result = await (web.play(story, folder) if name == web.NAME else play(RECIPES[name], story, folder))
    except (OSError, RuntimeError) as error:
        # One that does not come up must not hide what the others do. A TimeoutError is an OSError.
        _say(f"{name}, {story.value.words}: not played, {str(error) or type(error).__name__}; see {folder}")
        return False
    _say(row(result))
    return not is_failed(result)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
