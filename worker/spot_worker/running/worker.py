"""The worker: warm processes first, then no notice pending, then slots that take messages until it is to stop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from spot_worker.running.attempt import Uploads
from spot_worker.running.one_claim import Place
from spot_worker.running.slot import Slot
from spot_worker.running.stops.own_stop import Idleness, watch_idleness
from spot_worker.running.stops.stopping import unless_stopped

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from spot_worker.running.ports import Child, Ports
    from spot_worker.running.settings import Settings
    from spot_worker.running.stops.stopping import Stopping

_LOOKS_EVERY_S: Final = 1.0


async def work(
    ports: Ports, settings: Settings, stopping: Stopping, prepare: Callable[[], Awaitable[None]] | None = None
) -> None:
    """Work until everything is done that is to be done, or the worker is to stop.

    ``prepare`` is called once the function is known to be there. Raises ``WarmUpError``, and ``StorageError`` for good.
    """
    children = await unless_stopped(_warm(ports, settings.slots), stopping)
    if children is None:
        return
    is_ready = False
    try:
        is_ready = bool(await unless_stopped(_ready(ports, prepare), stopping))
    finally:
        if not is_ready:
            await asyncio.gather(*(child.kill() for child in children))
    if not is_ready:
        return
    ports.log.say("started", queue=settings.places.queue, vm=settings.vm, slots=settings.slots)
    watching = asyncio.ensure_future(_watch(ports, stopping))
    idling: asyncio.Future[None] | None = None
    uploads, idleness = Uploads(), Idleness(ports.clock)
    slots = [Slot(ports, Place(settings, at, stopping, uploads, idleness), child) for at, child in enumerate(children)]
    working = [asyncio.ensure_future(slot.work()) for slot in slots]
    if settings.own_stop:
        idling = asyncio.ensure_future(watch_idleness(settings.own_stop, idleness, stopping, ports.clock, ports.log))
    try:
        await _all_or_one_failed(working, watching)
        # One slot that cannot go on ends the worker, but not what the others are doing.
        if not stopping.is_asked:
            stopping.done()
        await asyncio.wait(working)
    finally:
        watching.cancel()
        if idling:
            idling.cancel()
    for error in [task.exception() for task in working]:
        if error:
            raise error
    if watching.done() and not watching.cancelled():
        watching.result()  # it has failed: blind for notices we do not work on


async def _all_or_one_failed(working: list[asyncio.Task[None]], watching: asyncio.Task[None]) -> None:
    """Wait until all slots are done, or one of them, or the watch for notices, has failed."""
    at_work = set(working)
    while at_work:
        done, _ = await asyncio.wait({*at_work, watching}, return_when=asyncio.FIRST_COMPLETED)
        if any(task.exception() for task in done):
            return
        at_work -= done


async def _warm(ports: Ports, slots: int) -> list[Child]:
    """Start all processes. If one cannot, none is left behind."""
    starting = [asyncio.ensure_future(ports.children.start(slot)) for slot in range(slots)]
    try:
        return list(await asyncio.gather(*starting))
    except BaseException:
        for task in starting:
            task.cancel()
        for ended in await asyncio.gather(*starting, return_exceptions=True):
            if not isinstance(ended, BaseException):
                await ended.kill()
        raise


async def _ready(ports: Ports, prepare: Callable[[], Awaitable[None]] | None) -> bool:
    if prepare:
        await prepare()
    return await _no_notice(ports)


async def _no_notice(ports: Ports) -> bool:
    """Wait until nothing is about to happen to the VM: what is claimed now would only be given back."""
    is_told = False
    while True:
        notice = await ports.notices.pending()
        if notice is None:
            return True
        if not is_told:
            ports.log.say("waiting", notice=notice.event_type, event_id=notice.event_id)
            is_told = True
        await asyncio.sleep(_LOOKS_EVERY_S)


async def _watch(ports: Ports, stopping: Stopping) -> None:
    is_told = False
    while True:
        notice = await ports.notices.pending()
        if notice and not is_told:
            ports.log.say("stopping", notice=notice.event_type, seconds_left=notice.seconds_left)
            stopping.notice(notice)
            is_told = True
        await asyncio.sleep(_LOOKS_EVERY_S)
