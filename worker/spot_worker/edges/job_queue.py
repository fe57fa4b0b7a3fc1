"""The queue of jobs, on an account of Azure Storage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.queue import QueueMessage

from spot_worker.deciding.times import iso
from spot_worker.edges.account import FOR_EVER, make_queue
from spot_worker.edges.azure_errors import BAD_REQUEST, NOT_FOUND, Threads, code_of, status_of
from spot_worker.running.ports import LeaseLostError, Received

if TYPE_CHECKING:
    from collections.abc import Callable

    from spot_worker.edges.account import Account

_LOST: Final = frozenset({BAD_REQUEST, NOT_FOUND})


class JobQueue:
    """The queue of jobs."""

    def __init__(self, account: Account, queue: str, slots: int) -> None:
        """Nothing is asked yet. Its threads are its own: an upload must keep no renewal waiting."""
        self._account, self._queue = account, account.queues.get_queue_client(queue)
        self._threads = Threads("queue", 2 * slots + 2)
        self._name = queue

    async def receive(self, visibility_s: int) -> Received | None:
        """Take a message, if there is one to take."""

        def receive() -> Received | None:
            try:
                message = self._queue.receive_message(visibility_timeout=visibility_s)
            except ResourceNotFoundError:  # somebody deleted the queue
                make_queue(self._account, self._name)
                return None
            if not message:
                return None
            put_at = iso(message.inserted_on) if message.inserted_on else ""
            return Received(message.id, str(message.pop_receipt), str(message.content), put_at)

        return await self._threads.call(f"to receive from the queue {self._name}", receive)

    async def renew(self, message_id: str, receipt: str, visibility_s: int) -> str:
        """Keep a message for longer, or give it back after so long; give its new receipt."""

        def renew() -> str:
            message = QueueMessage(None, id=message_id, pop_receipt=receipt)
            return str(self._queue.update_message(message, visibility_timeout=visibility_s).pop_receipt)

        return await self._threads.call(f"to renew message {message_id}", lambda: _held(renew))

    async def delete(self, message_id: str, receipt: str) -> None:
        """Delete a message."""

        def delete() -> None:
            self._queue.delete_message(message_id, receipt)

        await self._threads.call(f"to delete message {message_id}", lambda: _held(delete))

    async def send(self, queue: str, text: str) -> None:
        """Put a message on any queue, for ever; the queue is made if it is not there."""

        def send() -> None:
            client = self._account.queues.get_queue_client(queue)
            try:
                client.send_message(text, time_to_live=FOR_EVER)
            except ResourceNotFoundError:
                make_queue(self._account, queue)
                client.send_message(text, time_to_live=FOR_EVER)

        await self._threads.call(f"to send to the queue {queue}", send)

    async def is_empty(self) -> bool:
        """Whether the queue has no message at all, also none that somebody holds."""

        def count() -> int:
            return int(self._queue.get_queue_properties().approximate_message_count or 0)

        return await self._threads.call(f"to count the queue {self._name}", count) == 0


def _held(call: Callable[[], Any]) -> Any:  # noqa: ANN401 - what the call gives
    """Give what the call gives. Raises ``LeaseLostError`` if the message is not ours any more."""
    try:
        return call()
    except HttpResponseError as error:
        if status_of(error) in _LOST:
            raise LeaseLostError(code_of(error)) from error
        raise
