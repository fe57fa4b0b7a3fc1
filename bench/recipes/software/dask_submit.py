"""Submits a task for each line of standard input, and waits for the results, as who asks for them does.

Runs in ``.venv-recipes``.
"""

from __future__ import annotations

import json
import os
import sys

from distributed import Client

from bench.recipes.software.jobs import work

with Client(os.environ["DASK_SCHEDULER_ADDRESS"]) as client:
    client.gather([client.submit(work, json.loads(line)) for line in sys.stdin])
