"""The port to Azure Resource Graph: confirms many VMs in one query, and finds those that no event reported.

Opened by ``connections.py`` and ``operator_connections.py``; ``kql.py`` reads the queries, ``rate_limiter.py`` paces
them.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

from azure.core.exceptions import AzureError
from azure.mgmt.resourcegraph.models import QueryRequest, QueryRequestOptions

from spot_responder.clients.kql import fill, read_query
from spot_responder.clients.rate_limiter import Turns
from spot_responder.clients.sdk_errors import UNREADABLE, refusal, unreadable
from spot_responder.decisions.token_bucket import QUERIES
from spot_responder.intake.azure_errors import UNREADABLE_ANSWER, Failure, FailureKind
from spot_responder.intake.payloads import moment
from spot_responder.intake.vms import (
    SHOWN_COLUMNS,
    Annotation,
    NotAVmIdError,
    PowerState,
    Vm,
    VmId,
    says_true,
    tag_value,
)
from spot_responder.intake.work_queue_names import WORK_TAG
from spot_responder.offerings.amounts import amount_of
from spot_responder.offerings.priced_vms import PricedVm
from spot_responder.offerings.prices import Os
from spot_responder.operators.views.status import Coverage
from spot_responder.responder.log import log_odd_row
from spot_responder.responder.ports import AzureRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from azure.mgmt.resourcegraph.aio import ResourceGraphClient

BATCH_SIZE: Final = 100
"""How many ids go into one query: each is there twice, and the text of a query is limited."""

WINDOW_S: Final = 5.0
"""How long a refused query delays the others at most, in seconds: then Resource Graph counts its quota anew
(docs/azure-facts.md graph-1)."""

PAGE_SIZE: Final = 1000
"""How many rows Resource Graph gives at once, at most."""

_COLUMNS: Final = {
    "confirm": SHOWN_COLUMNS,
    "sweep": ("id", "tags"),
    "named": ("id",),
    "spot": ("id",),
    "priced": ("id", "tags", "location", "size", "maxPrice", "osType", "powerState"),
    "coverage": ("covered", "forWork", "shown"),
    "work": ("id", "location", "zones", "tags", "priority", "size", "powerState", "principalId"),
}

type Row = Mapping[str, object]


class QueryResultError(AzureRefusedError):
    """Resource Graph's answer has not the expected shape; the message names the query's file."""

    def __init__(self, message: str) -> None:
        """Keep what is wrong with the answer."""
        super().__init__(Failure(FailureKind.UNKNOWN, UNREADABLE_ANSWER, message, None), "answer as its query asks")
        self.args = (message,)


@dataclass(slots=True)
class ResourceGraph:
    """The port to Resource Graph."""

    client: ResourceGraphClient
    _turns: Turns = field(default_factory=lambda: Turns(QUERIES, "x-ms-user-quota-remaining", WINDOW_S))
    _asked: dict[VmId, asyncio.Future[Vm | None]] = field(default_factory=dict)
    _batches: set[asyncio.Task[None]] = field(default_factory=set)
    _in_line: bool = False

    async def confirm(self, vm_id: VmId) -> Vm | None:
        """Give one VM's facts, asking for all VMs that are asked for at this moment in one query.

        Raises:
            AzureRefusedError: throttled, denied or no answer.
            QueryResultError: a column is missing.
        """
        if vm_id not in self._asked:
            self._asked[vm_id] = asyncio.get_running_loop().create_future()
            self._stand_in_line()
        return await asyncio.shield(self._asked[vm_id])

    async def deallocated_spot_vms(self, restart_tag: str) -> list[VmId]:
        """Page through all Spot VMs that are deallocated, and give those that carry the tag."""
        query = fill("sweep", read_query("sweep"), restart_tag=restart_tag)
        rows = await self._rows("sweep", lambda: query)
        return [vm_id for row in rows if says_true(_tags(row), restart_tag) for vm_id in _vm_ids("sweep", row)]

    async def vms_for_work(self) -> list[Vm]:
        """Page through all VMs that carry ``StartForWork``, Spot or not; an odd row is left out."""
        query = fill("work", read_query("work"), work_tag=WORK_TAG)
        rows = await self._rows("work", lambda: query)
        tagged = [row for row in rows if tag_value(_tags(row), WORK_TAG) is not None]
        nothing = dict.fromkeys(SHOWN_COLUMNS)
        return [vm_of_row({**nothing, **row}) for row in tagged if _vm_ids("work", row)]

    async def named(self, name: str) -> list[VmId]:
        """Give the VMs of this name, in any casing."""
        query = fill("named", read_query("named"), vm_name=name)
        rows = await self._rows("named", lambda: query)
        return [vm_id for row in rows for vm_id in _vm_ids("named", row)]

    async def spot_vms(self) -> list[VmId]:
        """Page through all Spot VMs that may be seen, tagged or not."""
        rows = await self._rows("spot", lambda: read_query("spot"))
        return [vm_id for row in rows for vm_id in _vm_ids("spot", row)]

    async def priced_vms(self, restart_tag: str) -> list[PricedVm]:
        """Page through the Spot VMs that carry the tag, with what their price depends on.

        Raises:
            AzureRefusedError: throttled, denied or no answer.
        """
        query = fill("priced", read_query("priced"), restart_tag=restart_tag)
        rows = await self._rows("priced", lambda: query)
        ours = [row for row in rows if says_true(_tags(row), restart_tag)]
        return [_priced_vm(vm_id, row) for row in ours for vm_id in _vm_ids("priced", row)]

    async def coverage(self, restart_tag: str, *, has_work_queues: bool) -> Coverage:
        """Count the Spot VMs that may be seen: how many are covered, how many serve work queues, and how many neither.

        Raises:
            AzureRefusedError: throttled, denied or no answer.
        """
        # The tag as JSON writes it: Azure may put a blank after the colon, or none.
        name = json.dumps(restart_tag, ensure_ascii=False)
        text = read_query("coverage")
        query = fill(
            "coverage",
            text,
            tag_is_true=f'{name}:"true"',
            tag_is_true_spaced=f'{name}: "true"',
            has_work_queues=str(has_work_queues).lower(),
            work_tag_is=f'"{WORK_TAG}":',
        )
        (row,) = await self._rows("coverage", lambda: query)
        covered, for_work, shown = (int(str(row[column])) for column in _COLUMNS["coverage"])
        return Coverage(covered, shown - covered - for_work, for_work=for_work)

    def _stand_in_line(self) -> None:
        """Begin a query for the waiting VMs, unless a query waits for its turn already: they share that one."""
        if self._asked and not self._in_line:
            self._in_line = True
            task = asyncio.create_task(self._confirm_batch())
            self._batches.add(task)
            task.add_done_callback(self._batches.discard)

    async def _confirm_batch(self) -> None:
        batch: dict[VmId, asyncio.Future[Vm | None]] = {}
        try:
            vms = _readable(await self._rows("confirm", lambda: self._query_for(batch)))
        except Exception as error:  # noqa: BLE001 - nothing is swallowed: each caller gets it
            if not batch:
                self._take(batch)
            for future in batch.values():
                future.set_exception(error)
        else:
            for vm_id, future in batch.items():
                future.set_result(vms.get(vm_id))

    def _query_for(self, batch: dict[VmId, asyncio.Future[Vm | None]]) -> str:
        """Move the waiting VMs into the batch, when its turn has come: VMs that come until then share the query."""
        self._take(batch)
        # in~ distinguishes case in letters that are not ASCII: such an id is asked for as it was spelled.
        ids = [vm_id.key if vm_id.key.isascii() else str(vm_id) for vm_id in batch]
        return fill("confirm", read_query("confirm"), vm_ids=ids)

    def _take(self, batch: dict[VmId, asyncio.Future[Vm | None]]) -> None:
        for vm_id in list(self._asked)[:BATCH_SIZE]:
            batch[vm_id] = self._asked.pop(vm_id)
        self._in_line = False
        self._stand_in_line()

    async def _rows(self, name: str, query: Callable[[], str]) -> list[Row]:
        """Give all rows, page by page; each page is a query by Azure's count. ``query`` is made when its turn comes."""
        rows: list[Row] = []
        text, skip_token = "", None
        while True:
            what = f"answer queries/{name}.kql"
            async with self._turns.turn("", what) as turn:
                text = text or query()
                options = QueryRequestOptions(top=PAGE_SIZE, skip_token=skip_token, result_format="objectArray")
                request = QueryRequest(query=text, options=options)
                try:
                    page = await self.client.resources(request, raw_response_hook=turn.hear)
                except AzureError as error:
                    raise refusal(error, what) from error
                except UNREADABLE as error:
                    raise unreadable(error, what) from error
            rows.extend(_checked(name, row) for row in cast("list[Row]", page.data))
            skip_token = page.skip_token
            if not skip_token:
                if str(page.result_truncated).lower() == "true":
                    message = f"queries/{name}.kql: Resource Graph cut the result and gave no way to the rest"
                    raise QueryResultError(message)
                return rows


