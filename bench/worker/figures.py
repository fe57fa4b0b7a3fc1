"""The part ``worker`` of the bench: all its figures, and the targets that they are held against."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from bench.report import Target, at_least, at_most
from bench.worker import redis
from bench.worker.contenders import (
    CELERY,
    CELERY_LATE,
    CELERY_LATE_REDIS,
    INTERVAL_S,
    PLAIN,
    SEED,
    is_celery_installed,
    spot_worker,
)
from bench.worker.contest import play
from bench.worker.evictions import draw
from bench.worker.jobs import STEP_S
from bench.worker.throughput import rates, requests

if TYPE_CHECKING:
    from pathlib import Path

    from bench.worker.contenders import Contender

SIDE_BY_SIDE: Final = 2
"""The jobs of the contest sleep, so two contests at a time do not disturb one another."""


def figures(folder: Path) -> tuple[dict[str, Any], list[Target]]:
    """Evict everybody at the same moments; let everybody work undisturbed; count the requests."""
    return asyncio.run(_figures(folder))


async def _figures(folder: Path) -> tuple[dict[str, Any], list[Target]]:
    ours = spot_worker("saves_each_interval", "--checkpoint-interval", str(INTERVAL_S))
    peers = [SEED, PLAIN, *([CELERY, CELERY_LATE] if is_celery_installed() else [])]
    with_redis = [CELERY_LATE_REDIS] if is_celery_installed() and redis.is_installed() else []
    skipped = [] if with_redis else ["contenders are missing: make celery, and Debian's package redis-server"]
    contests = await _contests([ours, *peers, *with_redis], folder)
    without_checkpoints = spot_worker("saves_nothing")
    worked = await rates([without_checkpoints, *peers], folder / "undisturbed")
    cost = {one.name: await requests(one, folder / "counted") for one in (without_checkpoints, *peers)}
    shown = {
        "evictions": len(draw()),
        "contests": contests,
        "undisturbed": worked,
        "requests": cost,
        "missing": skipped,
    }
    return shown, _targets(contests[0], worked, cost)


async def _contests(contenders: list[Contender], folder: Path) -> list[dict[str, Any]]:
    turns = asyncio.Semaphore(SIDE_BY_SIDE)

    async def row(number: int, contender: Contender) -> dict[str, Any]:
        async with turns:
            return {"contender": contender.name, **asdict(await play(contender, folder / f"contest-{number}"))}

    return await asyncio.gather(*(row(number, contender) for number, contender in enumerate(contenders)))


def _targets(ours: dict[str, Any], worked: dict[str, dict[str, Any]], cost: dict[str, dict[str, Any]]) -> list[Target]:
    name = ours["contender"]
    faster = worked[name]["jobs_a_second"] / worked[PLAIN.name]["jobs_a_second"]
    return [
        at_most("worker: jobs lost", ours["lost"], 0),
        at_most("worker: results doubled", ours["results_doubled"], 0),
        at_most(
            "worker: work repeated for each interruption", ours["repeated_s"] / ours["interrupted"], INTERVAL_S, " s"
        ),
        at_most("worker: work repeated by one attempt, at most", ours["most_repeated_s"], INTERVAL_S + STEP_S, " s"),
        at_least("worker: jobs of a second, against the plain loop", round(faster, 3), 0.95, " x"),
        at_most("worker: requests to storage for a job without checkpoints", cost[name]["a_job"], 6),
    ]
