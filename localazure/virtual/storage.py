"""Doubles of the SDKs' storage and topic clients: what they hold outlives every instance of the app."""

from __future__ import annotations

import base64
import itertools
import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol

from azure.data.tables import TableEntity, UpdateMode

from localazure.virtual.wire import RequestKind
from localazure.world.azure_errors import Refused
from spot_responder.intake.signals import Inbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping
    from datetime import datetime

    from azure.core.messaging import CloudEvent

    from localazure.virtual.wire import Wire
    from localazure.world.happenings import Happening

    type Key = tuple[str, str]


LARGEST_MESSAGE: Final = 64 * 1024
"""Bytes of a queue message, as it is sent: in base64."""

LARGEST_CELL: Final = 32 * 1024
"""Characters of a string in a table."""

_PARTITION: Final = re.compile("PartitionKey eq '([^']*)'")
_HISTORY: Final = re.compile("PartitionKey ge '([^']*)' and (?:(published eq false)|PartitionKey le '([^']*)')")


@dataclass(eq=False, slots=True)
class Message:
    """A queue message; ``tells`` is what happened in the world that it tells of, where it is an event of Azure's.

    ``inbox``: which of the app's two queues it is on, but for a wake (``is_wake``), which is on a third.
    """

    body: str | bytes
    tells: Happening | None = None
    inbox: Inbox = Inbox.SIGNALS
    is_wake: bool = False
    visible_at: datetime = field(init=False)
    dequeue_count: int = 0


@dataclass(slots=True)
class Table:
    """A table: rows by partition and row key, each with its ETag. ``written`` hears of every row that is written."""

    name: str
    rows: dict[Key, tuple[dict[str, Any], str]] = field(default_factory=dict)
    etags: Iterator[int] = field(default_factory=itertools.count)
    written: Callable[[Mapping[str, Any]], None] = lambda _: None

    def read(self, key: Key) -> TableEntity:
        """Read a row."""
        if key not in self.rows:
            raise Refused(404, "ResourceNotFound", "The specified resource does not exist.")
        row, etag = self.rows[key]
        entity = TableEntity(row)
        entity._metadata = {"etag": etag, "timestamp": None}  # noqa: SLF001 - as the SDK itself sets it
        return entity

    def write(self, row: Mapping[str, Any]) -> dict[str, str]:
        """Write a row, whatever was there."""
        etag = f"etag-{next(self.etags)}"
        self.written(row)
        self.rows[row["PartitionKey"], row["RowKey"]] = (dict(row), etag)
        return {"etag": etag}

    def create(self, row: Mapping[str, Any]) -> dict[str, str]:
        """Write a row that must not be there yet."""
        if (row["PartitionKey"], row["RowKey"]) in self.rows:
            raise Refused(409, "EntityAlreadyExists", "The specified entity already exists.")
        return self.write(row)

    def check(self, key: Key, etag: str | None) -> None:
        """Refuse where the row is not the one that was read."""
        if self.read(key).metadata["etag"] != etag:
            raise Refused(412, "UpdateConditionNotSatisfied", "The update condition was not satisfied.")


