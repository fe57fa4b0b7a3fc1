"""Stores the events that Event Grid could not deliver: as blobs, as in Azure, and as a list for tests."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from azure.storage.blob.aio import ContainerClient

    from localazure.event_grid.azure_events import JsonObject

CONTAINER: Final = "event-dead-letters"


@dataclass
class DeadLetters:
    """Keeps dead events, each in a blob of its own: an array of one, under topic, subscription and hour.

    ``kept`` are those of this run, in their order.
    """

    container: ContainerClient
    kept: list[JsonObject] = field(default_factory=list)
    _under_way: set[asyncio.Task[object]] = field(default_factory=set)

    def keep(self, event: JsonObject) -> None:
        """Keep one. An event loop must be running."""
        self.kept.append(event)
        now = datetime.now(UTC)
        name = f"system-topic/subscription/{now:%Y/%m/%d/%H}/{len(self.kept)}-{event.get('id')}.json"
        task: asyncio.Task[object] = asyncio.ensure_future(self.container.upload_blob(name, json.dumps([event])))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
