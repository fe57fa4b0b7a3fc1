"""Plays an eviction to a recipe: jobs are in flight on a VM, which is evicted; a second VM stays."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from bench.recipes.metadata import metadata
from bench.recipes.recipe import REPOSITORY, Result, how_hook_ended
from bench.recipes.software.jobs import ready, taken
from bench.recipes.stories import SHORT_STEPS, STEPS_BEFORE
from bench.recipes.vm import Vm
from bench.worker.contest import fresh, read, until
from bench.worker.environment import LOG
from bench.worker.outcome import outcome
from localazure.runtime.processes import bare_environment, stop

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from bench.recipes.recipe import Recipe
    from bench.recipes.stories import Story
    from bench.worker.outcome import Line

_EVICTED: Final = "vm-1"
_STAYS: Final = "vm-2"
_START_S: Final = 240.0


async def play(recipe: Recipe, story: Story, folder: Path) -> Result:
    """Play it in a folder that is emptied first.

    Raises:
        TimeoutError: the software did not even begin to work.
    """
    log = fresh(folder) / "log"
    async with recipe.service(folder) as settings, metadata(_EVICTED) as service:
        environment = bare_environment({LOG: str(log), **settings})
        evicted, stays = (Vm(folder / name, recipe.worker, environment) for name in (_EVICTED, _STAYS))
        submitting = None
        try:
            await evicted.start_agent(service.url, recipe.name)
            await evicted.start_worker()
            submitting = await _submit(recipe, environment, story, folder)
            await until(lambda: all(taken(log, number).exists() for number in range(recipe.slots)), _START_S)
            await stays.start_worker()
            await until(lambda: bool(_jobs(read(log), "ended")), _START_S)
            ready(log).touch()
            await until(lambda: len(_jobs(read(log), "step", STEPS_BEFORE)) == recipe.slots, _START_S)
            await service.evict(story.value.notice_s)
            await service.down()
            await evicted.kill()
            hooks = evicted.hook_outcomes()
            await service.up()
            # What runs at boot: the agent. The worker is started by its hook.
            await evicted.start_agent(service.url, recipe.name)
            with suppress(TimeoutError):
                await until(lambda: len(_jobs(read(log), "ended")) == recipe.slots + 1, recipe.patience_s)
            await until(evicted.has_worker, _START_S)
            if submitting.returncode:
                message = f"the jobs of {recipe.name} could not be submitted, or failed: see {folder}"
                raise RuntimeError(message)
        finally:
            if submitting:
                await stop(submitting)
            await asyncio.gather(evicted.kill(), stays.kill())
    hook = how_hook_ended(recipe.name, story, hooks)
    return _judged(recipe, story, read(log), hook, evicted.exit_codes())


def _judged(recipe: Recipe, story: Story, lines: Sequence[Line], hook: str, exit_codes: Sequence[int]) -> Result:
    came = outcome(range(recipe.slots + 1), lines, sorted(_jobs(lines, "ended")))
    return Result(
        recipe=recipe.name,
        story=story,
        jobs=came.jobs,
        lost=came.lost,
        begun_again=came.interrupted,
        repeated_s=came.repeated_s,
        away_s=_away_s(lines),
        hook=hook,
        exit_codes=exit_codes,
    )


def _away_s(lines: Sequence[Line]) -> float:
    """Say how long a job was worked on by nobody, at most: from an attempt's last word to the next one's first."""
    longest = 0.0
    for line in lines:
        if line["what"] == "began":
            others = [one["at"] for one in lines if one["job"] == line["job"] and one["attempt"] != line["attempt"]]
            longest = max(longest, line["at"] - max((at for at in others if at < line["at"]), default=line["at"]))
    return round(longest, 1)


async def _submit(
    recipe: Recipe, environment: Mapping[str, str], story: Story, folder: Path
) -> asyncio.subprocess.Process:
    with (folder / "submit-output").open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *recipe.submit,
            env=environment,
            cwd=REPOSITORY,
            stdin=asyncio.subprocess.PIPE,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
        )
    assert process.stdin is not None  # noqa: S101 - asked for above
    bodies = [{"number": number, "steps": story.value.steps, "waits": True} for number in range(recipe.slots)]
    bodies.append({"number": recipe.slots, "steps": SHORT_STEPS, "waits": False})
    process.stdin.write("".join(json.dumps(body) + "\n" for body in bodies).encode())
    await process.stdin.drain()
    process.stdin.close()
    return process


def _jobs(lines: Sequence[Line], what: str, step: int | None = None) -> set[int]:
    return {line["job"] for line in lines if line["what"] == what and line["step"] == step}
