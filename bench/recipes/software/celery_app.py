"""The work as a task of Celery, set up as ``docs/recipes.md`` says. Runs in ``.venv-celery``.

``python -m bench.recipes.software.celery_app`` reads jobs, one a line, and sends a task for each.
"""

from __future__ import annotations

import json
import os
import sys

from celery import Celery

from bench.recipes.software.jobs import work
from bench.worker.environment import BROKER

app = Celery("recipes", broker=os.environ[BROKER])
app.conf.broker_connection_retry_on_startup = True
app.conf.task_acks_late = True
app.conf.task_reject_on_worker_lost = True
app.conf.worker_prefetch_multiplier = 1
# No task may take longer than the first. Redis is looked through for tasks of workers that vanished as often as the
# second says, by default once in 100 seconds.
app.conf.broker_transport_options = {"visibility_timeout": 60, "unacked_restore_interval": 1}

task = app.task(work, name="work", ignore_result=True)

if __name__ == "__main__":
    for line in sys.stdin:
        task.delay(json.loads(line))
