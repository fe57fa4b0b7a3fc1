"""The storage account, by a connection string or by name and identity; and what is made there where it is missing."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from azure.core.exceptions import HttpResponseError, ResourceExistsError
from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from spot_worker.edges.azure_errors import FORBIDDEN, status_of, translated

if TYPE_CHECKING:
    from collections.abc import Callable

    from azure.data.tables import TableClient
    from azure.storage.blob import ContainerClient
    from azure.storage.queue import QueueClient

    from spot_worker.deciding.names import Places

# We ask again ourselves, and know for how long that makes sense.
_PATIENCE: Final[dict[str, Any]] = {"retry_total": 0, "connection_timeout": 5, "read_timeout": 20}
_BLOB: Final[dict[str, Any]] = {"max_single_put_size": 8 * 1024 * 1024, "max_block_size": 4 * 1024 * 1024}

FOR_EVER: Final = -1
"""The lifetime of a message that is to wait however long it takes."""


@dataclass(frozen=True)
class Account:
    """The three services of a storage account."""

    queues: QueueServiceClient
    blobs: BlobServiceClient
    tables: TableServiceClient


def by_connection_string(text: str) -> Account:
    """Give the account of a connection string. Raises ``ValueError``."""
    return Account(
        QueueServiceClient.from_connection_string(text, **_PATIENCE),
        BlobServiceClient.from_connection_string(text, **_PATIENCE, **_BLOB),
        TableServiceClient.from_connection_string(text, **_PATIENCE),
    )


def by_name(name: str) -> Account:
    """Give the account of a name, with the identity of the VM, or of whoever is signed in."""
    from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - it takes half a second, and is not always used

    # What it tries and why that fails it would print at each try; our own error says what to do.
    logging.getLogger("azure.identity").setLevel(logging.ERROR)
    credential: Any = DefaultAzureCredential()
    queue, blob, table = (f"https://{name}.{service}.core.windows.net" for service in ("queue", "blob", "table"))
    return Account(
        QueueServiceClient(queue, credential, **_PATIENCE),
        BlobServiceClient(blob, credential, **_PATIENCE, **_BLOB),
        TableServiceClient(table, credential=credential, **_PATIENCE),
    )


def make_queue(account: Account, queue: str) -> bool:
    """Make a queue, if it is not there, and say whether it was made. Raises ``StorageError``."""
    client = account.queues.get_queue_client(queue)
    return _make(f"queue {queue}", client.create_queue, client.get_queue_properties)


def sender(account: Account, queue: str) -> Callable[[str], None]:
    """Give what puts a message on a queue, for ever. It raises ``StorageError``."""
    client = account.queues.get_queue_client(queue)
    return lambda text: translated("to submit", lambda: _put(client, text))


def make_container(client: ContainerClient) -> None:
    """Make a container, if it is not there. Raises ``StorageError``."""
    _make(f"container {client.container_name}", client.create_container, client.get_container_properties)


def make_table(client: TableClient) -> None:
    """Make a table, if it is not there. Raises ``StorageError``."""
    _make(f"table {client.table_name}", client.create_table, lambda: next(iter(client.list_entities()), None))


def make_all(account: Account, places: Places, workers: str) -> bool:
    """Make the queue, the container and the tables, where they are missing. Raises ``StorageError``.

    Says whether the queue was made: then nobody has submitted anything to it yet, or its name is mistyped.
    """
    is_new = make_queue(account, places.queue)
    make_container(account.blobs.get_container_client(places.checkpoints))
    for table in (places.results, workers):
        make_table(account.tables.get_table_client(table))
    return is_new


def _put(client: QueueClient, text: str) -> None:
    client.send_message(text, time_to_live=FOR_EVER)


def _make(what: str, create: Callable[[], object], look: Callable[[], object]) -> bool:
    """Make it, and say whether that was needed; who may not make it needs no such right where ``look`` finds it."""

    def make() -> bool:
        try:
            create()
        except ResourceExistsError:
            return False  # it is there, or is being deleted: the first use says so
        except HttpResponseError as error:
            if status_of(error) != FORBIDDEN or not _is_there(look):
                raise
            return False
        return True

    return translated(f"to make the {what}", make)


def _is_there(look: Callable[[], object]) -> bool:
    try:
        look()
    except HttpResponseError:
        return False
    return True
