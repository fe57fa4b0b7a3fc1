"""Stops the worker's own VM when there is nothing to do. Nobody else stops it: only the worker knows that it is idle.

In this order: all slots are seen idle for long enough, twice. Nothing more is claimed, as before new code takes over,
so no job can be under way. The table ``workers`` is told that the VM stops itself, so that this is taken for no owner's
stop. The queue is looked at once more. Then Azure is asked to deallocate the VM. Whatever goes wrong on the way, the
worker begins anew and works on.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

from spot_worker.deciding.stops.own_stop import is_due, seen_idle
from spot_worker.running.ports import StorageError

if TYPE_CHECKING:
    from spot_worker.deciding.stops.own_stop import OwnStop, SeenIdle
    from spot_worker.running.ports import Clock, Log
    from spot_worker.running.stops.stopping import Stopping

_LOOKS_EVERY_S: Final = 1.0
_DOWN_WITHIN_S: Final = 600.0
"""So long a deallocation may take that Azure has accepted."""


class OwnStopRefusedError(Exception):
    """Azure does not deallocate this VM; one line that says why, and what to do."""


class OwnVm(Protocol):
    """The VM itself, its row in the table of workers, and its queue. Each call may raise ``StorageError``."""

    async def other_workers(self) -> list[str]:
        """Name the other workers of this VM that have written of late."""

    async def say_stopping(self) -> None:
        """Write that this VM is about to be stopped by its worker."""

    async def has_message(self) -> bool:
        """Whether the queue has a message that can be claimed."""

    async def deallocate(self) -> None:
        """Ask Azure to deallocate this VM. Raises ``OwnStopRefusedError``."""


class Idleness:
    """Since when no slot has a job, by the clock that only grows; ``None`` while one has."""

    def __init__(self, clock: Clock) -> None:
        """Nothing is claimed yet."""
        self._clock, self._busy = clock, 0
        self.since_s: float | None = clock.monotonic()

    def begin(self) -> None:
        """Note that a slot has a message."""
        self._busy += 1
        self.since_s = None

    def end(self) -> None:
        """Note that a slot is done with it."""
        self._busy -= 1
        if not self._busy:
            self.since_s = self._clock.monotonic()


async def watch_idleness(rule: OwnStop, idleness: Idleness, stopping: Stopping, clock: Clock, log: Log) -> None:
    """Wait until the VM is to be stopped for want of work; then let nothing more be claimed.

    The clock counts from the VM's boot, so it says how long that is up as well.
    """
    seen: SeenIdle | None = None
    while not stopping.is_asked:
        now = clock.monotonic()
        seen = seen_idle(rule, idleness.since_s, now, now, seen)
        if is_due(seen, now):
            log.say("stopping", why="this VM has nothing to do", idle_s=now - (idleness.since_s or now), up_s=now)
            stopping.own_stop()
            return
        await asyncio.sleep(_LOOKS_EVERY_S)


async def stop_vm(vm: OwnVm, stopping: Stopping, log: Log) -> bool:
    """Stop the VM, once nothing can be claimed any more; give whether it is worth asking again soon.

    Where Azure accepted, this waits for the VM's end.
    """
    try:
        if await _others_work(vm, log):
            return False
        await vm.say_stopping()
        if await vm.has_message():
            log.say("VM not stopped", why="a message came while it was about to stop")
            return True
        # One may have begun meanwhile: so right after the VM's boot.
        if await _others_work(vm, log):
            return False
        await vm.deallocate()
    except (StorageError, OwnStopRefusedError) as error:
        log.say("VM not stopped", error=str(error))
        return False
    log.say("VM stops", why="Azure has accepted the deallocation")
    try:
        await asyncio.wait_for(stopping.urgent(), _DOWN_WITHIN_S)
    except asyncio.TimeoutError:
        log.say("VM not stopped", error=f"it still runs {_DOWN_WITHIN_S:.0f} s after Azure accepted the deallocation")
    return False


async def _others_work(vm: OwnVm, log: Log) -> bool:
    others = await vm.other_workers()
    if others:
        log.say("VM not stopped", why=f"other workers run on it, which may have jobs: {', '.join(others)}")
    return bool(others)
