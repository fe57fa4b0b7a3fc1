"""Reads what a size is compared with: the VM, Azure's lists of sizes and quotas, and the price list.

Called by ``offerings.py`` and by ``operators/sizes.py`` and ``operators/prices.py``.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from spot_responder.intake.azure_errors import OWN_PACE
from spot_responder.offerings.price_pages import UnreadablePagesError, read_pages
from spot_responder.offerings.prices import Prices, prices_of
from spot_responder.offerings.vm_shapes import nic_ids, read_vm_shape
from spot_responder.responder.ports import AzureRefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from spot_responder.intake.vms import VmId
    from spot_responder.offerings.prices import Asked
    from spot_responder.offerings.vm_shapes import VmShape
    from spot_responder.responder.ports import Arm, PriceList

COMPUTE_API: Final = "2024-07-01"
"""The version of Compute's API in requests that no SDK makes."""

_SKUS_API: Final = "2021-07-01"
_NETWORK_API: Final = "2024-05-01"


async def shape_of(vm_id: VmId, arm: Arm) -> VmShape:
    """Read what of a VM a size must suit.

    Raises:
        AzureRefusedError: if ARM does not show the VM, or a request's turn has not come.
        UnreadableVmError: if its answer is no VM.
    """
    answer = await arm.ask("GET", f"{vm_id}?$expand=instanceView", COMPUTE_API)
    nics = await asyncio.gather(*(_nic(nic_id, arm) for nic_id in nic_ids(answer.body) or ()))
    return read_vm_shape(answer.body, nics)


async def _nic(nic_id: str, arm: Arm) -> Mapping[str, object] | None:
    try:
        return (await arm.ask("GET", nic_id, _NETWORK_API)).body
    except AzureRefusedError as refusal:
        if refusal.failure.code == OWN_PACE:
            raise
        # Whether it uses accelerated networking is unknown then, and the finding says so.
        return None


async def list_skus(subscription_id: str, location: str, arm: Arm) -> Sequence[Mapping[str, object]]:
    """List the sizes of a region. Raises ``AzureRefusedError``."""
    return await arm.listed(f"{_compute(subscription_id)}/skus?$filter=location eq '{location}'", _SKUS_API)


async def list_usages(subscription_id: str, location: str, arm: Arm) -> Sequence[Mapping[str, object]]:
    """List the quotas of a region. Raises ``AzureRefusedError``."""
    return await arm.listed(f"{_compute(subscription_id)}/locations/{location}/usages", COMPUTE_API)


async def price_of(asked: Asked, price_list: PriceList) -> Prices:
    """Find the prices of one size; where Azure does not tell them they are unknown, and the reason says why."""
    try:
        return await read_prices(asked, price_list)
    except AzureRefusedError as error:
        return Prices(None, None, [f"unknown: {error}"])


async def read_prices(asked: Asked, price_list: PriceList) -> Prices:
    """Find the prices of one size, as ``price_of``. Raises ``AzureRefusedError`` if the list does not answer."""
    pages = await price_list.pages(asked.location, asked.size)
    try:
        return prices_of(read_pages(pages), asked)
    except UnreadablePagesError as error:
        return Prices(None, None, [f"unknown: {error}"])


def _compute(subscription_id: str) -> str:
    return f"/subscriptions/{subscription_id}/providers/Microsoft.Compute"
