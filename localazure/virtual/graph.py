"""A double of ``ResourceGraphClient``: answers the app's queries from the world. Used by ``app.py``."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Final

from localazure.resource_manager.compute.vm_bodies import power_status, principal_of
from localazure.virtual.wire import RequestKind
from localazure.world.machines import PowerState
from localazure.world.timestamps import zulu_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from azure.mgmt.resourcegraph.models import QueryRequest

    from localazure.resource_manager.limits import Limits
    from localazure.virtual.wire import Hook, Wire
    from localazure.world.machines import Condition, Machine
    from localazure.world.world import World

_PRINCIPAL: Final = "responder"
LARGEST_PAGE: Final = 1000
_IDS: Final = re.compile(r"where id in~ \(([^)]*)\)")
_TAG: Final = re.compile(r"tostring\(tags\) contains '([^']*)'")

type Row = dict[str, object]


class GraphDouble:
    """Answers from the world as it was a while ago; ``limits`` where queries are counted as Azure counts them."""

    def __init__(self, world: World, wire: Wire, limits: Limits | None = None) -> None:
        """Answer from this world."""
        self._world, self._wire, self._limits = world, wire, limits

    async def resources(self, query: QueryRequest, *, raw_response_hook: Hook) -> object:
        """Answer one page of ``confirm.kql``, ``sweep.kql``, ``priced.kql`` or ``work.kql``."""
        return await self._wire.heard(RequestKind.GRAPH, "", lambda: self._answer(query), raw_response_hook)

    def _answer(self, query: QueryRequest) -> tuple[object, dict[str, str]]:
        headers = self._limits.take_graph(_PRINCIPAL, self._world.now) if self._limits is not None else {}
        return self._page(query), headers

    def _page(self, query: QueryRequest) -> object:
        ids, tag = _IDS.search(query.query), _TAG.search(query.query)
        assert ids or tag, query.query  # noqa: S101 - the double knows no other query
        tagged = tag[1] if tag else ""
        down_only, spot_only = (words in query.query.lower() for words in ("powerstate/deallocated", "spotplus"))
        rows = list(
            self._confirmed(ids[1]) if ids else self._down(tagged) if down_only else self._tagged(tagged, spot_only)
        )
        options = query.options
        assert options is not None  # noqa: S101 - see above
        begin = int(options.skip_token or 0)
        end = begin + (options.top or LARGEST_PAGE)
        return SimpleNamespace(
            data=rows[begin:end], skip_token=str(end) if end < len(rows) else None, result_truncated="false"
        )

    def _confirmed(self, ids: str) -> Iterator[Row]:
        for vm_id in re.findall("'([^']*)'", ids):
            machine = self._world.find(vm_id)
            condition = self._condition(machine) if machine else None
            if machine and condition:
                yield self._row(machine, condition)

    def _down(self, tag: str) -> Iterator[Row]:
        for machine in sorted(self._world.machines(), key=lambda one: one.vm_id):
            condition = self._condition(machine) if machine.is_spot and machine.deleted_at is None else None
            if condition is None or condition.power_state is not PowerState.DEALLOCATED:
                continue
            if any(tag.lower() in name.lower() for name in condition.tags):
                yield {"id": machine.vm_id, "tags": dict(condition.tags)}

    def _tagged(self, tag: str, spot_only: bool) -> Iterator[Row]:  # noqa: FBT001 - as the query says
        for machine in sorted(self._world.machines(), key=lambda one: one.vm_id):
            is_asked_for = machine.deleted_at is None and (machine.is_spot or not spot_only)
            condition = self._condition(machine) if is_asked_for else None
            if condition and any(tag.lower() in name.lower() for name in condition.tags):
                yield self._row(machine, condition) | {"principalId": principal_of(machine)}

    def _condition(self, machine: Machine) -> Condition | None:
        if self._wire.fault_plan.hides_row(machine.vm_id):
            return None
        return machine.condition_at(self._world.now - self._wire.fault_plan.graph_lag())

    def _row(self, machine: Machine, condition: Condition) -> Row:
        annotation = condition.annotation
        restoring = {scale_set.scale_set_id for scale_set in self._world.scale_sets if scale_set.restore_policy}
        return {
            "id": machine.vm_id,
            "location": machine.location,
            "zones": [machine.zone] if machine.zone else None,
            "tags": dict(condition.tags),
            "priority": machine.priority if machine.is_spot else None,
            "size": machine.size,
            "osType": machine.os,
            "maxPrice": machine.max_price if machine.is_spot else None,
            "powerState": power_status(condition)["code"],
            "scaleSetId": machine.scale_set_id,
            "restoredByScaleSet": machine.scale_set_id in restoring if machine.scale_set_id else None,
            "annotation": annotation.name if annotation else None,
            "annotatedAt": zulu_time(annotation.occurred_at) if annotation else None,
        }
