"""Compute's lists of sizes and of used quota, as the Resource SKUs API and ``usages`` give them. Read by ``sizes``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from localazure.resource_manager.arm_resources import SUBSCRIPTION_PATH, Resource, listed
from localazure.world.market import cores
from localazure.world.sizes import SIZES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp import web

    from localazure.resource_manager.arm_resources import Asked
    from localazure.world.market import Market
    from localazure.world.sizes import Size
    from localazure.world.world import World

READ_SKUS: Final = "Microsoft.Compute/skus/read"
READ_USAGES: Final = "Microsoft.Compute/locations/usages/read"
PLENTY: Final = 100_000
"""The limit that is shown where the world has none."""

_COMPUTE: Final = r"/providers/microsoft\.compute"
_OF_REGION: Final = re.compile(r"location eq '([^']*)'")
_ZONES: Final = ("1", "2", "3")


def resources() -> tuple[Resource, ...]:
    """Give both lists."""
    usages = rf"{SUBSCRIPTION_PATH}{_COMPUTE}/locations/(?P<location>[^/]+)/usages"
    return (
        Resource("Microsoft.Compute/skus", f"{SUBSCRIPTION_PATH}{_COMPUTE}/skus", {"GET": _skus}),
        Resource("Microsoft.Compute/locations/usages", usages, {"GET": _usages}),
    )


def _skus(asked: Asked) -> web.Response:
    """List the sizes of a region, or of every region where a VM is; other resources are in the same list."""
    asked.authorize(READ_SKUS)
    world = asked.access.world
    named = _OF_REGION.search(asked.request.query.get("$filter", ""))
    everywhere = sorted({one.location.lower() for one in world.machines()})
    return listed(skus_of([named[1]] if named else everywhere, world))


def skus_of(locations: Sequence[str], world: World) -> list[dict[str, Any]]:
    """Give the list of regions."""
    sizes = [_size(size, location, world.market) for location in locations for size in SIZES]
    return [*sizes, *(_disk(location) for location in locations)]


def _size(size: Size, location: str, market: Market) -> dict[str, Any]:
    restriction = {
        "type": "Location",
        "values": [location],
        "restrictionInfo": {"locations": [location]},
        "reasonCode": "NotAvailableForSubscription",
    }
    return {
        "resourceType": "virtualMachines",
        "name": size.name,
        "tier": "Standard",
        "size": size.name.removeprefix("Standard_"),
        "family": size.family,
        "locations": [location],
        "locationInfo": [{"location": location, "zones": list(_ZONES), "zoneDetails": []}],
        "capabilities": [{"name": name, "value": value} for name, value in size.capabilities().items()],
        "restrictions": [restriction] if market.is_restricted(size.name, location) else [],
    }


def _disk(location: str) -> dict[str, Any]:
    return {"resourceType": "disks", "name": "Premium_LRS", "tier": "Premium", "locations": [location]}


def _usages(asked: Asked) -> web.Response:
    """List the quotas: a Spot VM counts as long as it is there, deallocated or not."""
    asked.authorize(READ_USAGES)
    return listed(usages_of(asked.match["subscription"], asked.match["location"], asked.access.world))


def usages_of(subscription: str, location: str, world: World) -> list[dict[str, Any]]:
    """Give the quotas of a subscription in a region."""
    subscription, location = subscription.lower(), location.lower()
    here = [
        one
        for one in world.machines()
        if one.deleted_at is None and (one.subscription_id.lower(), one.location.lower()) == (subscription, location)
    ]
    limit = world.market.core_limit(subscription, location)
    spot = sum(cores(one.size) for one in here if one.is_spot and _is_named_as_sizes_are(one.size))
    return [
        _usage("cores", "Total Regional vCPUs", 0, PLENTY),
        _usage("lowPriorityCores", "Total Regional Low-priority vCPUs", spot, PLENTY if limit is None else limit),
    ]


def _is_named_as_sizes_are(size: str) -> bool:
    """Whether the number of cores can be read; stories name sizes as they like."""
    return re.match(r"[a-z]+_[a-z]+\d", size, re.IGNORECASE) is not None


def _usage(name: str, text: str, used: int, limit: int) -> dict[str, Any]:
    return {"unit": "Count", "currentValue": used, "limit": limit, "name": {"value": name, "localizedValue": text}}
