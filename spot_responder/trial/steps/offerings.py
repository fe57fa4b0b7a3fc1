"""Step *offerings*: what Azure asks for the VM's size, and how it describes it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from spot_responder.intake.payloads import field as field_of
from spot_responder.offerings.skus import read_skus

if TYPE_CHECKING:
    from spot_responder.trial.field import Field

_SKUS: Final = "2021-07-01"


async def offerings(field: Field) -> None:
    """Read the price list's pages about the size, what comes after the last one, and the list of sizes."""
    location, size = field.plan.location, field.plan.size
    pages = [field.note("price page", page) for page in await field.azure.price_pages(location, size)]
    listed = [field_of(page.body, "Items") for page in pages]
    rows = sum(len(items) for items in listed if isinstance(items, list))
    field.note("prices after the last page", await field.azure.prices_after(location, size, rows))
    wanted = f"$filter=location%20eq%20'{location}'"
    path = f"{field.plan.scope}/providers/Microsoft.Compute/skus?{wanted}"
    answer = await field.azure.ask("GET", path, _SKUS)
    # The whole list has some megabytes, and names that are Azure's own: what is read of the size is kept.
    items = field_of(answer.body, "value")
    sku = read_skus(items, location).get(size.lower()) if answer.is_good and isinstance(items, list) else None
    told = {"size": sku.name, "refused": sku.refused, "capabilities": dict(sku.capabilities)} if sku else None
    field.note("size in the list", replace(answer, body=told) if answer.is_good else answer)
