"""The Functions host on a laptop: it loads the app, watches its triggers and runs its functions, as Azure's does.

``python -m localazure.functions.host --app-directory DIR --port N`` runs one, with the app settings in its environment;
``functions_host(…)`` does that in a process of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import secrets
import signal
import sys
import time
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiohttp import web

from localazure.functions.event_grid_webhook import LARGEST_BODY, event_grid_routes
from localazure.functions.host_settings import HostSettingsError, read_queue_settings
from localazure.functions.http_trigger import http_routes
from localazure.functions.queue_listener import LEASE
from localazure.functions.triggers import Surroundings, Triggers, make_triggers
from localazure.functions.worker import AppDidNotLoadError, load_app
from localazure.runtime.processes import OF_ITS_OWN, StartError, bare_environment, stop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

KEY_SETTING: Final = "LOCALAZURE_FUNCTION_KEY"
"""Where the host finds the functions' key; in Azure it makes one itself and keeps it in the app's storage."""

_REPOSITORY: Final = Path(__file__).resolve().parents[2]
_RUNNING: Final = "the function app runs at "
_LOOPBACK: Final = "127.0.0.1"
_START_PATIENCE_S: Final = 60.0
_LOG_LOOK_S: Final = 0.05
# Shorter than what `processes.stop` allows, so that the host ends by itself.
_FINISH_PATIENCE_S: Final = 10.0
_PARENT_LOOK_S: Final = 0.5
_LINES_TOLD: Final = 20
_WORKER_ITSELF: Final = ("azure.functions", "azure_functions_runtime")

logger = logging.getLogger("localazure.functions.host")


@dataclass(frozen=True, slots=True)
class RunningHost:
    """A host in a process of its own."""

    url: str
    """Its address on loopback, without a slash behind: ``<url>/runtime/webhooks/EventGrid`` takes events."""
    function_key: str
    """Opens its functions with an HTTP trigger."""
    process: asyncio.subprocess.Process


@asynccontextmanager
async def functions_host(
    app_directory: Path, environment: Mapping[str, str], log_path: Path, lease: timedelta = LEASE
) -> AsyncIterator[RunningHost]:
    """Run a host for the app in ``app_directory``, with ``environment`` as its app settings; end it with SIGTERM.

    ``app_directory`` is an absolute path. What host and app say is added to ``log_path``. ``lease``, in whole seconds,
    is how long a message of a host that was killed stays out of sight at most.

    Raises:
        StartError: the app did not start; with the end of the log.
    """
    words = ["-m", "localazure.functions.host", "--app-directory", str(app_directory), "--port", "0"]
    words += ["--lease", f"{lease.total_seconds():.0f}"]
    key = environment.get(KEY_SETTING) or secrets.token_urlsafe(32)
    with log_path.open("ab") as log:
        told_before = log.tell()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *words,
            env=bare_environment({**environment, KEY_SETTING: key}),
            cwd=_REPOSITORY,
            stdin=asyncio.subprocess.DEVNULL,
            process_group=OF_ITS_OWN,
            stdout=log,
            stderr=log,
        )
    try:
        yield RunningHost(await _url(process, log_path, told_before), key, process)
    finally:
        await stop(process)


async def _url(process: asyncio.subprocess.Process, log_path: Path, told_before: int) -> str:
    """Wait until the log says where the host runs. It takes a free port by itself, so nobody can be there first.

    ``told_before`` is how much of the log, in bytes, is of hosts before this one.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(_START_PATIENCE_S):
            while process.returncode is None:
                told = _read(log_path, told_before).partition(_RUNNING)[2]
                if "\n" in told:
                    return told.split()[0]
                await asyncio.sleep(_LOG_LOOK_S)
    lines = _read(log_path, told_before).splitlines()[-_LINES_TOLD:]
    message = f"the Functions host did not start. Its log ({log_path}) ends with: {' / '.join(lines) or 'nothing'}"
    raise StartError(message)


def _read(log_path: Path, start: int) -> str:
    return log_path.read_bytes()[start:].decode("utf-8", "replace")


async def serve(
    app_directory: Path, port: int, settings: Mapping[str, str], lease: timedelta, stopping: asyncio.Event
) -> None:
    """Load the app and run its functions until ``stopping`` is set, then finish what runs.

    Raises:
        AppDidNotLoadError, HostSettingsError: the app cannot run; the message says why.
    """
    functions = await load_app(app_directory)
    surroundings = Surroundings(
        settings,
        read_queue_settings(app_directory / "host.json"),
        lambda: datetime.now(UTC),
        lambda moment: _wait_until(moment, stopping),
        lease,
    )
    async with AsyncExitStack() as stack:
        triggers = await make_triggers(functions, surroundings, stack)
        key = settings.get(KEY_SETTING) or secrets.token_urlsafe(32)
        url = await _open_web(triggers, key, port, stopping, stack)
        # Told before the first message is taken: who waits for this line sees it first in the log.
        logger.info("%s%s", _RUNNING, url)
        await _run_until(triggers, stopping)
        logger.info("the function app has stopped")


