"""Azure Resource Graph: confirms many VMs in one query, and finds those that no event told of."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

from azure.core.exceptions import AzureError
from azure.mgmt.resourcegraph.models import QueryRequest, QueryRequestOptions

from spot_responder.clients.kql import fill, read_query
from spot_responder.clients.sdk_errors import refusal
from spot_responder.log_lines import log_odd_row
from spot_responder.payloads import moment
from spot_responder.vms import Annotation, NotAVmIdError, PowerState, Vm, VmId, says_true

if TYPE_CHECKING:
    from collections.abc import Mapping

    from azure.mgmt.resourcegraph.aio import ResourceGraphClient

BATCH_WINDOW_S: Final = 0.05
"""How long a query waits for company: 15 queries within 5 seconds are allowed (facts/arm.md §4), so a burst shares."""

BATCH_SIZE: Final = 100
"""How many ids go into one query; each is there twice, and query text is not without end."""

PAGE_SIZE: Final = 1000
"""The most rows that Resource Graph gives at once."""

_COLUMNS: Final = {
    "confirm": (
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
    ),
    "sweep": ("id", "tags"),
    "named": ("id",),
    "spot": ("id",),
}

type Row = Mapping[str, object]


class QueryResultError(RuntimeError):
    """Resource Graph answered in a shape that we cannot use; the message names the query's file."""


@dataclass(slots=True)
class ResourceGraph:
    """The door to Resource Graph."""

    client: ResourceGraphClient
    _asked: dict[VmId, asyncio.Future[Vm | None]] = field(default_factory=dict)
    _batches: set[asyncio.Task[None]] = field(default_factory=set)

    async def confirm(self, vm_id: VmId) -> Vm | None:
        """Give one VM's facts, asking for all VMs that are asked for at this moment in one query.

        Raises:
            AzureRefusedError: throttled, denied or no answer.
            QueryResultError: a column is missing.
        """
        if vm_id not in self._asked:
            self._asked[vm_id] = asyncio.get_running_loop().create_future()
            if len(self._asked) == 1:
                self._begin_batch()
        return await asyncio.shield(self._asked[vm_id])

    async def deallocated_spot_vms(self, restart_tag: str) -> list[VmId]:
        """Page through all Spot VMs that are deallocated, and give those that carry the tag."""
        query = fill("sweep", read_query("sweep"), restart_tag=restart_tag)
        rows = await self._rows("sweep", query)
        return [vm_id for row in rows if says_true(_tags(row), restart_tag) for vm_id in _vm_ids("sweep", row)]

    async def named(self, name: str) -> list[VmId]:
        """Give the VMs of this name, in any casing."""
        rows = await self._rows("named", fill("named", read_query("named"), vm_name=name))
        return [vm_id for row in rows for vm_id in _vm_ids("named", row)]

    async def spot_vms(self) -> list[VmId]:
        """Page through all Spot VMs that may be seen, tagged or not."""
        rows = await self._rows("spot", read_query("spot"))
        return [vm_id for row in rows for vm_id in _vm_ids("spot", row)]

    def _begin_batch(self) -> None:
        task = asyncio.create_task(self._confirm_all())
        self._batches.add(task)
        task.add_done_callback(self._batches.discard)

    async def _confirm_all(self) -> None:
        await asyncio.sleep(BATCH_WINDOW_S)
        asked, self._asked = self._asked, {}
        ids = list(asked)
        for start in range(0, len(ids), BATCH_SIZE):
            batch = ids[start : start + BATCH_SIZE]
            try:
                vms = await self._confirm_batch(batch)
            except Exception as error:  # noqa: BLE001 - nothing is swallowed: each who asked gets it
                for vm_id in batch:
                    asked[vm_id].set_exception(error)
            else:
                for vm_id in batch:
                    asked[vm_id].set_result(vms.get(vm_id))

    async def _confirm_batch(self, ids: list[VmId]) -> dict[VmId, Vm]:
        query = fill("confirm", read_query("confirm"), vm_ids=[vm_id.key for vm_id in ids])
        vms: dict[VmId, Vm] = {}
        for row in await self._rows("confirm", query):
            vm = vm_of_row(row)
            if vm.vm_id not in vms or _is_newer(vm.annotation, vms[vm.vm_id].annotation):
                vms[vm.vm_id] = vm
        return vms

    async def _rows(self, name: str, query: str) -> list[Row]:
        rows: list[Row] = []
        skip_token: str | None = None
        while True:
            options = QueryRequestOptions(top=PAGE_SIZE, skip_token=skip_token, result_format="objectArray")
            try:
                page = await self.client.resources(QueryRequest(query=query, options=options))
            except AzureError as error:
                raise refusal(error, f"answer queries/{name}.kql") from error
            rows.extend(_checked(name, row) for row in cast("list[Row]", page.data))
            skip_token = page.skip_token
            if not skip_token:
                if str(page.result_truncated).lower() == "true":
                    message = f"queries/{name}.kql: Resource Graph cut the result and gave no way to the rest"
                    raise QueryResultError(message)
                return rows


def vm_of_row(row: Row) -> Vm:
    """Read a row of ``confirm.kql``."""
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
    )


def _checked(name: str, row: Row) -> Row:
    missing = [column for column in _COLUMNS[name] if column not in row]
    if missing:
        message = f"queries/{name}.kql: the result lacks the column {', '.join(missing)}"
        raise QueryResultError(message)
    return row


def _vm_ids(name: str, row: Row) -> list[VmId]:
    """Read the id of a row of a list; one that is odd must not stop the sweep for all others."""
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
