"""Celery and RQ, both on Redis."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from bench.recipes.recipe import PYTHON, REPOSITORY, Recipe, missing_environment
from bench.worker.contenders import is_celery_installed
from bench.worker.environment import BROKER
from bench.worker.redis import is_installed, redis

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

_CELERY: Final = str(REPOSITORY / ".venv-celery" / "bin" / "python")
_NO_REDIS: Final = "there is no redis-server here: Debian's package redis-server"


@asynccontextmanager
async def _redis(folder: Path) -> AsyncIterator[Mapping[str, str]]:
    async with redis(folder) as server:
        yield {BROKER: server.broker, "RQ_REDIS_URL": server.broker}


def _missing_celery() -> str:
    if not is_celery_installed():
        return "Celery is not installed: make celery"
    return "" if is_installed() else _NO_REDIS


def _missing_rq() -> str:
    return missing_environment() or ("" if is_installed() else _NO_REDIS)


CELERY: Final = Recipe(
    name="celery",
    worker=(_CELERY, "-m", "celery", "-A", "bench.recipes.software.celery_app", "worker", "-c", "2", "-n", "{vm}@%h"),
    submit=(_CELERY, "-m", "bench.recipes.software.celery_app"),
    service=_redis,
    missing=_missing_celery,
    # What was not acknowledged is missed after 60 seconds.
    patience_s=150.0,
)
RQ: Final = Recipe(
    name="rq",
    # No fixed name: until the worker that vanished is forgotten, one of the same name is refused.
    worker=(str(PYTHON), "-m", "rq.cli", "worker", "--worker-ttl", "45", "--maintenance-interval", "30"),
    submit=(str(PYTHON), "-m", "bench.recipes.software.rq_submit"),
    service=_redis,
    missing=_missing_rq,
    slots=1,
    # A job of a VM that vanished is missed when its heartbeat is older than 90 seconds.
    patience_s=200.0,
)
