"""The ports to work queues, to the table ``workers`` beside each, and to the queue ``wakes``.

Opened by ``connections.py`` where a deployment has work queues. A work queue is counted and peeked at: no message is
ever taken from it.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any, Final

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.data.tables import TableErrorCode

from spot_responder.clients.sdk_errors import UNREADABLE, refusal, unreadable
from spot_responder.demand.looks import MOST_PEEKED, Backlog, Doing, Word
from spot_responder.intake.payloads import moment
from spot_responder.responder.log import log_odd_row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import timedelta

    from azure.data.tables.aio import TableClient
    from azure.storage.queue.aio import QueueClient

    from spot_responder.demand.wakes import Wake
    from spot_responder.intake.work_queue_names import WorkQueueName

WORKERS_TABLE: Final = "workers"
"""The table in which each slot of each worker writes what it does."""


@dataclass(frozen=True, slots=True)
class WorkQueues:
    """The port to the work queues: ``queue`` and ``workers`` open the clients of one."""

    queue: Callable[[WorkQueueName], QueueClient]
    workers: Callable[[WorkQueueName], TableClient]

    async def backlog(self, name: WorkQueueName) -> Backlog:
        """Count the messages: all by Azure's count, those that can be taken by peeking, as far as that shows them.

        Azure's count includes messages that somebody holds (docs/azure-facts.md work-1), and is never too small; more
        than 32 that can be taken are taken for all of them.

        Raises:
            AzureRefusedError: if the queue could not be read. One that is not there is no empty one.
        """
        with _told(f"count the messages of {name}"):
            queue = self.queue(name)
            counted = (await queue.get_queue_properties()).approximate_message_count or 0
            peeked = len(await queue.peek_messages(max_messages=MOST_PEEKED))
        return Backlog(peeked if peeked < MOST_PEEKED else max(counted, peeked), max(counted, peeked))

    async def words(self, name: WorkQueueName) -> list[Word]:
        """Give what each slot of the queue's workers wrote last; an odd row is left out.

        Raises:
            AzureRefusedError: if the table could not be read. The first worker makes it: without it, there are none.
        """
        with _told(f"read the workers of {name}"):
            try:
                rows = self.workers(name).query_entities(f"PartitionKey eq '{name.queue}'")
                return [word async for row in rows for word in _words(row)]
            except ResourceNotFoundError as error:
                if getattr(error, "error_code", None) == TableErrorCode.TABLE_NOT_FOUND:
                    return []
                raise


@dataclass(frozen=True, slots=True)
class Wakes:
    """The port to the queue ``wakes``; its client encodes in base64, as the Functions host expects it."""

    client: QueueClient

    async def put(self, wake: Wake, delay: timedelta) -> None:
        """Put a wake; it never expires, so that an outage loses none."""
        await self.client.send_message(str(wake), visibility_timeout=ceil(delay.total_seconds()), time_to_live=-1)


@contextmanager
def _told(what: str) -> Iterator[None]:
    try:
        yield
    except AzureError as error:
        raise refusal(error, what) from error
    except UNREADABLE as error:
        raise unreadable(error, what) from error


def _words(row: Mapping[str, Any]) -> list[Word]:
    vm_name, _, slot = str(row["RowKey"]).partition(":")
    at, doing = moment(str(row.get("renewed_at", ""))), str(row.get("state", ""))
    if at is None or not doing or not slot:
        log_odd_row(f"table workers, {row['PartitionKey']}, {row['RowKey']}", f"state {doing!r}, renewed_at {at}")
        return []
    # A state that a newer worker has: it lives, and is left alone.
    known = Doing(doing) if doing in Doing else Doing.BUSY
    return [Word(vm_name, known, at, stops_vm=row.get("stops_vm") is True)]
