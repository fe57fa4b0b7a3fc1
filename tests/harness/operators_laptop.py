"""A running laptop Azure, with the app in it, for tests that are operators."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from localazure.demo.as_operator import Done, run_command
from localazure.deployed_storage import STORE
from localazure.laptop import laptop_azure
from localazure.world.durations import Durations
from spot_responder.clients.tables import Tables
from spot_responder.decisions.outcomes import Outcome
from spot_responder.intake.azure_errors import FailureKind
from spot_responder.intake.vms import VmId

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping

    from localazure.laptop import Laptop
    from spot_responder.decisions.recoveries import Recovery

REPOSITORY: Final = Path(__file__).resolve().parents[2]
TAG: Final = {"AttemptRestartAfterEviction": "true"}
SECOND: Final = timedelta(seconds=1)
DURATIONS: Final = Durations(
    until_unavailable=0.3 * SECOND,
    deallocation=0.5 * SECOND,
    start=SECOND,
    failed_start=0.5 * SECOND,
    until_simulated_eviction=0.5 * SECOND,
)
APP_SETTINGS: Final = {
    # No sweep comes in between: what is told is told by events, or by what an operator does.
    "SWEEP_SCHEDULE": "0 0 0 1 1 *",
    "LOOK_AGAIN_SECONDS": "0.5",
    "CAPACITY_RETRY_SECONDS": "600",
    "PRICE_RETRY_SECONDS": "600",
}
PATIENCE_S: Final = 60.0
LOOK_S: Final = 0.1


@dataclass(frozen=True)
class OperatorsLaptop:
    """The laptop Azure in a thread of its own, and the way into it from a test's."""

    laptop: Laptop
    loop: asyncio.AbstractEventLoop
    folder: Path

    def move[T](self, action: Callable[[Laptop], T]) -> T:
        """Do something to the world, in its own thread and at its own time."""

        async def act() -> T:
            self.laptop.world.advance(self.laptop.clock.now())
            return action(self.laptop)

        return self.run(act())

    def run[T](self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run something with the laptop's own clients."""
        future: Future[T] = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        return future.result(PATIENCE_S)

    def operator(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Done:
        """Run a command as an operator of the laptop Azure does, or with another environment, in this process."""
        return run_command(arguments, self.laptop.operator if environment is None else environment)

    def until_row(self, name: str, what: str, holds: Callable[[Recovery], bool]) -> Recovery:
        """Wait until something holds of a VM's row; give that."""

        async def wait() -> Recovery:
            rows = Tables(*(self.laptop.tables.get_table_client(table) for table in STORE))
            vm_id = VmId.parse(self.laptop.world.machine(name).vm_id)
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    row = (await rows.load(vm_id)).value
                    if row and holds(row):
                        return row
                    await asyncio.sleep(LOOK_S)

        try:
            return self.run(wait())
        except TimeoutError:
            message = f"{name} never came to be {what}"
            raise AssertionError(message) from None

    def until_running(self, name: str) -> None:
        """Wait until a VM runs, and its recovery is closed."""
        self.until_row(name, "running", lambda row: row.recorded and row.outcome is Outcome.RESTORED)


def add(azure: OperatorsLaptop, name: str, **fields: Any) -> str:  # noqa: ANN401 - whatever a VM has
    """Add a VM in a pool of its own; give its id."""
    usual = {"tags": TAG, "size": f"Standard_{name}"}
    return azure.move(lambda laptop: laptop.world.add_vm(name, **usual | fields)).vm_id


def evict(azure: OperatorsLaptop, name: str) -> None:
    """Let Azure take it."""
    azure.move(lambda laptop: laptop.world.evict(name))


def without_capacity(azure: OperatorsLaptop, name: str) -> None:
    """Add a VM, let it be evicted without capacity, and wait until the app was refused."""
    add(azure, name)
    azure.move(lambda laptop: laptop.world.set_capacity(laptop.world.machine(name).pool, 0))
    evict(azure, name)
    azure.until_row(name, "refused", lambda row: row.failures.kind is FailureKind.CAPACITY)


def command(*arguments: str, environment: Mapping[str, str], folder: Path) -> Done:
    """Run a command in a process of its own, in a folder, with nothing of ours in its environment."""
    bare = {"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": str(REPOSITORY), "TZ": "UTC", **environment}
    words = [sys.executable, "-m", "spot_responder", *arguments]
    done = subprocess.run(  # noqa: S603 - our own interpreter
        words,
        env=bare,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    return Done(done.returncode, done.stdout, done.stderr)


@contextmanager
def operators_laptop(folder: Path, app_settings: Mapping[str, str] | None = None) -> Iterator[OperatorsLaptop]:
    """Run the laptop Azure in a thread, until the test is through with it."""
    loop = asyncio.new_event_loop()
    ready: Future[Laptop] = Future()
    ended = asyncio.Event()

    async def stay() -> None:
        try:
            async with laptop_azure(folder, APP_SETTINGS | dict(app_settings or {}), DURATIONS) as laptop:
                ready.set_result(laptop)
                await ended.wait()
        except BaseException as error:
            if not ready.done():
                ready.set_exception(error)
            raise

    thread = threading.Thread(target=loop.run_until_complete, args=(stay(),))
    thread.start()
    try:
        yield OperatorsLaptop(ready.result(PATIENCE_S), loop, folder)
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()
