"""The function that the workers of ``kills.py`` run. It writes down what it saw, for the judge, into a file.

It is imported by ``spot-worker run soak.worker.kills.killed_job:work`` in a process of its own.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from spot_worker import Job

LOG_VARIABLE: Final = "SOAK_KILLS_LOG"
_STEP_S: Final = 0.15


def work(job: Job) -> dict[str, Any]:
    """Work step by step, save every second one, and submit a job for the next where the body says so."""
    loaded = job.checkpoint.load()
    done = loaded["steps"] if isinstance(loaded, dict) else 0
    body = job.body if isinstance(job.body, dict) else json.loads(job.body)
    _write_down(job, "begins", done)
    for step in range(done + 1, body["steps"] + 1):
        time.sleep(_STEP_S)
        if step % 2 == 0:
            job.checkpoint.save({"steps": step})
            _write_down(job, "saved", step)
    if body.get("then"):
        job.submit(body["queue"], {"steps": body["then"], "of": job.id})
    _write_down(job, "ends", body["steps"])
    return {"steps": body["steps"], "of": body.get("of")}


def _write_down(job: Job, what: str, steps: int) -> None:
    line = {"what": what, "job": job.id, "attempt": job.attempt, "steps": steps, "process": os.getpid()}
    with Path(os.environ[LOG_VARIABLE]).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