async def _run_until(triggers: Triggers, stopping: asyncio.Event) -> None:
    stopped = asyncio.create_task(stopping.wait())
    jobs = {asyncio.create_task(queue.listen(stopping)) for queue in triggers.queues}
    jobs |= {asyncio.create_task(timer.run()) for timer in triggers.timers}
    done, _ = await asyncio.wait({stopped, *jobs}, return_when=asyncio.FIRST_COMPLETED)
    for job in done - {stopped}:
        # A listener ends before the host only by an error of its own, which must not pass unseen.
        job.result()
    unfinished = (await asyncio.wait(jobs, timeout=_FINISH_PATIENCE_S))[1] if jobs else set()
    for job in unfinished:
        job.cancel()
    if unfinished:
        logger.warning("stopped before all was finished; Azure shows unfinished messages again when their lease ends")


async def _open_web(triggers: Triggers, key: str, port: int, stopping: asyncio.Event, stack: AsyncExitStack) -> str:
    async def status(_request: web.Request) -> web.Response:
        return web.json_response({"state": "Stopping" if stopping.is_set() else "Running"})

    application = web.Application(client_max_size=LARGEST_BODY)
    routes = [*event_grid_routes(triggers.event_grid), *http_routes(triggers.http, key)]
    application.add_routes([web.get("/admin/host/status", status), *routes])
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=_FINISH_PATIENCE_S)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, _LOOPBACK, port).start()
    return f"http://{_LOOPBACK}:{runner.addresses[0][1]}"


async def _wait_until(moment: datetime, stopping: asyncio.Event) -> bool:
    """Wait for a time of day. Gives ``False`` where the host stops first."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), max(0.0, (moment - datetime.now(UTC)).total_seconds()))
    return not stopping.is_set()


async def _stop_with_parent(stopping: asyncio.Event) -> None:
    parent = os.getppid()
    while os.getppid() == parent:  # noqa: ASYNC110  nothing tells that a parent has ended
        await asyncio.sleep(_PARENT_LOOK_S)
    stopping.set()


async def _run(app_directory: Path, port: int, lease: timedelta) -> int:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    watch = asyncio.create_task(_stop_with_parent(stopping))
    try:
        await serve(app_directory, port, os.environ, lease, stopping)
    except (AppDidNotLoadError, HostSettingsError) as error:
        logger.critical("the function app in %s did not start: %s", app_directory, error)
        return 1
    finally:
        watch.cancel()
    return 0


def _set_up_logging() -> None:
    formatter = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    handler.addFilter(_is_for_the_app)
    # As the worker does before it loads the app: what leaves it after that is the app's own choice.
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    # We are another process in Azure, whose levels are not the app's.
    logging.getLogger("localazure").setLevel(logging.INFO)


def _is_for_the_app(record: logging.LogRecord) -> bool:
    """Tell whether Azure shows a record to whom the app belongs: what its worker says of itself goes to Microsoft only.

    So says ``is_system_log_category`` in azure-functions-python-worker, ``proxy_worker/logging.py``.
    """
    return not record.name.startswith(_WORKER_ITSELF)


def main() -> int:
    """Run a host from the command line. Exit code 0 after SIGTERM, 1 where the app cannot start."""
    parser = argparse.ArgumentParser(prog="python -m localazure.functions.host", description="Run a function app.")
    parser.add_argument("--app-directory", type=Path, required=True, help="where function_app.py and host.json are")
    parser.add_argument("--port", type=int, required=True, help="of loopback; 0 takes a free one")
    parser.add_argument("--lease", type=int, default=int(LEASE.total_seconds()), help="of a message, in seconds")
    arguments = parser.parse_args()
    _set_up_logging()
    directory = arguments.app_directory.resolve()
    # As in Azure, where the worker's working directory is the app's.
    os.chdir(directory)
    return asyncio.run(_run(directory, arguments.port, timedelta(seconds=arguments.lease)))


def _end(exit_code: int) -> None:
    """End at once, as Azure's host ends its worker: the app's connections are nobody's to close one by one."""
    logging.shutdown()
    os._exit(exit_code)


if __name__ == "__main__":
    _end(main())
