"""Writes of blobs, as the events that Azure would emit, and the event subscriptions of a work queue's container.

Shape: Microsoft's "Azure Blob Storage as an Event Grid source" (docs/azure-facts.md blobs-1). Azurite tells nobody of a
write, so ``watch_container`` looks at the container again and again. ``service.py`` passes the events on.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from localazure.event_grid.azure_events import AzureEvent, EventKind
from localazure.event_grid.event_filters import Subscription, SystemTopic, read_filter
from localazure.world.timestamps import guid

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from azure.storage.blob.aio import ContainerClient

STORAGE_ACCOUNTS: Final = "Microsoft.Storage.StorageAccounts"
_LOOKS_EVERY_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class WrittenBlob:
    """One write of a blob. ``account_id``: the ARM id of its storage account; ``etag``: as this write left it."""

    account_id: str
    container: str
    name: str
    url: str
    etag: str
    written_at: datetime
    bytes: int = 0


def blob_event(blob: WrittenBlob) -> AzureEvent:
    """Give the event that Azure emits for a write."""
    request = guid("blob", blob.url, blob.etag)
    return AzureEvent(
        request,
        EventKind.BLOB,
        STORAGE_ACCOUNTS,
        "Microsoft.Storage.BlobCreated",
        f"/blobServices/default/containers/{blob.container}/blobs/{blob.name}",
        blob.written_at,
        {
            "api": "PutBlob",
            "requestId": request,
            "eTag": blob.etag.strip('"'),
            "contentType": "application/octet-stream",
            "contentLength": blob.bytes,
            "blobType": "BlockBlob",
            "url": blob.url,
            "sequencer": "00000000000004420000000000028963",
            "storageDiagnostics": {"batchId": request},
        },
        data_version="",
        source=blob.account_id,
    )


def blob_topic(filters: Path, container: str, subscriptions: tuple[str, ...]) -> SystemTopic:
    """Give the system topic of a storage account, with event subscriptions to one container as Bicep makes them.

    ``filters``: ``infra/blob-event-filter.json``.
    """
    written = json.loads(filters.read_text(encoding="utf-8"))
    begins = {"subjectBeginsWith": f"/blobServices/default/containers/{container}/"}
    read = read_filter(written["filter"] | begins, str(filters))
    return SystemTopic(STORAGE_ACCOUNTS, tuple(Subscription(name, read) for name in subscriptions))


async def watch_container(
    container: ContainerClient, account_id: str, publish: Callable[[WrittenBlob], None], now: Callable[[], datetime]
) -> None:
    """Publish each write of a blob of a container, until it is cancelled. Of two writes between two looks, the last."""
    known: dict[str, str] = {}
    while True:
        async for blob in container.list_blobs():
            if known.get(blob.name) != blob.etag:
                known[blob.name] = blob.etag
                url = container.get_blob_client(blob.name).url
                publish(WrittenBlob(account_id, container.container_name, blob.name, url, blob.etag, now(), blob.size))
        await asyncio.sleep(_LOOKS_EVERY_S)
