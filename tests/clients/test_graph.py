"""What Resource Graph answers, over the real SDK: rows read into VMs, pages followed, missing columns named."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import pytest
from aiohttp import web
from azure.core.credentials import AccessToken
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.mgmt.resourcegraph.aio import ResourceGraphClient

from spot_responder.clients.graph import PAGE_SIZE, QueryResultError, ResourceGraph, vm_of_row
from spot_responder.intake.azure_errors import FailureKind
from spot_responder.intake.vms import Annotation, PowerState, Vm, VmId
from spot_responder.offerings.priced_vms import PricedVm
from spot_responder.offerings.prices import Os
from spot_responder.responder.ports import AzureRefusedError
from tests.harness.makers import TEN, VM_ID

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from types import TracebackType

OTHER = VmId(VM_ID.subscription_id, VM_ID.resource_group, "render-2")
COLUMNS = [
    "id",
    "location",
    "zones",
    "tags",
    "priority",
    "size",
    "maxPrice",
    "powerState",
    "scaleSetId",
    "restoredByScaleSet",
    "annotation",
    "annotatedAt",
]


def row(vm_id: VmId = VM_ID, **changed: object) -> dict[str, object]:
    """Make a row of ``confirm.kql``, as Resource Graph gives it for a VM that was evicted."""
    usual: dict[str, object] = {
        "id": str(vm_id),
        "location": "westeurope",
        "zones": None,
        "tags": {"AttemptRestartAfterEviction": "true"},
        "priority": "Spot",
        "size": "Standard_D2s_v5",
        "maxPrice": -1.0,
        "powerState": "PowerState/deallocated",
        "scaleSetId": "",
        "restoredByScaleSet": None,
        "annotation": "VirtualMachinePreempted",
        "annotatedAt": "2026-03-02T10:00:00.0000000Z",
    }
    return usual | changed


class Token:
    """A credential that nobody checks."""

    async def get_token(self, *_scopes: str, **_options: object) -> AccessToken:
        """Give it."""
        return AccessToken("token", 4_000_000_000)

    async def close(self) -> None:
        """Nothing is open."""

    async def __aenter__(self) -> Self:
        """Nothing is opened."""
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        """Nothing is open."""


@dataclass
class Wire:
    """Answers over real HTTP on loopback with what it was given, one answer for each request, and keeps what came."""

    answers: list[tuple[int, dict[str, Any]]]
    asked: list[dict[str, Any]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        """Give the next answer."""
        self.asked.append(await request.json())
        status, body = self.answers.pop(0)
        return web.json_response(body, status=status)


def page(*rows: Mapping[str, object], **more: object) -> tuple[int, dict[str, Any]]:
    """Make a page of a result."""
    count = {"totalRecords": len(rows), "count": len(rows), "resultTruncated": "false", "facets": []}
    return 200, count | {"data": list(rows)} | more


@asynccontextmanager
async def request_kind(wire: Wire, *, listens: bool = True) -> AsyncIterator[ResourceGraph]:
    """Open the real client onto the wire; tokens would need TLS, so none is sent."""
    app = web.Application()
    app.router.add_post("/providers/Microsoft.ResourceGraph/resources", wire.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    no_token: SansIOHTTPPolicy[Any, Any] = SansIOHTTPPolicy()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    if not listens:
        await runner.cleanup()
    try:
        async with ResourceGraphClient(Token(), address, authentication_policy=no_token, retry_total=0) as client:
            yield ResourceGraph(client)
    finally:
        await runner.cleanup()


def asked[T](wire: Wire, question: Callable[[ResourceGraph], Awaitable[T]]) -> T:
    """Ask through the port."""

    async def story() -> T:
        async with request_kind(wire) as graph:
            return await question(graph)

    return asyncio.run(story())


def test_a_row_is_read_whole() -> None:
    """All that a decision needs, in one row."""
    full = row(
        zones=["2"], maxPrice=0.05, scaleSetId="/scaleSets/s", restoredByScaleSet=True, powerState="PowerState/Running"
    )
    assert vm_of_row(full) == Vm(
        vm_id=VM_ID,
        location="westeurope",
        size="Standard_D2s_v5",
        priority="Spot",
        tags={"AttemptRestartAfterEviction": "true"},
        power_state=PowerState.RUNNING,
        zone="2",
        max_price=0.05,
        annotation=Annotation("VirtualMachinePreempted", TEN),
        scale_set_id="/scaleSets/s",
        restored_by_scale_set=True,
    )


def test_a_row_with_nothing_in_it_is_read_too() -> None:
    """Resource Graph gives null or an empty text for what a VM has not."""
    for nothing in (None, ""):
        gaps = dict.fromkeys(set(COLUMNS) - {"id", "location", "size"}, nothing)
        bare = vm_of_row(row(**gaps))
        assert bare == Vm(VM_ID, "westeurope", "Standard_D2s_v5", "", {}, PowerState.UNKNOWN)


@pytest.mark.parametrize("said", [False, "false", None, ""])
def test_a_scale_set_that_restores_nothing(said: object) -> None:
    """Only true is true."""
    assert vm_of_row(row(restoredByScaleSet=said)).restored_by_scale_set is False
    assert vm_of_row(row(restoredByScaleSet="true")).restored_by_scale_set is True


def test_an_annotation_without_a_time_is_none() -> None:
    """It could not be told whether it is news."""
    assert vm_of_row(row(annotatedAt="")).annotation is None
    assert vm_of_row(row(annotatedAt="yesterday")).annotation is None
    assert vm_of_row(row(annotation="")).annotation is None


def test_an_id_that_is_none_is_named_with_its_column() -> None:
    """Somebody changed the query."""
    with pytest.raises(QueryResultError, match=r"^queries/confirm\.kql: column id holds not the id of a virtual mach"):
        vm_of_row(row(id="render-1"))


@pytest.mark.parametrize("column", COLUMNS)
def test_a_missing_column_is_named_with_its_file(column: str) -> None:
    """Somebody changed the query, and learns which one and what it lacks."""
    lacking = {name: value for name, value in row().items() if name != column}
    with pytest.raises(QueryResultError) as refusal:
        asked(Wire([page(lacking)]), lambda graph: graph.confirm(VM_ID))
    assert str(refusal.value) == f"queries/confirm.kql: the result lacks the column {column}"


def test_a_column_that_the_sweep_lacks_is_named_too() -> None:
    """And all of them at once."""
    with pytest.raises(QueryResultError, match=r"^queries/sweep\.kql: the result lacks the column id, tags$"):
        asked(Wire([page({"name": "x"})]), lambda graph: graph.deallocated_spot_vms("Tag"))


def test_vms_that_are_asked_for_at_once_share_a_query() -> None:
    """Three ask within a moment, two of them for the same VM: one request, with both ids."""
    wire = Wire([page(row(OTHER, powerState="PowerState/running"), row())])

    async def three(graph: ResourceGraph) -> list[Vm | None]:
        return await asyncio.gather(*(graph.confirm(vm_id) for vm_id in (VM_ID, OTHER, VM_ID)))

    first, other, again = asked(wire, three)
    assert first is not None
    assert other is not None
    assert (first.power_state, other.power_state) == (PowerState.DEALLOCATED, PowerState.RUNNING)
    assert first == again
    (sent,) = wire.asked
    assert f"'{VM_ID.key}', '{OTHER.key}'" in sent["query"]
    assert "{" not in sent["query"]


def test_a_vm_that_is_not_in_the_answer_is_none() -> None:
    """It is gone, or we may not see it."""
    assert asked(Wire([page()]), lambda graph: graph.confirm(VM_ID)) is None


def test_the_newest_of_several_annotations_counts() -> None:
    """The join may give a VM more than once, in any order, also without an annotation."""
    newest = row(annotation="VirtualMachineStartInitiatedByControlPlane", annotatedAt="2026-03-02T10:05:00Z")
    vm = asked(Wire([page(row(annotation=""), newest, row())]), lambda graph: graph.confirm(VM_ID))
    assert vm is not None
    assert vm.annotation is not None
    assert vm.annotation.name == "VirtualMachineStartInitiatedByControlPlane"


def test_a_refusal_reaches_everybody_who_asked() -> None:
    """Throttled: each signal is requeued, with the time that Azure tells."""
    wire = Wire([(429, {"error": {"code": "RateLimiting", "message": "Please provide below info"}})])

    async def two(graph: ResourceGraph) -> list[Vm | BaseException | None]:
        return await asyncio.gather(*map(graph.confirm, (VM_ID, OTHER)), return_exceptions=True)

    refusals = asked(wire, two)
    assert len(wire.asked) == 1
    assert len(refusals) == 2
    for refusal in refusals:
        assert isinstance(refusal, AzureRefusedError)
        assert refusal.failure.kind is FailureKind.THROTTLED
        assert "queries/confirm.kql" in str(refusal)


def test_no_answer_at_all_is_a_refusal_too() -> None:
    """The connection breaks: nobody knows why, and the signal is requeued."""

    async def story() -> None:
        wire = Wire([])
        async with request_kind(wire, listens=False) as graph:
            await graph.confirm(VM_ID)

    with pytest.raises(AzureRefusedError, match=r"answer queries/confirm\.kql: NoAnswer") as refusal:
        asyncio.run(story())
    assert refusal.value.failure.kind is FailureKind.UNKNOWN


def test_the_sweep_follows_every_page_and_compares_the_tag_itself() -> None:
    """The query's filter is wide: a VM that merely mentions the tag is no find."""
    tagged = {"id": str(VM_ID), "tags": {"attemptrestartaftereviction": "True"}}
    mentioned = {"id": str(OTHER), "tags": {"note": "AttemptRestartAfterEviction"}}
    third = VmId(VM_ID.subscription_id, VM_ID.resource_group, "render-3")
    last = {"id": str(third), "tags": {"AttemptRestartAfterEviction": "true"}}
    wire = Wire([page(tagged, mentioned, **{"$skipToken": "next"}), page(last)])
    found = asked(wire, lambda graph: graph.deallocated_spot_vms("AttemptRestartAfterEviction"))
    assert found == [VM_ID, third]
    assert [sent["options"].get("$skipToken") for sent in wire.asked] == [None, "next"]
    assert {sent["options"]["$top"] for sent in wire.asked} == {PAGE_SIZE}


