"""The front of the Retail Prices API: the world's Spot prices among rows that are no price of theirs, in pages.

Started by ``laptop.py``. Beside each Spot price stands what the real list has beside it: on demand, Windows, Low
Priority, other kinds of contract, and rows that are over or still to come (docs/azure-facts.md prices-2, prices-3 and
prices-5). A size whose price was never set has no row.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from localazure.world.sizes import SIZES
from localazure.world.timestamps import guid

if TYPE_CHECKING:
    from datetime import datetime

    from localazure.world.sizes import Size
    from localazure.world.world import World

PATH: Final = "/api/retail/prices"
PAGE: Final = 4
"""How many rows a page has: Azure's have 1,000, which would leave no second page here."""

ON_DEMAND: Final = 4.0
"""On demand costs so many times the Spot price, and Windows twice of either."""

_WINDOWS: Final = 2.0
_MONTH: Final = timedelta(days=30)
_TERM: Final = re.compile(r"(\w+) eq '((?:[^']|'')*)'")


def prices_application(world: World) -> web.Application:
    """Build what listens at the address of the price list. It asks for no login."""

    async def answer(request: web.Request) -> web.Response:
        return web.json_response(_page(request, _rows(request, world)))

    application = web.Application()
    application.router.add_get(PATH, answer)
    return application


def _page(request: web.Request, rows: list[dict[str, Any]]) -> dict[str, Any]:
    skipped = int(request.query.get("$skip", "0"))
    items = rows[skipped : skipped + PAGE]
    more = str(request.url.update_query({"$skip": str(skipped + PAGE)})) if skipped + PAGE < len(rows) else None
    return {
        "BillingCurrency": "USD",
        "CustomerEntityId": "Default",
        "CustomerEntityType": "Retail",
        "Items": items,
        "NextPageLink": more,
        "Count": len(items),
    }


def _rows(request: web.Request, world: World) -> list[dict[str, Any]]:
    """Give the rows that a filter asks for. Values are compared with case, as Azure does (prices-1)."""
    wanted = {name: value.replace("''", "'") for name, value in _TERM.findall(request.query.get("$filter", ""))}
    regions = sorted({one.location for one in world.machines()})
    rows = [row for region in regions for size in SIZES for row in rows_of(size, region, world)]
    return [row for row in rows if all(row.get(name) == value for name, value in wanted.items())]


def rows_of(size: Size, region: str, world: World) -> list[dict[str, Any]]:
    """Give the rows of one size in one region."""
    spot = world.market.told_price(size.name, region)
    if spot is None:
        return []
    now, linux, windows = world.now, f"Virtual Machines {size.family}", f"Virtual Machines {size.family} Windows"
    meter = size.name.removeprefix("Standard_").replace("_", " ")

    def row(price: float, name: str, product: str, since: datetime = now - _MONTH, **more: str) -> dict[str, Any]:
        return _row(size, region, price, name, product, since) | more

    return [
        row(spot * ON_DEMAND, meter, linux),
        row(spot * _WINDOWS, f"{meter} Spot", windows),
        row(spot * 0.9, f"{meter} Low Priority", linux),
        row(spot * 1.5, f"{meter} Spot", linux, now - 2 * _MONTH, effectiveEndDate=_time(now - _MONTH)),
        row(spot * 0.5, f"{meter} Spot", linux, now + _MONTH),
        row(spot * 1.2, f"{meter} Spot", linux, now - 3 * _MONTH),
        row(spot * ON_DEMAND * _WINDOWS, meter, windows),
        row(spot * ON_DEMAND, meter, windows, type="DevTestConsumption"),
        row(spot * ON_DEMAND * 5000, meter, linux, type="Reservation", reservationTerm="1 Year"),
        row(spot, f"{meter} Spot", linux, effectiveEndDate=_time(now + _MONTH)),
    ]


def _row(  # noqa: PLR0913, PLR0917 - what the rows of one size differ in
    size: Size, region: str, price: float, name: str, product: str, since: datetime
) -> dict[str, Any]:
    rounded = round(price, 6)
    return {
        "currencyCode": "USD",
        "tierMinimumUnits": 0.0,
        "retailPrice": rounded,
        "unitPrice": rounded,
        "armRegionName": region,
        "location": region,
        "effectiveStartDate": _time(since),
        "meterId": guid("meter", size.name, region, name, product),
        "meterName": name,
        "productId": "DZH318Z0BQPS",
        "skuId": "DZH318Z0BQPS/0001",
        "productName": product,
        "skuName": name,
        "serviceName": "Virtual Machines",
        "serviceId": "DZH313Z7MMC8",
        "serviceFamily": "Compute",
        "unitOfMeasure": "1 Hour",
        "type": "Consumption",
        "isPrimaryMeterRegion": True,
        "armSkuName": size.name,
    }


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
