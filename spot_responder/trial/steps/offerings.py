"""Step *offerings*: what Azure asks for the VM's size, and how it describes it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from spot_responder.intake.payloads import field as field_of
from spot_responder.offerings.skus import read_skus

if TYPE_CHECKING:
    from collections.abc import Iterable

    from spot_responder.offerings.skus import Sku
    from spot_responder.trial.field import Field
    from spot_responder.trial.views.observations import Answered

_SKUS: Final = "2021-07-01"


async def offerings(field: Field) -> None:
    """Read the price list's pages about the size, what comes after the last one, and the list of sizes."""
    location, size = field.plan.location, field.plan.size
    pages: list[Answered] = []

    async def read() -> Answered:
        pages[:] = await field.azure.price_pages(location, size)
        return pages[-1]

    await field.persistently(read)
    for page in pages:
        field.note("price page", page)
    listed = [field_of(page.body, "Items") for page in pages]
    rows = sum(len(items) for items in listed if isinstance(items, list))
    after = await field.persistently(lambda: field.azure.prices_after(location, size, rows))
    field.note("prices after the last page", after)
    wanted = f"$filter=location%20eq%20'{location}'"
    path = f"{field.plan.scope}/providers/Microsoft.Compute/skus?{wanted}"
    answer = await field.persistently(lambda: field.azure.ask("GET", path, _SKUS))
    # The whole list has some megabytes, and names that are Azure's own: what is read of the size is kept.
    items = field_of(answer.body, "value")
    skus = read_skus(items, location) if answer.is_good and isinstance(items, list) else {}
    sku = skus.get(size.lower())
    field.seen.other_size = _another(sku, skus.values()) if sku else ""
    told = {"size": sku.name, "refused": sku.refused, "capabilities": dict(sku.capabilities)} if sku else None
    field.note("size in the list", replace(answer, body=told) if answer.is_good else answer)


def _another(own: Sku, skus: Iterable[Sku]) -> str:
    """Give the smallest other size of the family that Spot offers; ``""`` where there is none."""
    fit = [
        (each.number("vCPUs") or 0, each.name)
        for each in skus
        if each.family.lower() == own.family.lower()
        and each.name.lower() != own.name.lower()
        and each.flag("LowPriorityCapable")
        and not each.refused
    ]
    return min(fit)[1] if fit else ""