def test_a_result_that_was_cut_is_an_error() -> None:
    """Without a way to the rest, some VM would be lost silently."""
    with pytest.raises(QueryResultError, match=r"^queries/sweep\.kql: Resource Graph cut the result"):
        asked(Wire([page(resultTruncated="true")]), lambda graph: graph.deallocated_spot_vms("Tag"))


def priced(vm_id: VmId = VM_ID, **changed: object) -> dict[str, object]:
    """Make a row of ``priced.kql``."""
    usual: dict[str, object] = {
        "id": str(vm_id),
        "tags": {"AttemptRestartAfterEviction": "true"},
        "location": "westeurope",
        "size": "Standard_D2s_v5",
        "maxPrice": 0.05,
        "osType": "Linux",
        "powerState": "PowerState/deallocated",
    }
    return usual | changed


def test_vms_with_what_their_price_depends_on() -> None:
    """Only those whose tag says true; an id that is none is left out."""
    wire = Wire([page(priced(), priced(OTHER, tags={"AttemptRestartAfterEviction": "no"}), priced(id="render-3"))])
    found = asked(wire, lambda graph: graph.priced_vms("AttemptRestartAfterEviction"))
    assert found == [PricedVm(VM_ID, "westeurope", "Standard_D2s_v5", Os.LINUX, 0.05, PowerState.DEALLOCATED)]
    assert "contains 'AttemptRestartAfterEviction'" in wire.asked[0]["query"]


@pytest.mark.parametrize(("value", "limit"), [(-1, None), (-1.0, None), (None, None), (0, 0), (0.05, 0.05), ("", None)])
def test_a_max_price_of_minus_one_is_none(value: object, limit: float | None) -> None:
    """As Azure writes "no limit"."""
    (vm,) = asked(Wire([page(priced(maxPrice=value))]), lambda graph: graph.priced_vms("AttemptRestartAfterEviction"))
    assert vm.max_price == limit


@pytest.mark.parametrize(("value", "os"), [("Windows", Os.WINDOWS), ("linux", Os.LINUX), (None, None), ("BeOS", None)])
def test_the_operating_system_is_not_guessed(value: object, os: Os | None) -> None:
    """Windows costs more."""
    (vm,) = asked(Wire([page(priced(osType=value))]), lambda graph: graph.priced_vms("AttemptRestartAfterEviction"))
    assert vm.os is os
