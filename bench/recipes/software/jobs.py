"""The jobs that the recipes are played with. Standard library only: every software's process imports it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.worker import jobs
from bench.worker.environment import LOG

if TYPE_CHECKING:
    from spot_worker import Job

_LOOK_S = 0.1


def work(body: dict[str, Any]) -> dict[str, Any]:
    """Do the steps, once everything is ready for the eviction."""
    _wait(body)
    return jobs.work(body)


def work_of_kit(job: Job) -> object:
    """Do the same as a function of ``spot_worker``: goes on after the last saved step."""
    _wait(job.body)
    return jobs.saves_each_interval(job)


def taken(log: Path, number: int) -> Path:
    """Give the mark that a job leaves when somebody has taken it."""
    return log.with_name(f"taken-{number}")


def ready(log: Path) -> Path:
    """Give the mark that jobs wait for which have ``waits`` in their body."""
    return log.with_name("ready")


def _wait(body: dict[str, Any]) -> None:
    log = Path(os.environ[LOG])
    taken(log, body["number"]).touch()
    while body["waits"] and not ready(log).exists():
        time.sleep(_LOOK_S)
