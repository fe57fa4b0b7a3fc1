"""Enqueues a job for each line of standard input. Runs in ``.venv-recipes``."""

from __future__ import annotations

import json
import os
import sys

from redis import Redis
from rq import Queue, Retry

queue = Queue(connection=Redis.from_url(os.environ["RQ_REDIS_URL"]))
for line in sys.stdin:
    # Without Retry, a job whose worker is ended amid it is a failed one, and stays that.
    queue.enqueue("bench.recipes.software.jobs.work", json.loads(line), retry=Retry(max=3))
