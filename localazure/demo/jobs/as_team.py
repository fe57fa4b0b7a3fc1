"""Runs ``spot-worker``'s commands as the team whose jobs they are. Called by ``scenario.py``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from localazure.demo.jobs.ending import Done
from localazure.demo.jobs.hash_chain import last_link
from localazure.runtime.processes import printed_by

if TYPE_CHECKING:
    from collections.abc import Mapping

QUEUE: Final = "jobs"
RESULTS: Final = "jobsresults"
LINKS: Final = 12


async def submit(environment: Mapping[str, str], jobs: int) -> None:
    """Put so many jobs onto the queue."""
    bodies = "".join(f"{json.dumps({'number': number, 'links': LINKS})}\n" for number in range(1, jobs + 1))
    await spot_worker(environment, ("submit", "--queue", QUEUE, "-"), bodies)


async def read_results(environment: Mapping[str, str]) -> tuple[Done, ...]:
    """Read the results table."""
    rows = json.loads(await spot_worker(environment, ("results", "--results", RESULTS, "--json")))
    return tuple(_done(row) for row in rows)


def _done(row: Mapping[str, Any]) -> Done:
    result = row["result"]
    is_right = result["last"] == last_link(result["number"], LINKS)
    return Done(row["job_id"], result["number"], is_right, row["attempts"])


async def spot_worker(environment: Mapping[str, str], arguments: tuple[str, ...], given: str = "") -> str:
    """Run a command of ``spot-worker``; see ``printed_by``."""
    return await printed_by("spot_worker", arguments, environment, given)
