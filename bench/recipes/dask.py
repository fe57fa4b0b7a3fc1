"""Dask: a scheduler that is not evicted, and workers that are."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from bench.recipes.recipe import PYTHON, REPOSITORY, Recipe, missing_environment
from localazure.runtime.processes import bare_environment, stop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

_AT: Final = re.compile(r"Scheduler at:\s+(tcp://\S+)")
_START_S: Final = 60.0


@asynccontextmanager
async def _scheduler(_folder: Path) -> AsyncIterator[Mapping[str, str]]:
    process = await asyncio.create_subprocess_exec(
        *(str(PYTHON), "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"),
        cwd=REPOSITORY,
        env=bare_environment({}),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    draining = None
    try:
        output = process.stderr
        assert output is not None  # noqa: S101 - asked for above
        async with asyncio.timeout(_START_S):
            while not (found := _AT.search((await output.readline()).decode())):
                pass
        draining = asyncio.create_task(output.read())
        # Hooks are run with the Python of the workers.
        path = bare_environment({})["PATH"]
        yield {"DASK_SCHEDULER_ADDRESS": found[1], "PATH": f"{PYTHON.parent}:{path}"}
    finally:
        await stop(process)
        if draining:
            await draining


DASK: Final = Recipe(
    name="dask",
    worker=(str(PYTHON), "-m", "distributed.cli.dask_worker", "--name", "{vm}", "--nthreads", "2", "--no-dashboard"),
    submit=(str(PYTHON), "-m", "bench.recipes.software.dask_submit"),
    service=_scheduler,
    missing=missing_environment,
)
