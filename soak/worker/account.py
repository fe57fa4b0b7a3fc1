"""A storage account in memory: queues, blobs and tables with Azure's rules, which outlive every worker.

``watch`` hears of every write that took effect: who judges the promises sees the truth there, not a worker's belief.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from random import Random

LARGEST_MESSAGE: Final = 64 * 1024
"""Bytes of a queue message, as it is sent."""

LARGEST_CELL: Final = 32 * 1024
"""Characters of a string in a table."""


class RefusedError(Exception):
    """Azure's answer to a request that it does not carry out."""

    def __init__(self, status: int, code: str) -> None:
        """Give the HTTP status and Azure's code."""
        super().__init__(f"{status} {code}")
        self.status, self.code = status, code


@dataclass(slots=True)
class Message:
    """A message of a queue. ``receipt`` is of whoever received it last; nobody sees it before ``visible_at``.

    ``held_by``: who knows that he received it, until he says that he does not keep it.
    """

    message_id: str
    text: str
    visible_at: float
    receipt: str
    held_by: str = ""
    received: int = 0


@dataclass(frozen=True, slots=True)
class Received:
    """What a worker receives."""

    message_id: str
    text: str
    receipt: str
    received: int


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob's content."""

    content: bytes
    etag: str


@dataclass(slots=True)
class Account:
    """Everything that is stored. ``now`` gives the service's time, ``chance`` what its rules leave open."""

    now: Callable[[], float]
    chance: Random
    watch: Callable[[str, str, str, bytes], None]
    """Called with who wrote, a kind of write, the name and the content."""

    queues: dict[str, dict[str, Message]] = field(default_factory=dict)
    blobs: dict[str, Blob] = field(default_factory=dict)
    spoiled: set[str] = field(default_factory=set)
    rows: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def put(self, who: str, queue: str, text: str, hidden_s: float = 0.0) -> str:
        """Add a message; give its id."""
        if len(text.encode()) > LARGEST_MESSAGE:
            raise RefusedError(413, "RequestBodyTooLarge")
        message_id = f"message-{next(self._numbers)}"
        message = Message(message_id, text, self.now() + hidden_s, self._receipt())
        self.queues.setdefault(queue, {})[message_id] = message
        self.watch(who, "message", queue, text.encode())
        return message_id

    def receive(self, queue: str, hidden_s: float) -> Received | None:
        """Give one of the messages that can be seen, and hide it."""
        messages = self.queues.setdefault(queue, {})
        seen = [message for message in messages.values() if message.visible_at <= self.now()]
        if not seen:
            return None
        message = self.chance.choice(seen[:4])
        message.visible_at, message.receipt = self.now() + hidden_s, self._receipt()
        message.held_by = ""
        message.received += 1
        return Received(message.message_id, message.text, message.receipt, message.received)

    def holds(self, who: str, queue: str, message_id: str, receipt: str) -> None:
        """Note that the answer with this message arrived at somebody."""
        message = self.queues[queue].get(message_id)
        if message is not None and message.receipt == receipt:
            message.held_by = who

    def hide(self, queue: str, message_id: str, receipt: str, hidden_s: float, *, keeps: bool) -> str:
        """Hide a message from now on for some seconds, or show it (0); give the new receipt."""
        message = self._held(queue, message_id, receipt)
        if not keeps:
            message.held_by = ""
        message.visible_at, message.receipt = self.now() + hidden_s, self._receipt()
        return message.receipt

    def take_away(self, who: str, queue: str, message_id: str, receipt: str) -> None:
        """Delete a message. A lease that ran out does not matter as long as nobody else received it."""
        message = self._held(queue, message_id, receipt)
        del self.queues[queue][message_id]
        self.watch(who, "delete message", queue, f"{message_id}\n{message.text}".encode())

    def write_blob(
        self, who: str, name: str, content: bytes, *, must_be_new: bool = False, if_match: str | None = None
    ) -> str:
        """Write a blob, on a condition; give its new ETag."""
        there = self.blobs.get(name)
        if must_be_new and there is not None:
            raise RefusedError(409, "BlobAlreadyExists")
        if if_match is not None and (there is None or there.etag != if_match):
            raise RefusedError(412, "ConditionNotMet")
        self.blobs[name] = Blob(content, f"etag-{next(self._numbers)}")
        self.watch(who, "blob", name, content)
        return self.blobs[name].etag

    def delete_blob(self, who: str, name: str) -> None:
        """Delete a blob."""
        if name not in self.blobs:
            raise RefusedError(404, "BlobNotFound")
        del self.blobs[name]
        self.watch(who, "delete blob", name, b"")

    def spoil(self, name: str) -> None:
        """Cut a blob to its half, as no write of ours does."""
        there = self.blobs[name]
        self.blobs[name] = Blob(there.content[: len(there.content) // 2], there.etag)
        self.spoiled.add(name)

    def write_row(self, who: str, table: str, row: Mapping[str, Any]) -> None:
        """Write a row, whatever was there."""
        if any(len(value) > LARGEST_CELL for value in row.values() if isinstance(value, str)):
            raise RefusedError(400, "PropertyValueTooLarge")
        key = table, row["PartitionKey"], row["RowKey"]
        self.rows[key] = dict(row)
        self.watch(who, "row", table, str(row["RowKey"]).encode())

    def _held(self, queue: str, message_id: str, receipt: str) -> Message:
        message = self.queues.get(queue, {}).get(message_id)
        if message is None:
            raise RefusedError(404, "MessageNotFound")
        if message.receipt != receipt:
            # Azure's reference names both answers for a receipt that is not the newest.
            raise self.chance.choice((RefusedError(404, "MessageNotFound"), RefusedError(400, "PopReceiptMismatch")))
        return message

    def _receipt(self) -> str:
        return f"receipt-{next(self._numbers)}"
