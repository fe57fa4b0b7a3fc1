"""The price list of the laptop Azure has the traps of the real one, and the product's reader finds its way."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from localazure.retail_prices.service import PAGE, PATH, prices_application
from localazure.world.world import World
from spot_responder.offerings.price_pages import read_pages
from spot_responder.offerings.prices import Asked, Os, prices_of
from tests.harness.fronts import START

D4 = "Standard_D4s_v5"


def pages(size: str, region: str = "westeurope") -> list[Any]:
    """Follow all pages about a size, in a world where one size has a price."""
    world = World(START)
    world.add_vm("vm-1", size=D4)
    world.set_price(D4, "westeurope", 0.04)

    async def follow() -> list[Any]:
        found: list[Any] = []
        async with TestClient(TestServer(prices_application(world))) as client:
            link: str | None = f"{PATH}?$filter=armSkuName eq '{size}' and armRegionName eq '{region}'"
            while link:
                found.append(await (await client.get(link.removeprefix(str(client.make_url("")).rstrip("/")))).json())
                link = found[-1]["NextPageLink"]
        return found

    return asyncio.run(follow())


@pytest.mark.parametrize(("os", "spot", "on_demand"), [(Os.LINUX, 0.04, 0.16), (Os.WINDOWS, 0.08, 0.32)])
def test_the_worlds_price_is_found_among_the_traps(os: Os, spot: float, on_demand: float) -> None:
    """It needs all pages: the Linux Spot row of today is the last one."""
    found = pages(D4)
    assert len(found) == 3
    assert all(len(page["Items"]) <= PAGE and page["Count"] == len(page["Items"]) for page in found)
    prices = prices_of(read_pages(found), Asked("westeurope", D4, os, START))
    assert (prices.spot, prices.on_demand) == (spot, on_demand)
    told = " ".join(prices.why)
    for trap in ("Low Priority", "'Reservation'", "'DevTestConsumption'", "no longer in effect", "not yet in effect"):
        assert trap in told or os is Os.WINDOWS


@pytest.mark.parametrize(
    ("size", "region"), [("standard_d4s_v5", "westeurope"), ("Standard_E4s_v5", "westeurope"), (D4, "WestEurope")]
)
def test_no_row_for_what_has_no_price(size: str, region: str) -> None:
    """Nor for another casing: the API compares with it."""
    (only,) = pages(size, region)
    assert (only["Items"], only["NextPageLink"]) == ([], None)
