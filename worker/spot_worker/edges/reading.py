"""Reads what stands in the account, for the commands that show it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from azure.core.exceptions import ResourceNotFoundError

from spot_worker.edges.azure_errors import translated

if TYPE_CHECKING:
    from spot_worker.deciding.names import Places
    from spot_worker.edges.account import Account

_AT_ONCE: Final = 16


def rows(account: Account, table: str, queue: str | None) -> list[Any]:
    """Read a table, of one queue or of all; nothing if there is no such table yet. Raises ``StorageError``."""
    client = account.tables.get_table_client(table)

    def read() -> list[Any]:
        try:
            if queue is None:
                return list(client.list_entities())
            return list(client.query_entities("PartitionKey eq @queue", parameters={"queue": queue}))
        except ResourceNotFoundError:
            return []

    return translated(f"to read the table {table}", read)


def message_count(account: Account, queue: str) -> int | None:
    """Count a queue's messages, also those that somebody holds; ``None``: no such queue. Raises ``StorageError``."""
    client = account.queues.get_queue_client(queue)

    def count() -> int | None:
        try:
            return int(client.get_queue_properties().approximate_message_count or 0)
        except ResourceNotFoundError:
            return None

    return translated(f"to count the queue {queue}", count)


def records(account: Account, places: Places) -> list[tuple[str, bytes]]:
    """Read all records: each job's id, and what stands in its blob. Raises ``StorageError``."""
    container = account.blobs.get_container_client(places.checkpoints)
    beginning, end = f"{places.queue}/", "/pointer.json"

    def read_all() -> list[tuple[str, bytes]]:
        try:
            names = [name for name in container.list_blob_names(name_starts_with=beginning) if name.endswith(end)]
        except ResourceNotFoundError:
            return []
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            contents = pool.map(lambda name: container.download_blob(name).readall(), names)
            return [(name[len(beginning) : -len(end)], bytes(content)) for name, content in zip(names, contents)]

    return translated(f"to read the records of {places.queue}", read_all)
