"""Doubles of what tells of sizes and prices, over the world: ARM's lists, a VM's whole body, the price list.

Used by ``app.py``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from azure.core.exceptions import AzureError

from localazure.resource_manager.compute.network import nic_body
from localazure.resource_manager.compute.skus import skus_of, usages_of
from localazure.resource_manager.compute.vm_bodies import vm_body
from localazure.retail_prices.service import rows_of
from localazure.virtual.wire import RequestKind
from localazure.world.azure_errors import not_found
from localazure.world.sizes import SIZES
from spot_responder.clients.sdk_errors import refusal
from spot_responder.responder.ports import ArmAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from localazure.virtual.wire import Wire
    from localazure.world.world import World

_SKUS: Final = re.compile(r"/skus\?\$filter=location eq '([^']*)'$", re.IGNORECASE)
_USAGES: Final = re.compile(r"/subscriptions/([^/]*)/.*/locations/([^/]*)/usages$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ArmDouble:
    """Answers what the app asks of ARM beside its own clients."""

    world: World
    wire: Wire

    async def listed(self, path: str, _api_version: str) -> Sequence[Mapping[str, object]]:
        """List sizes or quotas."""
        skus, usages = _SKUS.search(path), _USAGES.search(path)
        if skus:
            return await _carried(self.wire, path, lambda: skus_of([skus[1]], self.world))
        assert usages is not None, path  # noqa: S101 - the double knows no other list
        return await _carried(self.wire, path, lambda: usages_of(usages[1], usages[2], self.world))

    async def ask(self, method: str, path: str, _api_version: str) -> ArmAnswer:
        """Show a VM with its instance view, or its network interface."""
        assert method == "GET", method  # noqa: S101 - see above
        return await _carried(self.wire, path, lambda: self._shown(path.partition("?")[0]))

    def _shown(self, path: str) -> ArmAnswer:
        vm_id = re.sub("Microsoft.Network/networkInterfaces", "Microsoft.Compute/virtualMachines", path)
        machine = self.world.find(vm_id)
        if machine is None:
            raise not_found(path.rpartition("/")[2], path.split("/")[4])
        body = nic_body(machine, 0) if vm_id != path else vm_body(machine, machine.condition, expanded=True)
        return ArmAnswer(body, self.world.now)


@dataclass(frozen=True, slots=True)
class PriceListDouble:
    """Answers as the Retail Prices API, in one page."""

    world: World
    wire: Wire

    async def pages(self, location: str, size: str) -> Sequence[object]:
        """Give the rows of one size."""

        def told() -> Sequence[object]:
            rows: list[dict[str, Any]] = [
                row for each in SIZES if each.name == size for row in rows_of(each, location, self.world)
            ]
            return [{"BillingCurrency": "USD", "Items": rows, "NextPageLink": None, "Count": len(rows)}]

        return await _carried(self.wire, f"prices/{size}", told)


async def _carried[T](wire: Wire, target: str, effect: Callable[[], T]) -> T:
    try:
        return await wire.send(RequestKind.OFFERINGS, target, effect)
    except AzureError as error:
        raise refusal(error, f"tell {target}") from error
