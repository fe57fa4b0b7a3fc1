"""Takes messages from a storage queue and runs a function on each, as Azure's Functions host does.

Started by ``triggers.py``; ``virtual/app.py`` does the same in virtual time.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import logging
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError

from localazure.functions.host_settings import MessageEncoding
from localazure.functions.worker import TypedData

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from datetime import datetime

    from azure.storage.queue import QueueMessage
    from azure.storage.queue.aio import QueueClient

    from localazure.functions.host_settings import QueueSettings
    from localazure.functions.worker import RpcException

    type Work = Callable[[TypedData, Mapping[str, TypedData]], Awaitable[RpcException | None]]

LEASE: Final = timedelta(minutes=10)
"""How long Azure's host keeps a message out of others' sight before it renews (WebJobs SDK, QueueListener)."""
_FIRST_WAIT_S: Final = 0.1
_NEVER: Final = -1

logger = logging.getLogger(__name__)


class _UndecodableError(ValueError):
    """The message's text is not in the encoding that ``host.json`` promises."""


@dataclass(slots=True)
class _Lease:
    """The right to a message. Its pop receipt changes each time it is renewed."""

    message: QueueMessage
    pop_receipt: str


@dataclass(frozen=True, slots=True)
class QueueListener:
    """Listens to ``queue`` and hands each message to ``work``. What fails too often goes to ``poison_queue``."""

    queue: QueueClient
    poison_queue: QueueClient
    settings: QueueSettings
    work: Work
    lease: timedelta = LEASE

    async def listen(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set and what was begun is finished."""
        under_way: set[asyncio.Task[None]] = set()
        wait_s = _FIRST_WAIT_S
        while not stop.is_set():
            messages = await self._receive()
            if messages:
                under_way |= {asyncio.create_task(self._process(message)) for message in messages}
                wait_s = _FIRST_WAIT_S
                under_way = await self._room_for_a_batch(under_way, stop)
            else:
                await _pause(stop, wait_s)
                wait_s = min(wait_s * 2, self.settings.max_polling_interval.total_seconds())
                under_way = {task for task in under_way if not task.done()}
        if under_way:
            await asyncio.wait(under_way)

    async def _receive(self) -> list[QueueMessage]:
        try:
            pages = self.queue.receive_messages(
                messages_per_page=self.settings.batch_size, visibility_timeout=int(self.lease.total_seconds())
            ).by_page()
            # One page is one request. To ask for all messages would ask again before it hands out the first.
            async for page in pages:
                return [message async for message in page]
        except ResourceNotFoundError:
            logger.debug("queue %s is not there yet", self.queue.queue_name)
        except AzureError as error:
            logger.warning("queue %s could not be read, will try again: %s", self.queue.queue_name, _line(error))
        return []

    async def _room_for_a_batch(
        self, under_way: set[asyncio.Task[None]], stop: asyncio.Event
    ) -> set[asyncio.Task[None]]:
        stopping = asyncio.create_task(stop.wait())
        while len(under_way) > self.settings.new_batch_threshold and not stop.is_set():
            await asyncio.wait({*under_way, stopping}, return_when=asyncio.FIRST_COMPLETED)
            under_way = {task for task in under_way if not task.done()}
        stopping.cancel()
        return under_way

    async def _process(self, message: QueueMessage) -> None:
        try:
            async with self._leased(message) as lease:
                error = await self._outcome(message)
            await self._settle(lease, error)
        except AzureError as error:
            # Somebody else has the message by now, or it comes back when its lease ends.
            logger.warning("message %s of queue %s: %s", message.id, self.queue.queue_name, _line(error))

    @asynccontextmanager
    async def _leased(self, message: QueueMessage) -> AsyncIterator[_Lease]:
        lease = _Lease(message, message.pop_receipt or "")
        done = asyncio.Event()
        renewal = asyncio.create_task(self._renew(lease, done))
        try:
            yield lease
        finally:
            # Not cancelled: a renewal that is on its way changes the pop receipt.
            done.set()
            await renewal

    async def _renew(self, lease: _Lease, done: asyncio.Event) -> None:
        while not await _pause(done, self.lease.total_seconds() / 2):
            try:
                renewed = await self._hide(lease, self.lease)
            except AzureError as error:
                logger.warning("the lease of message %s could not be renewed: %s", lease.message.id, _line(error))
                return
            lease.pop_receipt = renewed.pop_receipt or ""

    async def _outcome(self, message: QueueMessage) -> str | None:
        """Run the function. Gives why it failed, or ``None``."""
        if (message.dequeue_count or 0) > self.settings.max_dequeue_count:
            return "earlier tries ended without a result: the host was killed, or lost the message's lease"
        try:
            text = self._decoded(message)
        except _UndecodableError as undecodable:
            return str(undecodable)
        error = await self.work(TypedData(string=text), trigger_metadata(message))
        return None if error is None else error.told()

    def _decoded(self, message: QueueMessage) -> str:
        text = str(message.content)
        if self.settings.message_encoding is MessageEncoding.NONE:
            return text
        try:
            return base64.b64decode("".join(text.split()), validate=True).decode(errors="replace")
        except binascii.Error as error:
            reason = f"its text is not base64 ({error}), as messageEncoding in host.json promises"
            raise _UndecodableError(reason) from error

    async def _settle(self, lease: _Lease, error: str | None) -> None:
        if error is None:
            await self.queue.delete_message(lease.message.id, lease.pop_receipt)
        elif self._is_poison(lease.message):
            await self._move_to_poison(lease, error)
        else:
            await self._hide(lease, self.settings.visibility_timeout)

    def _is_poison(self, message: QueueMessage) -> bool:
        if (message.dequeue_count or 0) >= self.settings.max_dequeue_count:
            return True
        try:
            self._decoded(message)
        except _UndecodableError:
            # Another try would not make it base64, so Azure's host does not try: QueueServiceClientProvider's
            # decoding handler in azure-sdk-for-net moves it at once.
            return True
        return False

    async def _move_to_poison(self, lease: _Lease, error: str) -> None:
        with suppress(ResourceExistsError):
            await self.poison_queue.create_queue()
        await self.poison_queue.send_message(lease.message.content, time_to_live=_NEVER)
        await self.queue.delete_message(lease.message.id, lease.pop_receipt)
        logger.warning(
            "message %s of queue %s moved to %s at try %s: %s. Look at it there, mend the cause, and put it back.",
            lease.message.id,
            self.queue.queue_name,
            self.poison_queue.queue_name,
            lease.message.dequeue_count,
            error,
        )

    async def _hide(self, lease: _Lease, how_long: timedelta) -> QueueMessage:
        return await self.queue.update_message(
            lease.message.id, lease.pop_receipt, visibility_timeout=int(how_long.total_seconds())
        )


def trigger_metadata(message: QueueMessage) -> dict[str, TypedData]:
    """Give what Azure's host tells a function about its message, under Azure's names."""
    return {
        "Id": TypedData(string=message.id),
        "DequeueCount": TypedData(json=json.dumps(message.dequeue_count)),
        "InsertionTime": _time(message.inserted_on),
        "ExpirationTime": _time(message.expires_on),
        "NextVisibleTime": _time(message.next_visible_on),
        "PopReceipt": TypedData(string=message.pop_receipt),
    }


def _time(moment: datetime | None) -> TypedData:
    return TypedData(json=json.dumps(None if moment is None else moment.isoformat()))


async def _pause(event: asyncio.Event, seconds: float) -> bool:
    """Wait for the event, but no longer than this. Gives whether it came."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
