"""Doubles of what tells of sizes and prices, over the world: ARM's lists, a VM's whole body, the price list.

Used by ``app.py``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import unquote

from azure.core.exceptions import AzureError, HttpResponseError

from localazure.resource_manager.compute.network import nic_body
from localazure.resource_manager.compute.skus import skus_of, usages_of
from localazure.resource_manager.compute.vm_bodies import vm_body
from localazure.resource_manager.limits import LOW_COST_GET
from localazure.retail_prices.service import rows_of
from localazure.virtual.answers import Answer
from localazure.virtual.compute import ARM, RESIZER
from localazure.virtual.wire import RequestKind
from localazure.world.azure_errors import not_found
from localazure.world.sizes import SIZES
from spot_responder.clients.sdk_errors import refusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from azure.core.rest import HttpRequest

    from localazure.resource_manager.limits import Limits
    from localazure.virtual.wire import Wire
    from localazure.world.world import World

_SKUS: Final = re.compile(r"/skus\?\$filter=location eq '([^']*)'", re.IGNORECASE)
_USAGES: Final = re.compile(r"/subscriptions/([^/]*)/.*/locations/([^/]*)/usages", re.IGNORECASE)
_VM: Final = "Microsoft.Compute/virtualMachines"
_NIC: Final = "Microsoft.Network/networkInterfaces"


@dataclass(frozen=True, slots=True)
class ArmDouble:
    """Answers the identity that may change sizes, for ``ResourceManager``: lists of sizes and quotas, whole VMs.

    ``limits`` where requests are counted as Azure counts them.
    """

    world: World
    wire: Wire
    limits: Limits | None = None

    async def send_request(self, request: HttpRequest) -> Answer:
        """Answer as a pipeline does: an error of Azure's is an answer as any other, want of a token is raised."""
        assert request.method == "GET", request.method  # noqa: S101 - the double knows no other question
        address = unquote(request.url).removeprefix(ARM)
        try:
            return await self.wire.send(RequestKind.OFFERINGS, address, lambda: self._answer(address))
        except HttpResponseError as error:
            if error.response is None:
                raise
            return cast("Answer", error.response)

    def _answer(self, address: str) -> Answer:
        headers = self._count(address)
        skus, usages = _SKUS.search(address), _USAGES.search(address)
        if skus:
            return Answer(200, {"value": skus_of([skus[1]], self.world)}, headers)
        if usages:
            return Answer(200, {"value": usages_of(usages[1], usages[2], self.world)}, headers)
        return Answer(200, self._shown(address.partition("?")[0]), headers)

    def _shown(self, path: str) -> Mapping[str, object]:
        """Show a VM with its instance view, or its first network interface, which has its name."""
        vm_id = path.replace(_NIC, _VM)
        machine = self.world.find(vm_id)
        if machine is None:
            raise not_found(path.rpartition("/")[2], path.split("/")[4])
        return nic_body(machine, 0, path) if vm_id != path else vm_body(machine, machine.condition, expanded=True)

    def _count(self, address: str) -> Mapping[str, str]:
        if self.limits is None:
            return {}
        now, subscription = self.world.now, address.split("/")[2].lower()
        headers = self.limits.take_arm("GET", RESIZER, subscription, "read", now)
        machine = self.world.find(address.partition("?")[0])
        if machine is None:
            return headers
        return headers | self.limits.take_compute(LOW_COST_GET, machine.vm_id, subscription, machine.location, now)


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

        target = f"prices/{size}"
        try:
            return await self.wire.send(RequestKind.OFFERINGS, target, told)
        except AzureError as error:
            raise refusal(error, f"tell {target}") from error
