"""Prefect: a server with a work pool, which is not evicted, and workers of processes that are."""

from __future__ import annotations

import asyncio
import socket
import urllib.request
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from bench.recipes.recipe import PYTHON, REPOSITORY, Recipe, missing_environment
from bench.worker.contest import printed, until
from localazure.runtime.processes import bare_environment, stop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

_START_S: Final = 240.0
_PREFECT: Final = (str(PYTHON), "-m", "prefect")


@asynccontextmanager
async def _server(folder: Path) -> AsyncIterator[Mapping[str, str]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/api"
    settings = {
        "HOME": str(folder),
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_API_URL": url,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PYTHONPATH": str(REPOSITORY),
        "PREFECT_WORKER_QUERY_SECONDS": "2",
        # "prefect" is looked for in the path.
        "PATH": f"{PYTHON.parent}:{bare_environment({})['PATH']}",
    }
    with (folder / "server-output").open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(*_PREFECT, "server", "start", "--port", str(port), "--no-ui"),
            env=settings,
            cwd=folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
        )
    try:
        await until(lambda: _answers(f"{url}/health"), _START_S)
        await printed((*_PREFECT, "work-pool", "create", "spot", "--type", "process"), settings)
        yield settings
    finally:
        await stop(process)


def _answers(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as answer:
            return bool(answer.status == 200)  # noqa: PLR2004 - an HTTP status reads best as a number
    except OSError:
        return False


PREFECT: Final = Recipe(
    name="prefect",
    worker=(*_PREFECT, "worker", "start", "--pool", "spot", "--limit", "2"),
    submit=(str(PYTHON), "-m", "bench.recipes.software.prefect_submit"),
    service=_server,
    missing=missing_environment,
    # A flow run of a VM that vanished is missed 90 seconds after its last heartbeat.
    patience_s=240.0,
)