def _readable(rows: list[Row]) -> dict[VmId, Vm]:
    try:
        return _newest(rows)
    except UNREADABLE as error:
        raise unreadable(error, "answer queries/confirm.kql") from error


def _newest(rows: list[Row]) -> dict[VmId, Vm]:
    """Read the rows of ``confirm.kql``: one for each VM, with its newest annotation."""
    vms: dict[VmId, Vm] = {}
    for row in rows:
        vm = vm_of_row(row)
        if vm.vm_id not in vms or _is_newer(vm.annotation, vms[vm.vm_id].annotation):
            vms[vm.vm_id] = vm
    return vms


def vm_of_row(row: Row) -> Vm:
    """Read a row of ``confirm.kql``, or of ``work.kql``, which alone has the VM's identity."""
    zones = row["zones"]
    max_price = row["maxPrice"]
    return Vm(
        vm_id=_vm_id(row),
        location=str(row["location"]),
        size=str(row["size"]),
        priority=str(row["priority"] or ""),
        tags=_tags(row),
        power_state=PowerState.parse(str(row["powerState"] or "")),
        zone=str(zones[0]) if isinstance(zones, list) and zones else None,
        max_price=max_price if isinstance(max_price, float | int) else None,
        annotation=_annotation(row),
        scale_set_id=str(row["scaleSetId"]) if row["scaleSetId"] else None,
        restored_by_scale_set=row["restoredByScaleSet"] in (True, "true"),
        principal_id=str(row.get("principalId") or "") or None,
    )


