"""Runs ``spot-worker``'s commands as the team whose jobs they are. Called by the scenarios with workers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from localazure.demo.jobs.ending import Done
from localazure.demo.jobs.hash_chain import last_link
from localazure.runtime.processes import printed_by

if TYPE_CHECKING:
    from collections.abc import Mapping


async def submit(environment: Mapping[str, str], queue: str, jobs: int, links: int) -> None:
    """Put so many jobs onto a queue, each of so many links."""
    bodies = "".join(f"{json.dumps({'number': number, 'links': links})}\n" for number in range(1, jobs + 1))
    await spot_worker(environment, ("submit", "--queue", queue, "-"), bodies)


async def read_results(environment: Mapping[str, str], queue: str, links: int) -> tuple[Done, ...]:
    """Read the results of a queue whose jobs have so many links."""
    rows = json.loads(await spot_worker(environment, ("results", "--queue", queue, "--json")))
    return tuple(_done(row, links) for row in rows)


def _done(row: Mapping[str, Any], links: int) -> Done:
    result = row["result"]
    is_right = result["last"] == last_link(result["number"], links)
    return Done(row["job_id"], result["number"], is_right, row["attempts"])


async def spot_worker(environment: Mapping[str, str], arguments: tuple[str, ...], given: str = "") -> str:
    """Run a command of ``spot-worker``; see ``printed_by``."""
    return await printed_by("spot_worker", arguments, environment, given)
