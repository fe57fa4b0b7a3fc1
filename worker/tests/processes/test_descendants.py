"""What a function has started dies with its process or with the worker, in whatever group or session it runs."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from workbench.real_worker import is_running, until

if TYPE_CHECKING:
    from workbench.real_worker import Bench

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="only Linux lists all processes in /proc")


def started(bench: Bench, attempt: int = 1) -> list[int]:
    file = bench.folder / f"pids-{attempt}"
    until(file.exists)
    pids = [int(pid) for pid in file.read_text().split()]
    assert all(is_running(pid) for pid in pids)
    return pids


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_that_a_function_has_started_outlives_the_worker(bench: Bench, number: signal.Signals) -> None:
    queue = f"family-{number.name.lower()}"
    bench.submit(queue, 1)
    worker = bench.run("workbench.bad_jobs:starts_others", queue)
    pids = started(bench)
    worker.send(number)
    worker.ended()
    until(lambda: not any(is_running(pid) for pid in pids), within_s=10.0)


def test_what_a_killed_process_has_started_dies_before_its_job_begins_again(bench: Bench) -> None:
    bench.submit("orphans", 1)
    worker = bench.run("workbench.bad_jobs:starts_others", "orphans")
    first, *marked, unmarked = started(bench)
    os.kill(first, signal.SIGKILL)
    second = started(bench, 2)
    assert not any(is_running(pid) for pid in marked)
    assert is_running(unmarked)  # it has neither parent nor mark: docs/worker.md says so
    os.kill(unmarked, signal.SIGKILL)
    worker.send(signal.SIGKILL)
    until(lambda: not any(is_running(pid) for pid in second), within_s=10.0)
