"""The VMs whose max price has fallen behind, in the table ``offerings``. Opened by ``connections.py``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import AzureError
from azure.data.tables import UpdateMode

from spot_responder.clients.rows.row_times import read_time
from spot_responder.clients.rows.table_rows import recovery_key
from spot_responder.clients.sdk_errors import failure_of
from spot_responder.intake.vms import VmId
from spot_responder.offerings.max_prices import Standing
from spot_responder.offerings.price_alerts import PriceAlert
from spot_responder.responder.log import log_odd_row
from spot_responder.responder.ports import StoreFailedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from azure.data.tables.aio import TableClient

_PARTITION = "price-alerts"


@dataclass(frozen=True, slots=True)
class PriceAlerts:
    """The partition; each VM is a row. A row that cannot be read is left out, and written anew or forgotten."""

    table: TableClient

    async def all(self) -> list[PriceAlert]:
        """Load all that are kept. Raises ``StoreFailedError``."""
        try:
            rows = self.table.query_entities(f"PartitionKey eq '{_PARTITION}'")
            return [alert async for row in rows if (alert := _alert(row)) is not None]
        except AzureError as error:
            raise StoreFailedError(failure_of(error), "load the price alerts") from error

    async def save(self, alert: PriceAlert) -> None:
        """Keep one. Raises ``StoreFailedError``."""
        try:
            await self.table.upsert_entity(_row(alert), mode=UpdateMode.REPLACE)
        except AzureError as error:
            raise StoreFailedError(failure_of(error), "keep a price alert") from error

    async def forget(self, vm_id: VmId) -> None:
        """Delete the row of a VM, if there is one. Raises ``StoreFailedError``."""
        try:
            await self.table.delete_entity(_PARTITION, _key(vm_id))
        except AzureError as error:
            raise StoreFailedError(failure_of(error), "forget a price alert") from error


def _key(vm_id: VmId) -> str:
    return "|".join(recovery_key(vm_id))


def _row(alert: PriceAlert) -> dict[str, Any]:
    return {
        "PartitionKey": _PARTITION,
        "RowKey": _key(alert.vm_id),
        "vm_id": str(alert.vm_id),
        "location": alert.location,
        "size": alert.size,
        "max_price": alert.max_price,
        "spot": alert.spot,
        "standing": str(alert.standing),
        "since": alert.since.isoformat(),
        "seen_at": alert.seen_at.isoformat(),
        "told": str(alert.told or ""),
    }


def _alert(row: Mapping[str, Any]) -> PriceAlert | None:
    try:
        return PriceAlert(
            vm_id=VmId.parse(row["vm_id"]),
            location=row["location"],
            size=row["size"],
            max_price=float(row["max_price"]),
            spot=float(row["spot"]),
            standing=Standing(row["standing"]),
            since=read_time(row["since"]),
            seen_at=read_time(row["seen_at"]),
            told=Standing(row["told"]) if row["told"] else None,
        )
    except (KeyError, TypeError, ValueError) as error:
        log_odd_row(f"table offerings, {_PARTITION}, {row.get('RowKey')}", repr(error))
        return None