@dataclass(slots=True)
class Storage:
    """What outlives every process: the tables, what the topic heard, and the poison messages with their errors."""

    recoveries: Table = field(default_factory=lambda: Table("recoveries"))
    history: Table = field(default_factory=lambda: Table("history"))
    pools: Table = field(default_factory=lambda: Table("pools"))
    health: Table = field(default_factory=lambda: Table("health"))
    offerings: Table = field(default_factory=lambda: Table("offerings"))
    work: Table = field(default_factory=lambda: Table("work"))
    heard: list[CloudEvent[dict[str, object]]] = field(default_factory=list)
    poison: list[tuple[Message, Exception]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class TableDouble:
    """A double of ``TableClient`` for one app instance."""

    table: Table
    wire: Wire

    async def get_entity(self, partition_key: str, row_key: str) -> TableEntity:
        """Read a row."""
        key = partition_key, row_key
        return await self.wire.send(RequestKind.ROW_READ, f"{self.table.name}/{row_key}", lambda: self.table.read(key))

    async def create_entity(self, entity: Mapping[str, Any]) -> dict[str, str]:
        """Write a row that must not be there yet."""
        return await self._write_row(entity, lambda: self.table.create(entity))

    async def update_entity(
        self, entity: Mapping[str, Any], *, mode: UpdateMode, etag: str | None = None, **_how: object
    ) -> dict[str, str]:
        """Write a row, or some of its columns; with ``etag``, only if it is the one that was read."""

        def updated() -> dict[str, str]:
            key = entity["PartitionKey"], entity["RowKey"]
            before = self.table.read(key) if mode is UpdateMode.MERGE else {}
            if etag is not None:
                self.table.check(key, etag)
            return self.table.write({**before, **entity})

        return await self._write_row(entity, updated)

    async def upsert_entity(self, entity: Mapping[str, Any], *, mode: UpdateMode) -> dict[str, str]:
        """Write a row, whatever was there."""
        assert mode is UpdateMode.REPLACE  # noqa: S101 - the double knows no other
        return await self._write_row(entity, lambda: self.table.write(entity))

    async def delete_entity(self, partition_key: str, row_key: str, *, etag: str | None = None, **_how: object) -> None:
        """Delete a row; with ``etag``, only as it was read. What is not there is gone, as the SDK has it."""
        key = partition_key, row_key

        def deleted() -> None:
            if key in self.table.rows:
                if etag is not None:
                    self.table.check(key, etag)
                del self.table.rows[key]

        await self._write(row_key, deleted)

    async def query_entities(self, query_filter: str) -> AsyncIterator[TableEntity]:
        """Read the rows of a partition; or those of the history from a day on, unpublished or up to another day."""
        partition = _PARTITION.fullmatch(query_filter)
        if partition is not None:
            for row in await self._list(
                lambda: [self.table.read(key) for key in self.table.rows if key[0] == partition[1]]
            ):
                yield row
            return
        match = _HISTORY.fullmatch(query_filter)
        assert match is not None, query_filter  # noqa: S101 - the double knows no other query

        def found() -> list[TableEntity]:
            return [self.table.read(key) for key, (row, _) in self.table.rows.items() if _fits(key, row)]

        def _fits(key: Key, row: Mapping[str, Any]) -> bool:
            return key[0] >= match[1] and (row["published"] is False if match[2] else key[0] <= match[3])

        for row in await self._list(found):
            yield row

    async def list_entities(self) -> AsyncIterator[TableEntity]:
        """Read all rows."""
        for row in await self._list(lambda: [self.table.read(key) for key in self.table.rows]):
            yield row

    async def _write_row(self, entity: Mapping[str, Any], effect: Callable[[], dict[str, str]]) -> dict[str, str]:
        def fitting() -> dict[str, str]:
            if any(len(value) > LARGEST_CELL for value in entity.values() if isinstance(value, str)):
                raise Refused(400, "PropertyValueTooLarge", "The property value exceeds the maximum allowed size.")
            return effect()

        return await self._write(entity["RowKey"], fitting)

    async def _write[T](self, row_key: str, effect: Callable[[], T]) -> T:
        return await self.wire.send(RequestKind.ROW_WRITE, f"{self.table.name}/{row_key}", effect)

    async def _list(self, effect: Callable[[], list[TableEntity]]) -> list[TableEntity]:
        return await self.wire.send(RequestKind.ROW_READ, f"{self.table.name}/", effect)


class Mailbox(Protocol):
    """Where messages go."""

    def put(self, body: str, delay: timedelta, tells: Happening | None = None, inbox: Inbox = Inbox.SIGNALS) -> None:
        """Take a message, to be seen after ``delay``; ``tells`` is what happened in the world that it tells of."""


@dataclass(frozen=True, slots=True)
class QueueDouble:
    """A double of ``QueueClient`` for one app instance and one of the app's queues."""

    mailbox: Mailbox
    wire: Wire
    inbox: Inbox

    async def send_message(self, content: str, *, visibility_timeout: int, time_to_live: int) -> None:
        """Put a message on the queue."""
        assert time_to_live == -1  # noqa: S101 - the mailbox knows no other
        delay = timedelta(seconds=visibility_timeout)

        def put() -> None:
            if delay < timedelta():
                raise Refused(400, "OutOfRangeQueryParameterValue", "visibilitytimeout is not within 0 and 604800.")
            if len(base64.b64encode(content.encode())) > LARGEST_MESSAGE:
                raise Refused(413, "RequestBodyTooLarge", "The request body is too large.")
            self.mailbox.put(content, delay, inbox=self.inbox)

        await self.wire.send(RequestKind.QUEUE_PUT, "", put)


@dataclass(frozen=True, slots=True)
class TopicDouble:
    """A double of ``EventGridPublisherClient`` for one app instance; ``heard`` is what the topic took."""

    heard: list[CloudEvent[dict[str, object]]]
    wire: Wire

    async def send(self, event: CloudEvent[dict[str, object]]) -> None:
        """Publish an event."""
        await self.wire.send(RequestKind.OUTCOME, event.id, lambda: self.heard.append(event))
