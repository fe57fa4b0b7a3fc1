"""The table ``offerings``: what Azure offers, as it was told a while ago. Opened by ``connections.py``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.data.tables import UpdateMode

from spot_responder.clients.rows.row_times import read_time
from spot_responder.clients.sdk_errors import failure_of
from spot_responder.offerings.noted import Noted
from spot_responder.responder.ports import StoreFailedError

if TYPE_CHECKING:
    from azure.data.tables.aio import TableClient

_PARTITION = "offerings"


@dataclass(frozen=True, slots=True)
class Notes:
    """The table; each key is a row. A row that cannot be read counts as none, and is written anew."""

    table: TableClient

    async def load(self, key: str) -> Noted | None:
        """Load what was noted. Raises ``StoreFailedError``."""
        try:
            row = await self.table.get_entity(_PARTITION, key)
            return Noted(row["text"], read_time(row["told_at"]))
        except (ResourceNotFoundError, KeyError, TypeError, ValueError):
            return None
        except AzureError as error:
            raise StoreFailedError(failure_of(error), "load what Azure offers") from error

    async def save(self, key: str, noted: Noted) -> None:
        """Note it, whatever was there. Raises ``StoreFailedError``."""
        row = {"PartitionKey": _PARTITION, "RowKey": key, "text": noted.text, "told_at": noted.at.isoformat()}
        try:
            await self.table.upsert_entity(row, mode=UpdateMode.REPLACE)
        except AzureError as error:
            raise StoreFailedError(failure_of(error), "note what Azure offers") from error
