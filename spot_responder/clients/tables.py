"""The port to Azure Tables: ``recoveries`` (one row for each VM), ``history`` (by day), ``pools`` (gates), ``health``.

Opened by ``connections.py`` and ``operator_connections.py``; ``table_rows.py`` has the columns.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.data.tables import TableErrorCode, UpdateMode

from spot_responder.clients.rows.recovery_cells import agent_cell
from spot_responder.clients.rows.table_rows import (
    day_of,
    failing_from_row,
    failing_row,
    health_key,
    history_key,
    history_row,
    pool_from_row,
    pool_key,
    pool_row,
    recovery_from_row,
    recovery_key,
    recovery_row,
)
from spot_responder.clients.sdk_errors import failure_of
from spot_responder.decisions.pools import PoolGate
from spot_responder.responder.log import log_odd_row
from spot_responder.responder.ports import (
    ChangedMeanwhileError,
    GateChangedError,
    OddRowError,
    Stored,
    StoreFailedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import date, datetime

    from azure.data.tables import TableEntity
    from azure.data.tables.aio import TableClient

    from spot_responder.clients.rows.table_rows import Key, Row
    from spot_responder.decisions.app_health.app_failures import Activity, Failing
    from spot_responder.decisions.pools import PoolId
    from spot_responder.decisions.recoveries import Recovery
    from spot_responder.intake.vms import VmId


ODD: Final = (AttributeError, KeyError, OverflowError, TypeError, ValueError)
"""The exceptions that a row raises which is not as this release writes it."""


@dataclass(frozen=True, slots=True)
class Tables:
    """The port to the four tables, which the deployment creates."""

    recoveries: TableClient
    history: TableClient
    pools: TableClient
    health: TableClient

    async def load(self, vm_id: VmId) -> Stored[Recovery | None]:
        """Load the VM's row; without one, there is no value and no ETag.

        Raises:
            OddRowError: if another release wrote it otherwise.
        """
        with told("load the row of a VM"):
            entity = await read_row(self.recoveries, recovery_key(vm_id))
        if entity is None:
            return Stored(None, None)
        try:
            return Stored(recovery_from_row(entity), etag_of(entity))
        except ODD as error:
            where = f"table recoveries, {entity['PartitionKey']}, {entity['RowKey']}"
            log_odd_row(where, repr(error))
            what_to_do = "delete it, or go back to the release that wrote it"
            message = f"the row of {vm_id} cannot be read ({where}: {error!r}): {what_to_do}"
            raise OddRowError(message) from error

    async def save(self, recovery: Recovery, etag: str | None) -> str:
        """Save the row if it still is what was loaded; give its new ETag.

        Raises:
            ChangedMeanwhileError: if it is not.
        """
        with told("save the row of a VM"):
            return await write_row(self.recoveries, recovery_row(recovery), etag)

    async def load_gate(self, pool_id: PoolId) -> Stored[PoolGate]:
        """Load a pool's gate; a pool without a row is open."""
        with told("load the gate of a pool"):
            entity = await read_row(self.pools, pool_key(pool_id))
        if entity is None:
            return Stored(PoolGate(pool_id), None)
        try:
            return Stored(pool_from_row(entity), etag_of(entity))
        except ODD as error:
            # A gate that another release wrote otherwise must not stop a whole pool: it is written anew.
            log_odd_row(f"table pools, {entity['PartitionKey']}, {entity['RowKey']}", repr(error))
            return Stored(PoolGate(pool_id), etag_of(entity))

    async def save_gate(self, gate: PoolGate, etag: str | None) -> None:
        """Save a pool's gate if it still is what was loaded.

        Raises:
            GateChangedError: if it is not.
        """
        try:
            with told("save the gate of a pool"):
                await write_row(self.pools, pool_row(gate), etag)
        except ChangedMeanwhileError as error:
            raise GateChangedError(str(gate.pool_id)) from error

    async def all_recoveries(self) -> list[Stored[Recovery]]:
        """Load every row, open or remembered; an odd row is left out, so that the sweep goes on."""
        with told("list all rows"):
            return [stored async for row in self.recoveries.list_entities() for stored in _recoveries(row)]

    async def all_pools(self) -> list[PoolGate]:
        """Load every pool's gate; an odd row is left out."""
        with told("list all pools"):
            return [pool async for row in self.pools.list_entities() for pool in _sound("pools", row, pool_from_row)]

    async def closed_between(self, first: date, last: date) -> list[Recovery]:
        """Load the recoveries that were closed on these days (UTC), both included; an odd row is left out."""
        days = f"PartitionKey ge '{first.isoformat()}' and PartitionKey le '{last.isoformat()}'"
        with told("list the history"):
            rows = self.history.query_entities(days)
            return [closed async for row in rows for closed in _sound("history", row, recovery_from_row)]

    async def forget(self, stored: Stored[Recovery]) -> None:
        """Delete a row; one that changed meanwhile stays."""
        partition, row = recovery_key(stored.value.vm_id)
        with told("delete a row"), suppress(ResourceModifiedError):
            await self.recoveries.delete_entity(
                partition, row, etag=stored.etag, match_condition=MatchConditions.IfNotModified
            )

    async def write_history(self, recovery: Recovery) -> None:
        """Write a closed recovery into the history; one that is there already stays, with what is noted in it."""
        with told("write the history"), suppress(ResourceExistsError):
            await self.history.create_entity(history_row(recovery))

    async def unpublished(self, since: datetime) -> list[Recovery]:
        """Give the recoveries of the history, from the day of ``since`` on, whose outcome was not published yet."""
        wanted = f"PartitionKey ge '{day_of(since)}' and published eq false"
        with told("look for outcomes that were not published"):
            rows = self.history.query_entities(wanted)
            return [stored.value async for row in rows for stored in _recoveries(row)]

    async def failing(self) -> list[Failing]:
        """Give the activities that the app as a whole fails at; an odd row is left out."""
        with told("list what fails"):
            return [one async for row in self.health.list_entities() for one in _sound("health", row, failing_from_row)]

    async def note_failing(self, failing: Failing) -> Failing:
        """Note that an activity fails; give it with the time since when it does, which the first note set."""
        with told("note what fails"):
            entity = await read_row(self.health, health_key(failing.activity))
            before = _sound("health", entity, failing_from_row) if entity else []
            noted = failing.joined(next(iter(before), None))
            await self.health.upsert_entity(failing_row(noted), mode=UpdateMode.REPLACE)
        return noted

    async def note_success(self, activity: Activity) -> None:
        """Delete the note that an activity failed, if there is one."""
        with told("note that nothing fails"):
            await self.health.delete_entity(*health_key(activity))

    async def note_agent(self, recovery: Recovery) -> None:
        """Note in the history what the VM's agent told of a closed recovery after that."""
        partition, row = history_key(recovery)
        with told("note in the history what an agent told"):
            await self.history.update_entity(
                {"PartitionKey": partition, "RowKey": row, "agent": agent_cell(recovery.agent)}, mode=UpdateMode.MERGE
            )

    async def note_published(self, recovery: Recovery) -> None:
        """Note in the history that the outcome was published."""
        partition, row = history_key(recovery)
        with told("note that an outcome was published"):
            await self.history.update_entity(
                {"PartitionKey": partition, "RowKey": row, "published": True}, mode=UpdateMode.MERGE
            )


