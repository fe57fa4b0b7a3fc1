"""The jobs of the contest: so many steps, each of which takes half a second and leaves a line in a log.

Standard library only: every contender's process imports it, also Celery's, which has an environment of its own.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from typing import TYPE_CHECKING, Any, Final

from bench.worker.environment import LOG

if TYPE_CHECKING:
    from collections.abc import Callable

    from spot_worker import Job

STEP_S: Final = 0.5


def saves_each_interval(job: Job) -> object:
    """Do the work as a function of ``spot_worker``: goes on after the last saved step."""
    saved = job.checkpoint.load()

    def save_if_due(done: int) -> None:
        if job.checkpoint.due or job.stop_requested:
            job.checkpoint.save(done)

    return work(job.body, saved if isinstance(saved, int) else 0, save_if_due)


def saves_nothing(job: Job) -> object:
    """Do the work as a function of ``spot_worker`` that has no checkpoint."""
    return work(job.body)


def work(body: dict[str, Any], done: int = 0, after_step: Callable[[int], None] | None = None) -> dict[str, Any]:
    """Do the steps from ``done`` on. ``body`` has ``number`` and ``steps``, or ``seconds`` instead of steps."""
    attempt = uuid.uuid4().hex
    _tell(body, attempt, "began")
    if "seconds" in body:
        time.sleep(body["seconds"])
    for step in range(done, body.get("steps", 0)):
        time.sleep(STEP_S)
        _tell(body, attempt, "step", step)
        if after_step:
            after_step(step + 1)
    _tell(body, attempt, "ended")
    return {"number": body["number"]}


def _tell(body: dict[str, Any], attempt: str, what: str, step: int | None = None) -> None:
    line = {"job": body["number"], "attempt": attempt, "what": what, "step": step, "at": time.time()}
    log = os.open(os.environ[LOG], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        # One write of a short line: the system keeps those of several processes apart.
        os.write(log, json.dumps(line).encode() + b"\n")
    finally:
        os.close(log)
