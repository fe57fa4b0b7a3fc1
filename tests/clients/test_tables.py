"""The three tables, in Azurite and in the virtual Azure.

What is saved is loaded, what changed meanwhile is seen, what is odd stops nobody.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableServiceClient

from localazure.runtime.azurite import azurite
from localazure.runtime.certificate import write_certificate
from localazure.runtime.identity import PrincipalCredential, TokenIssuer
from localazure.virtual.storage import Table, TableDouble
from localazure.virtual.wire import RequestKind, Wire
from localazure.world.azure_errors import Refused
from spot_responder.clients.rows.table_rows import recovery_key
from spot_responder.clients.tables import Tables
from spot_responder.decisions.outcomes import Outcome
from spot_responder.decisions.pools import PoolGate, pool_of
from spot_responder.intake.own_messages import operator_asked_event
from spot_responder.intake.vms import VmId
from spot_responder.operators.act import hold
from spot_responder.responder.ports import ChangedMeanwhileError, GateChangedError, StoreFailedError
from tests.harness.makers import VM_ID, at, recovery, spot_vm
from tests.harness.stories import Script, refused, starts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from tests.harness.stories import NewAzure

    type Story = Callable[[Tables], Awaitable[None]]
    type Telling = Callable[[Path, Story], None]

NAMES = ("recoveries", "history", "pools", "health")


def in_azurite(folder: Path, story: Story) -> None:
    """Tell a story with Microsoft's clients and tables in a fresh Azurite."""

    async def tell() -> None:
        certificate = write_certificate(folder)
        credential = PrincipalCredential(TokenIssuer(b"k" * 32, lambda: datetime.now(UTC)), "responder")
        trust = str(certificate.authority)
        async with (
            azurite(None, certificate, b"a" * 64) as storage,
            TableServiceClient(storage.table_uri, credential=credential, connection_verify=trust) as service,
        ):
            ports = [await service.create_table(name) for name in NAMES]
            await story(Tables(*ports))

    asyncio.run(tell())


def in_the_virtual_azure(_folder: Path, story: Story) -> None:
    """Tell it with the doubles that the virtual Azure has in their place."""

    async def tell() -> None:
        wire = Wire(Script(), settle=lambda: None, die=lambda: None)
        await story(Tables(*(cast("Any", TableDouble(Table(name), wire)) for name in NAMES)))

    asyncio.run(tell())


everywhere = pytest.mark.parametrize("tell", [in_azurite, in_the_virtual_azure])


@everywhere
def test_what_is_saved_is_loaded_and_two_writers_are_told_apart(tell: Telling, tmp_path: Path) -> None:
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
        gate = replace(PoolGate(pool_of(spot_vm())), width=1, closed_until=at("10:05"))
        await tables.save_gate(gate, None)
        assert (await tables.load_gate(gate.pool_id)).value == gate
        with pytest.raises(GateChangedError):
            await tables.save_gate(gate, None)

    tell(tmp_path, story)


