"""Looks up today's prices of the covered VMs' sizes. Called by ``commands/offerings``; ``views/offerings`` goes on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from spot_responder.offerings.prices import Asked
from spot_responder.operators.views.offerings.prices import price_report, product_of
from spot_responder.responder.sizes.azure_lists import price_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from spot_responder.offerings.prices import Prices
    from spot_responder.operators.ports import OperatorPorts
    from spot_responder.operators.views.offerings.prices import PriceReport, Product
    from spot_responder.responder.ports import PriceList
    from spot_responder.settings import Settings

_AT_ONCE: Final = 4
"""How many prices are asked for at the same time: the API's limits are not published."""


async def gather_prices(
    ports: OperatorPorts, settings: Settings, now: datetime, progress: Callable[[int, int], None]
) -> PriceReport:
    """Compare the max price of each covered VM with today's Spot price.

    Raises:
        AzureRefusedError: if Resource Graph does not show the VMs. A price that is not told is unknown.
    """
    vms = await ports.app.graph.priced_vms(settings.policy.restart_tag)
    # The API compares sizes with case: asked for is a spelling that Azure itself gives.
    spelled = {product: vm for vm in vms if (product := product_of(vm))}
    asked = {product: Asked(vm.location, vm.size, product[2], now) for product, vm in spelled.items()}
    return price_report(vms, await look_up(asked, ports.app.pricing.price_list, progress), now)


async def look_up(
    asked: Mapping[Product, Asked], price_list: PriceList, progress: Callable[[int, int], None]
) -> Mapping[Product, Prices]:
    """Find several prices. ``progress`` is called with how many were found, and of how many."""
    turns, done = asyncio.Semaphore(_AT_ONCE), 0

    async def find(product: Product) -> tuple[Product, Prices]:
        nonlocal done
        async with turns:
            found = await price_of(asked[product], price_list)
        done += 1
        progress(done, len(asked))
        return product, found

    return dict(await asyncio.gather(*(find(product) for product in asked)))
