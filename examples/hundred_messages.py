"""A hundred messages, each of which takes some seconds: what "interruptible workloads on Spot VM" shows, to the end.

    spot-worker submit --queue messages --count 100
    spot-worker run hundred_messages:work --queue messages --until-empty

Messages of any other program are jobs too: ``az storage message put --queue-name messages --content 'from elsewhere'``.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from spot_worker import Job

STEPS: Final = 20
STEP_S: Final = 0.25

# The warm-up: what a module does when it is imported is done before the first message is claimed.
time.sleep(1)


def work(job: Job) -> object:
    """Pretend to work, step by step. A new attempt goes on after the last step that was saved."""
    saved = job.checkpoint.load()
    first = saved if isinstance(saved, int) else 0
    for step in range(first, STEPS):
        time.sleep(STEP_S)
        if job.checkpoint.due or job.stop_requested:
            job.checkpoint.save(step + 1)
    return {"of": job.body, "steps": STEPS, "steps_of_this_attempt": STEPS - first}
