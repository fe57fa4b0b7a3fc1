"""The contest of the workers: every contender works, and what came of it is counted as it was."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from bench.worker import redis
from bench.worker.contenders import (
    CELERY,
    CELERY_LATE,
    CELERY_LATE_REDIS,
    PLAIN,
    SEED,
    is_celery_installed,
    spot_worker,
)
from bench.worker.evictions import AWAY_S, NOTICE_S, draw
from bench.worker.outcome import outcome
from bench.worker.throughput import undisturbed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.worker.contenders import Contender

NEEDS_CELERY = pytest.mark.skipif(not is_celery_installed(), reason="Celery is not installed: make celery")
NEEDS_REDIS = pytest.mark.skipif(not redis.is_installed(), reason="there is no redis-server here")
CONTENDERS = [
    pytest.param(spot_worker("saves_each_interval"), id="spot_worker"),
    pytest.param(SEED, id="seed"),
    pytest.param(PLAIN, id="plain"),
    pytest.param(CELERY, id="celery", marks=NEEDS_CELERY),
    pytest.param(CELERY_LATE, id="celery-late", marks=NEEDS_CELERY),
    pytest.param(CELERY_LATE_REDIS, id="celery-late-redis", marks=[NEEDS_CELERY, NEEDS_REDIS]),
]


@pytest.mark.parametrize("contender", CONTENDERS)
def test_every_contender_does_all_jobs_where_nothing_is_evicted(contender: Contender, tmp_path: Path) -> None:
    """One that cannot even do that would be counted as one that loses jobs. Requests are counted on the way."""
    jobs = [{"number": number, "steps": 2} for number in range(3)]
    seen: Counter[str] = Counter()
    lines = asyncio.run(undisturbed(contender, tmp_path, jobs, seen))
    ended = [line["job"] for line in lines if line["what"] == "ended"]
    assert sorted(ended) == [0, 1, 2]
    assert Counter((line["job"], line["step"]) for line in lines if line["what"] == "step") == Counter(
        (job, step) for job in range(3) for step in range(2)
    )
    assert (seen.total() > 0) is (contender.queue is not None)


def test_every_vm_is_up_again_before_its_next_eviction() -> None:
    """Each VM has evictions with notice and without."""
    for vm in {one.vm for one in draw()}:
        up_at = 0.0
        evictions = [one for one in draw() if one.vm == vm]
        assert {one.is_noticed for one in evictions} == {True, False}
        for eviction in evictions:
            assert eviction.at_s > up_at
            up_at = eviction.at_s + (NOTICE_S if eviction.is_noticed else 0) + AWAY_S


def story(*words: str) -> list[dict[str, Any]]:
    """Write a log: each word is an attempt, a job and a step, or ``+`` (began), ``.`` (ended)."""
    clock = count(100)
    what = {"+": "began", ".": "ended"}
    return [
        {
            "attempt": attempt,
            "job": int(job),
            "what": what.get(mark, "step"),
            "step": None if mark in what else int(mark),
            "at": float(next(clock)),
        }
        for attempt, job, mark in (tuple(word) for word in words)
    ]


def judged(lines: Sequence[dict[str, Any]]) -> tuple[int, int, int, float]:
    """Give jobs lost, results doubled, attempts interrupted and seconds repeated, of jobs 1 and 2."""
    results = [line["job"] for line in lines if line["what"] == "ended"]
    came = outcome([1, 2], lines, results)
    return came.lost, came.results_doubled, came.interrupted, came.repeated_s


def test_what_is_interrupted_and_never_begun_again_is_lost() -> None:
    """Job 1 has a step of two."""
    assert judged(story("a1+", "a10", "b2+", "b20", "b21", "b2.")) == (1, 0, 1, 0)


def test_what_is_begun_from_the_start_repeats_its_steps() -> None:
    """Job 1 had two of three steps when it was interrupted: a second."""
    assert judged(story("a1+", "a10", "a11", "b1+", "b10", "b11", "b12", "b1.", "c2+", "c2.")) == (0, 0, 1, 1.0)


def test_two_that_do_the_same_job_both_to_its_end_have_two_results() -> None:
    """The second one took the message when the lease of the first had ended."""
    assert judged(story("a1+", "a10", "b1+", "a11", "a1.", "b10", "b11", "b1.", "c2+", "c2.")) == (0, 1, 0, 1.0)


def test_what_goes_on_from_a_checkpoint_repeats_what_came_after_it() -> None:
    """Saved after the first step, interrupted after the third."""
    came = outcome([1], story("a1+", "a10", "a11", "a12", "b1+", "b11", "b12", "b13", "b1."), [1])
    assert (came.repeated_s, came.most_repeated_s, came.interrupted, came.lost) == (1.0, 1.0, 1, 0)
