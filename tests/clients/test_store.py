"""The three tables, in Azurite: what is saved is loaded, what changed meanwhile is seen, what is odd stops nobody."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from azure.data.tables.aio import TableServiceClient

from localazure.azurite import azurite
from localazure.certificate import write_certificate
from localazure.identity import PrincipalCredential, TokenIssuer
from spot_responder.clients.rows import recovery_key
from spot_responder.clients.store import Tables
from spot_responder.doors import ChangedMeanwhileError
from spot_responder.pools import Pool, pool_of
from spot_responder.recoveries import Outcome
from tests.makers import VM_ID, at, recovery, spot_vm

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path


def in_azurite(folder: Path, story: Callable[[Tables], Awaitable[None]]) -> None:
    """Tell a story with tables in a fresh Azurite."""

    async def tell() -> None:
        certificate = write_certificate(folder)
        credential = PrincipalCredential(TokenIssuer(b"k" * 32, lambda: datetime.now(UTC)), "responder")
        trust = str(certificate.authority)
        async with (
            azurite(None, certificate, b"a" * 64) as storage,
            TableServiceClient(storage.table_uri, credential=credential, connection_verify=trust) as service,
        ):
            clients = [await service.create_table(name) for name in ("recoveries", "history", "pools")]
            await story(Tables(*clients))

    asyncio.run(tell())


def test_what_is_saved_is_loaded_and_two_writers_are_told_apart(tmp_path: Path) -> None:
    """Insert, change, change with an old ETag, delete with an old one, and the same for a pool's gate."""

    async def story(tables: Tables) -> None:
        assert (await tables.load(VM_ID)).value is None
        first = await tables.save(recovery(), None)
        assert (await tables.load(VM_ID)).value == recovery()
        with pytest.raises(ChangedMeanwhileError):
            await tables.save(recovery(), None)
        waiting = recovery().waiting(at("10:05"), "no capacity")
        await tables.save(waiting, first)
        with pytest.raises(ChangedMeanwhileError):
            await tables.save(recovery(), first)
        (stored,) = await tables.all_recoveries()
        assert stored.value == waiting
        await tables.forget(replace(stored, etag=first))
        assert len(await tables.all_recoveries()) == 1
        await tables.forget(stored)
        assert await tables.all_recoveries() == []
        gate = replace(Pool(pool_of(spot_vm())), width=1, closed_until=at("10:05"))
        await tables.save_pool(gate, None)
        assert (await tables.load_pool(gate.pool_id)).value == gate
        with pytest.raises(ChangedMeanwhileError):
            await tables.save_pool(gate, None)

    in_azurite(tmp_path, story)


def test_a_row_of_another_release_stops_no_sweep_and_history_counts_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A row without most columns is left out and told; a closed case that is written twice is there once."""

    async def story(tables: Tables) -> None:
        partition, row = recovery_key(VM_ID)
        await tables.recoveries.create_entity({"PartitionKey": partition, "RowKey": f"{row}-of-old", "vm_id": "?"})
        await tables.save(recovery(), None)
        assert [stored.value for stored in await tables.all_recoveries()] == [recovery()]
        closed = recovery().closed(Outcome.GONE, at("10:05"), "gone")
        await tables.write_history(closed)
        await tables.write_history(closed)
        assert len([entity async for entity in tables.history.list_entities()]) == 1

    in_azurite(tmp_path, story)
    assert any("table recoveries" in line and "KeyError" in line for line in caplog.messages)