@contextmanager
def told(what: str) -> Iterator[None]:
    """Turn the SDK's exceptions into the responder's."""
    try:
        yield
    except AzureError as error:
        raise StoreFailedError(failure_of(error), what) from error


def _recoveries(row: TableEntity) -> list[Stored[Recovery]]:
    return [Stored(recovery, etag_of(row)) for recovery in _sound("recoveries", row, recovery_from_row)]


def _sound[T](table: str, row: TableEntity, read: Callable[[TableEntity], T]) -> list[T]:
    try:
        return [read(row)]
    except ODD as error:
        log_odd_row(f"table {table}, {row['PartitionKey']}, {row['RowKey']}", repr(error))
        return []


async def read_row(table: TableClient, key: Key) -> TableEntity | None:
    """Read a row, ``None`` if there is none; a table that is not there is a failure."""
    try:
        return await table.get_entity(*key)
    except ResourceNotFoundError as error:
        if _says_no_such_row(error):
            return None
        raise


async def write_row(table: TableClient, row: Row, etag: str | None) -> str:
    """Write a row if it still is what was loaded, and give its new ETag. Raises ``ChangedMeanwhileError``."""
    try:
        if etag is None:
            written = await table.create_entity(row)
        else:
            written = await table.update_entity(
                row, mode=UpdateMode.REPLACE, etag=etag, match_condition=MatchConditions.IfNotModified
            )
    except (ResourceExistsError, ResourceModifiedError) as error:
        raise ChangedMeanwhileError(str(row["RowKey"])) from error
    except ResourceNotFoundError as error:
        if _says_no_such_row(error):
            raise ChangedMeanwhileError(str(row["RowKey"])) from error
        raise
    return str(written["etag"])


def _says_no_such_row(error: ResourceNotFoundError) -> bool:
    """Whether a 404 means the row: one that means the table or the account, or comes from a proxy, is a failure."""
    return getattr(error, "error_code", None) in {TableErrorCode.RESOURCE_NOT_FOUND, TableErrorCode.ENTITY_NOT_FOUND}


def etag_of(entity: TableEntity) -> str:
    """Give the ETag of a row that was read."""
    return str(entity.metadata["etag"])
