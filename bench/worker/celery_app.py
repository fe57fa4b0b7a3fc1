"""The same work as a task of Celery. Runs in ``.venv-celery``: ``make celery``.

``python -m bench.worker.celery_app`` reads jobs, one a line, and sends a task for each. Celery's own command runs the
worker.
"""

from __future__ import annotations

import json
import os
import sys

from celery import Celery

from bench.worker.environment import BROKER, LATE
from bench.worker.jobs import work

app = Celery("bench", broker=os.environ[BROKER])
app.conf.broker_connection_retry_on_startup = True
if LATE in os.environ:
    # What Celery's documentation asks for where workers may be lost.
    app.conf.task_acks_late = True
    app.conf.task_reject_on_worker_lost = True
    app.conf.worker_prefetch_multiplier = 1
    app.conf.broker_transport_options = {"visibility_timeout": 30}

task = app.task(work, name="work", ignore_result=True)

if __name__ == "__main__":
    for line in sys.stdin:
        task.delay(json.loads(line))
