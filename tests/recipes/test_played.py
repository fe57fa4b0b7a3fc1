"""Each recipe with the real software, where it is installed: what a VM works on when it is evicted is not lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from bench.recipes import web
from bench.recipes.__main__ import is_failed, row
from bench.recipes.catalogue import RECIPES, missing
from bench.recipes.play import play
from bench.recipes.recipe import CUT_OFF, NO_HOOK, Result, how_hook_ended
from bench.recipes.stories import Story

if TYPE_CHECKING:
    from pathlib import Path

QUICK = ("celery", "rq", "dask", "spot-worker")
"""Prefect takes minutes: ``make recipes`` plays it, and the other evictions."""


@pytest.mark.parametrize("name", QUICK)
def test_jobs_too_long_for_the_notice_are_handed_over(name: str, tmp_path: Path) -> None:
    """Nobody waits for a lease or a heartbeat: another VM goes on within seconds, and the first one comes back."""
    if why := missing(name):
        pytest.skip(f"{name}: {why}")
    came = asyncio.run(play(RECIPES[name], Story.TOO_LONG, tmp_path))
    assert (came.lost, came.begun_again) == (0, RECIPES[name].slots)
    assert not is_failed(came)
    assert came.repeated_s < Story.TOO_LONG.value.steps / 2 * RECIPES[name].slots


def test_requests_are_answered_where_the_probe_has_time_to_notice(tmp_path: Path) -> None:
    """The load balancer sends nothing new, then nginx finishes what is open."""
    if why := missing(web.NAME):
        pytest.skip(f"{web.NAME}: {why}")
    came = asyncio.run(web.play(Story.IN_TIME, tmp_path))
    assert came.lost == 0
    assert came.jobs > 100
    assert came.exit_codes == [0]


def result(*, name: str = "rq", story: Story = Story.TOO_LONG, lost: int = 0, hook: str = "ok after 3.0 s") -> Result:
    """Make one."""
    return Result(name, story, 3, lost, 2, 1.5, 2.0, hook, [0])


def test_a_lost_job_or_a_hook_that_did_not_end_well_is_a_failure() -> None:
    """Prefect's may be cut off by a short notice, if no job is lost by that; requests that fail are only counted."""
    assert not is_failed(result())
    assert is_failed(result(lost=1))
    assert is_failed(result(hook="exit code 124 after 9.0 s"))
    assert is_failed(result(hook=CUT_OFF))
    assert is_failed(result(hook=CUT_OFF, name="prefect", story=Story.IN_TIME))
    assert not is_failed(result(hook=CUT_OFF, name="prefect"))
    assert is_failed(result(hook=CUT_OFF, name="prefect", lost=1))
    assert not is_failed(result(name=web.NAME, lost=7))


def test_a_hook_without_an_end_was_cut_off_where_one_was_to_run() -> None:
    """Without notice no hook runs, and the worker kit needs none."""
    assert how_hook_ended("rq", Story.TOO_LONG, {"preempt/rq": "ok after 3.0 s"}) == "ok after 3.0 s"
    assert how_hook_ended("rq", Story.TOO_LONG, {}) == CUT_OFF
    assert how_hook_ended("rq", Story.NO_NOTICE, {}) == NO_HOOK
    assert how_hook_ended("spot-worker", Story.TOO_LONG, {}) == NO_HOOK


def test_a_row_of_the_table() -> None:
    """As it stands in the docs."""
    words = "| rq | notice of 10 s, jobs of 15 s | 3 | 0 | 2 | 1.5 s | 2.0 s | ok after 3.0 s |"
    assert row(result()) == words