@everywhere
def test_a_row_of_another_release_stops_no_sweep_and_history_counts_once(
    tell: Telling, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A row without most columns is left out and told; a closed recovery that is written twice is there once."""

    async def story(tables: Tables) -> None:
        partition, row = recovery_key(VM_ID)
        await tables.recoveries.create_entity(
            {"PartitionKey": partition, "RowKey": f"{row}-of-old", "vm_id": str(VM_ID)}
        )
        await tables.save(recovery(), None)
        assert [stored.value for stored in await tables.all_recoveries()] == [recovery()]
        closed = recovery().closed(Outcome.GONE, at("10:05"), "gone")
        await tables.write_history(closed)
        await tables.write_history(closed)
        assert len([entity async for entity in tables.history.list_entities()]) == 1

    tell(tmp_path, story)
    assert any("table recoveries" in line and "KeyError" in line for line in caplog.messages)


@everywhere
def test_an_outcome_is_unpublished_until_that_is_noted(tell: Telling, tmp_path: Path) -> None:
    """Asked from a day on; noting it twice, or of a recovery that the history does not have, is told."""
    closed = recovery().closed(Outcome.GONE, at("10:05"), "gone")

    async def story(tables: Tables) -> None:
        with pytest.raises(StoreFailedError):
            await tables.note_published(closed)
        await tables.write_history(closed)
        assert await tables.unpublished(at("10:05") + timedelta(days=1)) == []
        assert await tables.unpublished(at("10:05")) == [closed]
        await tables.note_published(closed)
        assert await tables.unpublished(at("10:05")) == []
        await tables.write_history(closed)
        assert await tables.unpublished(at("10:05")) == []

    tell(tmp_path, story)


async def refusal(request: Awaitable[object]) -> tuple[str, int | None, str | None] | None:
    """Give what the store goes by in what a client raises: class and status, and the code of what is not there."""
    try:
        await request
    except HttpResponseError as error:
        code = getattr(error, "error_code", None) if error.status_code == HTTPStatus.NOT_FOUND else None
        return type(error).__name__, error.status_code, code
    return None


def row(name: str, **columns: int) -> Mapping[str, Any]:
    """Make a row."""
    return {"PartitionKey": "p", "RowKey": name, **columns}


@everywhere
def test_the_clients_raise_what_the_store_goes_by(tell: Telling, tmp_path: Path) -> None:
    """Not there, there already, changed meanwhile: with and without an ETag."""

    async def story(tables: Tables) -> None:
        table = tables.recoveries
        gone = ("ResourceNotFoundError", 404, "ResourceNotFound")
        changed = ("ResourceModifiedError", 412, None)
        if_same: dict[str, Any] = {"match_condition": MatchConditions.IfNotModified}
        assert await refusal(table.get_entity("p", "a")) == gone
        assert await refusal(table.update_entity(row("a"), mode=UpdateMode.MERGE)) == gone
        old = str((await table.create_entity(row("a", one=1, two=1)))["etag"])
        assert await refusal(table.update_entity(row("b"), mode=UpdateMode.REPLACE, etag=old, **if_same)) == gone
        assert await refusal(table.create_entity(row("a"))) == ("ResourceExistsError", 409, None)
        new = str((await table.update_entity(row("a", one=2), mode=UpdateMode.MERGE))["etag"])
        assert dict(await table.get_entity("p", "a")) == row("a", one=2, two=1)
        assert await refusal(table.update_entity(row("a"), mode=UpdateMode.REPLACE, etag=old, **if_same)) == changed
        assert await refusal(table.delete_entity("p", "a", etag=old, **if_same)) == changed
        assert (await table.get_entity("p", "a")).metadata["etag"] == new
        await table.update_entity(row("a", three=3), mode=UpdateMode.REPLACE, etag=new, **if_same)
        assert dict(await table.get_entity("p", "a")) == row("a", three=3)
        assert await refusal(table.delete_entity("p", "b", etag=new, **if_same)) is None

    tell(tmp_path, story)


@pytest.mark.parametrize("code", ["TableNotFound", "AccountIsDisabled", ""])
def test_a_404_that_does_not_speak_of_the_row_is_a_failure(code: str) -> None:
    """A table that is not there, a gateway that knows no such host: no hold and no stop is to be forgotten for that."""
    script = Script()

    async def story() -> None:
        wire = Wire(script, settle=lambda: None, die=lambda: None)
        tables = Tables(*(cast("Any", TableDouble(Table(name), wire)) for name in NAMES))
        etag = await tables.save(recovery(), None)
        for request_kind, ask in (
            (RequestKind.ROW_READ, lambda: tables.load(VM_ID)),
            (RequestKind.ROW_READ, tables.all_recoveries),
            (RequestKind.ROW_WRITE, lambda: tables.save(recovery(), etag)),
        ):
            script.next(request_kind, refused(Refused(404, code, "not found")))
            with pytest.raises(StoreFailedError):
                await ask()

    asyncio.run(story())


def test_a_held_vm_whose_row_is_not_found_once_is_not_started(new_azure: NewAzure) -> None:
    """Held at 10:00 while it waits for capacity; the table answers once that there is no such row: it stays down."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.world.evict("render-1")
    azure.run_until(at("10:01"))
    azure.do(hold(azure.ports().store, VmId.parse(vm.vm_id), azure.now, lambda: "hold"))
    azure.world.set_capacity(azure.pool_key(), None)
    before = starts(azure)
    no_row = refused(Refused(404, "ResourceNotFound", "The specified resource does not exist."))
    azure.script.next(RequestKind.ROW_READ, no_row, about="recoveries/")
    azure.handle(operator_asked_event(VmId.parse(vm.vm_id), azure.now, "asked"))
    azure.run_until(at("13:00"))
    assert starts(azure) == before
