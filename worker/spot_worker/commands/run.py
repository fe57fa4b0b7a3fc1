"""``run``: puts the worker together with its edges, and lets it work until it is to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from spot_agent.edges.clock import boot_id

from spot_worker.commands.options import UsageError, account_of, places_of
from spot_worker.deciding.blob_addresses import without_sas
from spot_worker.deciding.names import WORKERS_TABLE
from spot_worker.deciding.record.budgets import Budgets
from spot_worker.deciding.stops.own_stop import TRIED_AGAIN_S, UP_MINUTES, OwnStop
from spot_worker.edges.account import make_all
from spot_worker.edges.azure_errors import Threads
from spot_worker.edges.clock import SystemClock
from spot_worker.edges.job_queue import JobQueue
from spot_worker.edges.log import JsonLog
from spot_worker.edges.notices import VmNotices
from spot_worker.edges.own_vm import AzureOwnVm, compute_of, why_never
from spot_worker.edges.processes.child_process import FunctionProcesses
from spot_worker.edges.progress import Progress
from spot_worker.edges.reading import message_count
from spot_worker.edges.state_folder import StateFolder
from spot_worker.edges.storage import AccountInputs, AccountTables, BlobStore
from spot_worker.running.ports import Ports, StorageError, WarmUpError
from spot_worker.running.settings import Settings
from spot_worker.running.stops.own_stop import OwnStopRefusedError, stop_vm
from spot_worker.running.stops.stopping import Stopping, Why
from spot_worker.running.storage_retries import persist
from spot_worker.running.worker import work

if TYPE_CHECKING:
    import argparse

    from spot_worker.edges.account import Account
    from spot_worker.running.ports import Log

_NOT_STOPPED_BEFORE: Final = "SPOT_WORKER_VM_NOT_STOPPED_BEFORE"
"""Hands on, from process to process, until when a VM is up at least whose stop was refused."""
_STORAGE_WITHIN_S: Final = 60.0
"""So long storage may not answer at a start: a VM may boot before its network."""


def run(given: argparse.Namespace) -> int:
    """Work; gives no exit code, since it ends the process: threads that wait for storage must not hold it up."""
    if given.stop_vm_minimum is not None and given.stop_vm_after_idle is None:
        message = "--stop-vm-minimum says when the VM may be stopped at the earliest: give --stop-vm-after-idle as well"
        raise UsageError(message)
    places, folder = places_of(given), StateFolder(given.state or default_state(given.queue))
    account = account_of(given)
    log = JsonLog()
    stopping, code = asyncio.run(_run(given, account, folder, log))
    counts = {event.replace(" ", "_"): log.counts[event] for event in ("finished", "failed", "poison", "gave back")}
    log.say("ended", why=stopping.why and stopping.why.value, queue=places.queue, exit_code=code, **counts)
    log.end()
    if stopping.why in {Why.RELOAD, Why.OWN_STOP} and code == 0:
        os.execv(sys.executable, [sys.executable, "-m", "spot_worker", *sys.argv[1:]])  # noqa: S606 - ourselves again
    sys.stderr.flush()
    os._exit(code)


def default_state(queue: str) -> Path:
    """Name the folder of a worker of this queue."""
    return Path("~/.local/state/spot-worker").expanduser() / queue


async def _run(given: argparse.Namespace, account: Account, folder: StateFolder, log: JsonLog) -> tuple[Stopping, int]:
    clock = SystemClock()
    stopping = Stopping(clock)
    hear_signals(stopping, log)
    notices = VmNotices(given.imds, given.agent_state, lambda event, line: log.say(event, said=line))
    try:
        await notices.begin()
        own_threads = Threads("own-vm", 1)
        compute = await _own_compute(given, own_threads)
        # By that name Azure and the responder know the VM; who only hears notices may do with the host's.
        settings = _settings(given, str(compute.get("name") or notices.vm))
        ports = _ports(given, account, folder, notices, log)
        own_vm = _own_vm(given, account, settings, own_threads) if settings.own_stop else None
        await work(ports, settings, stopping, lambda: _prepare(given, account, log))
        if own_vm and stopping.why is Why.OWN_STOP and not await stop_vm(own_vm, stopping, log):
            # For the process that goes on in our place.
            os.environ[_NOT_STOPPED_BEFORE] = str(clock.monotonic() + TRIED_AGAIN_S)
    except (WarmUpError, StorageError) as error:
        log.say("cannot go on" if log.counts["started"] else "cannot start", error=str(error))
        return stopping, 1
    finally:
        # A second SIGHUP must not end what the first one starts: that this is ignored outlives the change of code.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    return stopping, 0


def hear_signals(stopping: Stopping, log: Log) -> None:
    """Let signals stop the worker.

    The loop would give SIGHUP its default back when it is told to let it go, and when it is closed, and a process ends
    of that. So the loop does not know of it; its handlers of the others wake it for this one too.
    """
    loop = asyncio.get_running_loop()

    def end(name: str) -> None:
        log.say("stopping", signal=name)
        stopping.signal()

    def reload() -> None:
        log.say("stopping", signal="SIGHUP", why="new code takes over when the running jobs are finished")
        stopping.reload()

    loop.add_signal_handler(signal.SIGTERM, end, "SIGTERM")
    loop.add_signal_handler(signal.SIGINT, end, "SIGINT")
    signal.signal(signal.SIGHUP, lambda *_: loop.call_soon_threadsafe(reload))


async def _prepare(given: argparse.Namespace, account: Account, log: JsonLog) -> None:
    """Make in storage what is missing."""
    threads, places = Threads("prepare", 1), places_of(given)
    until = time.monotonic() + _STORAGE_WITHIN_S

    async def make() -> None:
        try:
            if await threads.call("to prepare storage", lambda: make_all(account, places, WORKERS_TABLE)):
                log.say("queue made", queue=places.queue, why="there was none: nothing was ever submitted to it")
        except StorageError as error:
            if time.monotonic() < until:
                raise
            message = f"storage has not answered for {_STORAGE_WITHIN_S:.0f} seconds: {error}"
            raise StorageError(message, is_lasting=True) from error

    await persist(make, log)
    if given.until_empty and sys.stderr.isatty():
        count = await threads.call("to count the queue", lambda: message_count(account, places.queue) or 0)
        log.progress = Progress("finished", count)


def _settings(given: argparse.Namespace, vm: str) -> Settings:
    return Settings(
        places_of(given),
        vm,
        boot_id(),
        1 if given.once else given.slots,
        given.visibility,
        Budgets(given.max_failures),
        is_once=given.once,
        until_empty=given.until_empty,
        name=_name(given.state),
        own_stop=_rule(given),
    )


def _rule(given: argparse.Namespace) -> OwnStop | None:
    """Say when the VM is stopped for want of work; after a refusal, not before so long after its boot."""
    if given.stop_vm_after_idle is None:
        return None
    not_before_s = float(os.environ.get(_NOT_STOPPED_BEFORE, "0"))
    minimum = UP_MINUTES if given.stop_vm_minimum is None else given.stop_vm_minimum
    return OwnStop(given.stop_vm_after_idle * 60.0, max(minimum * 60.0, not_before_s))


async def _own_compute(given: argparse.Namespace, threads: Threads) -> dict[str, Any]:
    """Read what this VM is, if the worker is to stop it. Raises ``UsageError`` for one that cannot be deallocated."""
    if given.stop_vm_after_idle is None:
        return {}
    try:
        compute = await threads.call("to read what this VM is", lambda: compute_of(given.imds))
    except OwnStopRefusedError as error:
        message = f"--stop-vm-after-idle needs an Azure VM, which deallocates itself; elsewhere leave it out. {error}"
        raise UsageError(message) from error
    never = why_never(compute)
    if never:
        raise UsageError(never)
    return compute


def _own_vm(given: argparse.Namespace, account: Account, settings: Settings, threads: Threads) -> AzureOwnVm:
    queue = account.queues.get_queue_client(settings.places.queue)
    workers = account.tables.get_table_client(WORKERS_TABLE)
    return AzureOwnVm(settings, queue, workers, given.imds, given.arm.rstrip("/"), threads)


def _name(state: Path | None) -> str:
    """Tell a worker from others of this VM: each has a folder of its own, and the usual one needs no name."""
    return "" if state is None else "".join(sign for sign in state.resolve().name if sign.isalnum() or sign in "-_")


def _ports(given: argparse.Namespace, account: Account, folder: StateFolder, notices: VmNotices, log: JsonLog) -> Ports:
    places, slots = places_of(given), given.slots
    blobs_at = without_sas(str(account.blobs.url))
    return Ports(
        JobQueue(account, places.queue, slots),
        BlobStore(account, places, slots, folder.cache),
        AccountInputs(account, slots),
        AccountTables(account, places.results, WORKERS_TABLE, slots),
        FunctionProcesses(given.function, folder.jobs, given.checkpoint_interval, log, blobs_at),
        notices,
        SystemClock(),
        log,
        lambda: str(uuid.uuid4()),
    )
