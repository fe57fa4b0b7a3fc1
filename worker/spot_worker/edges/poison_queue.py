"""The poison queue as a person looks at it: all of its messages at a time. Peeking would show 32 at most."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from azure.core.exceptions import AzureError, ResourceNotFoundError

from spot_worker.deciding.messages import PoisonMessage, read_poison
from spot_worker.deciding.times import iso
from spot_worker.edges.azure_errors import translated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from azure.storage.queue import QueueClient, QueueMessage

    from spot_worker.edges.account import Account

_HELD_S: Final = 60
_AT_ONCE: Final = 32


@dataclass(frozen=True)
class Held:
    """A message that nobody else sees for a minute."""

    poison: PoisonMessage
    given_up_at: str
    message: QueueMessage


@contextmanager
def held(account: Account, queue: str) -> Iterator[list[Held]]:
    """Hold all messages; those not deleted are given back. Raises ``StorageError``."""
    client = account.queues.get_queue_client(queue)
    found = translated(f"to read the queue {queue}", lambda: _take(client))
    try:
        yield found
    finally:
        for one in found:
            with suppress(AzureError):  # deleted meanwhile; else it comes back by itself
                client.update_message(one.message, visibility_timeout=0)


def seen(account: Account, queue: str) -> list[Held]:
    """Look at all messages: without holding them, if the queue shows them all so. Raises ``StorageError``."""
    client = account.queues.get_queue_client(queue)

    def peek() -> list[Held] | None:
        try:
            found = list(client.peek_messages(_AT_ONCE))
        except ResourceNotFoundError:
            return []
        return [_held(one) for one in found] if len(found) < _AT_ONCE else None

    found = translated(f"to read the queue {queue}", peek)
    if found is None:
        with held(account, queue) as found:
            return found
    return found


def delete(account: Account, queue: str, one: Held) -> None:
    """Delete a message. Raises ``StorageError``."""
    client = account.queues.get_queue_client(queue)
    translated(f"to delete a message of the queue {queue}", lambda: client.delete_message(one.message))


def _take(client: QueueClient) -> list[Held]:
    try:
        messages = list(client.receive_messages(messages_per_page=_AT_ONCE, visibility_timeout=_HELD_S))
    except ResourceNotFoundError:
        return []  # nothing was given up yet
    return [_held(one) for one in messages]


def _held(message: QueueMessage) -> Held:
    given_up_at = iso(message.inserted_on) if message.inserted_on else ""
    return Held(read_poison(message.id, str(message.content)), given_up_at, message)
