"""One slot: takes one message after the other, and has a process that works on it."""

from __future__ import annotations

import asyncio
from traceback import format_exc
from typing import TYPE_CHECKING, Final

from spot_worker.deciding.messages import read_message
from spot_worker.running.lease import Lease
from spot_worker.running.one_claim import OneClaim
from spot_worker.running.ports import StorageError
from spot_worker.running.refusals import Refusals
from spot_worker.running.stops.stopping import TO_GIVE_BACK_S, unless_stopped
from spot_worker.running.telling import Telling

if TYPE_CHECKING:
    from spot_worker.running.one_claim import Place
    from spot_worker.running.ports import Child, Ports, Received

_FIRST_PAUSE_S: Final = 0.25
_LONGEST_PAUSE_S: Final = 5.0
_LASTING_PAUSE_S: Final = 30.0
_LAST_WORD_S: Final = 0.5


class Slot:
    """A slot with its process."""

    def __init__(self, ports: Ports, place: Place, child: Child) -> None:
        """Nothing is taken yet."""
        self._ports, self._place, self._child = ports, place, child
        self._refusals = Refusals(ports.clock)
        self._telling = Telling(ports, place.settings, place.slot)

    async def work(self) -> None:
        """Work until the worker is to stop. Raises ``WarmUpError``, or ``StorageError`` if storage refuses for long."""
        telling = asyncio.ensure_future(self._telling.keep())
        try:
            self._telling.idle()
            await self._work()
            self._telling.stopping(has_job=False)
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
            await self._child.kill()
        await self._telling.last(_LAST_WORD_S)

    async def _work(self) -> None:
        stopping, pause = self._place.stopping, _FIRST_PAUSE_S
        while not stopping.is_asked:
            if not self._child.is_alive():
                await self._new_child()
            asked_at = self._ports.clock.monotonic()
            try:
                received = await self._receive()
                if received is None and self._place.settings.until_empty and await self._is_empty():
                    return
                self._refusals.done("queue")
            except StorageError as error:
                if error.is_lasting:
                    self._refusals.refused("queue", error)
                    pause = _LASTING_PAUSE_S
                self._ports.log.say("no message received", error=str(error), again_in_s=pause)
                received = None
            if received:
                self._place.idleness.begin()
                try:
                    await self._handle(received, asked_at)
                finally:
                    self._place.idleness.end()
                pause = _FIRST_PAUSE_S
            elif not stopping.is_asked:
                self._telling.idle()
                await stopping.pause(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S) if pause < _LASTING_PAUSE_S else _FIRST_PAUSE_S

    async def _new_child(self) -> None:
        """Start a new process, and let it go if the worker is to stop before it is warm."""
        child = await unless_stopped(self._ports.children.start(self._place.slot), self._place.stopping)
        self._child = child or self._child

    async def _receive(self) -> Received | None:
        """Ask for a message. One that comes after we were asked to stop is given back; it is waited for shortly."""
        queue, settings, stopping = self._ports.queue, self._place.settings, self._place.stopping
        if stopping.is_asked:
            return None
        receiving = asyncio.ensure_future(queue.receive(settings.visibility_s))
        stopped = asyncio.ensure_future(stopping.asked())
        await asyncio.wait({receiving, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        try:
            return await asyncio.wait_for(receiving, TO_GIVE_BACK_S) if not receiving.done() else receiving.result()
        except asyncio.TimeoutError:
            return None  # what it takes is not claimed, and comes back by itself

    async def _is_empty(self) -> bool:
        """Whether the queue has no message left; no answer is waited for once we are asked to stop."""
        is_empty: bool | None = await unless_stopped(self._ports.queue.is_empty(), self._place.stopping)
        return bool(is_empty)

    async def _handle(self, received: Received, asked_at: float) -> None:
        ports, place = self._ports, self._place
        visibility_s = place.settings.visibility_s
        lease = Lease((ports.queue, ports.clock, ports.log), received, asked_at, visibility_s)
        job = read_message(received.message_id, received.text)
        # The answer may have come so late that the message is with somebody else already.
        if place.stopping.is_asked or not self._child.is_alive() or lease.left_s() <= 0:
            await self._give_back(lease)
            return
        keeping = asyncio.ensure_future(lease.keep(self._telling.renewed))
        stop = asyncio.ensure_future(self._tell_stop())
        try:
            await self._go(OneClaim(ports, place, self._child, (job, lease), lambda: self._telling.busy(job.id)))
        finally:
            for task in (keeping, stop):
                task.cancel()
            await asyncio.gather(keeping, stop, return_exceptions=True)
        if place.settings.is_once:
            place.stopping.done()

    async def _go(self, claim: OneClaim) -> None:
        """Work on a message. A mistake of ours must not end the worker: with the next one it would begin all over."""
        try:
            await claim.go()
        except Exception as error:  # noqa: BLE001 - whatever we did not think of
            self._ports.log.say("our own mistake", error=repr(error)[:2000], traceback=format_exc()[-8000:])
            await claim.put_aside(f"the worker's own mistake: {error!r:.500}")
        if claim.refusal:
            self._refusals.refused("job", claim.refusal)
        else:
            self._refusals.done("job")

    async def _tell_stop(self) -> None:
        await self._place.stopping.asked()
        self._telling.stopping(has_job=True)

    async def _give_back(self, lease: Lease) -> None:
        try:
            await asyncio.wait_for(lease.give_back(0), TO_GIVE_BACK_S)
        except (StorageError, asyncio.TimeoutError) as error:
            self._ports.log.say("message not given back", error=str(error) or "no answer")