def _priced_vm(vm_id: VmId, row: Row) -> PricedVm:
    os_name = str(row["osType"] or "").lower()
    return PricedVm(
        vm_id=vm_id,
        location=str(row["location"]),
        size=str(row["size"]),
        os=Os(os_name) if os_name in Os else None,
        max_price=amount_of(row["maxPrice"]),
        power_state=PowerState.parse(str(row["powerState"] or "")),
    )


def _checked(name: str, row: Row) -> Row:
    missing = [column for column in _COLUMNS[name] if column not in row]
    if missing:
        message = f"queries/{name}.kql: the result lacks the column {', '.join(missing)}"
        raise QueryResultError(message)
    return row


def _vm_ids(name: str, row: Row) -> list[VmId]:
    """Read the id of a row of a list; an odd row is left out, so that the sweep goes on with the others."""
    try:
        return [VmId.parse(str(row["id"]))]
    except NotAVmIdError as error:
        log_odd_row(f"queries/{name}.kql", str(error))
        return []


def _vm_id(row: Row) -> VmId:
    try:
        return VmId.parse(str(row["id"]))
    except NotAVmIdError as error:
        message = f"queries/confirm.kql: column id holds {error}"
        raise QueryResultError(message) from error


def _tags(row: Row) -> dict[str, str]:
    tags = row["tags"]
    return {str(key): str(value) for key, value in tags.items()} if isinstance(tags, dict) else {}


def _annotation(row: Row) -> Annotation | None:
    name, at = str(row["annotation"] or ""), moment(str(row["annotatedAt"] or ""))
    return Annotation(name, at) if name and at else None


def _is_newer(one: Annotation | None, other: Annotation | None) -> bool:
    return one is not None and (other is None or one.occurred_at > other.occurred_at)
