"""What else somebody asks about who creates resources: what the login may do, and what quota is left."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from localazure.resource_manager.api_versions import check_version
from localazure.resource_manager.arm_resources import SUBSCRIPTION_PATH, listed
from localazure.resource_manager.roles import NO_ROLE
from localazure.world.market import total_cores

if TYPE_CHECKING:
    from aiohttp import web

    from localazure.resource_manager.access import Access

_PERMISSIONS: Final = re.compile(rf"{SUBSCRIPTION_PATH}/providers/microsoft\.authorization/permissions", re.IGNORECASE)
_USAGES: Final = re.compile(
    rf"{SUBSCRIPTION_PATH}/providers/microsoft\.compute/locations/(?P<location>[^/]+)/usages", re.IGNORECASE
)
PERMISSIONS_READ: Final = "Microsoft.Authorization/permissions/read"
USAGES_READ: Final = "Microsoft.Compute/locations/usages/read"


def answer(access: Access, request: web.Request, principal: str) -> web.Response | None:
    """Answer a GET at one of these addresses; ``None`` at any other."""
    if request.method != "GET":
        return None
    version = request.query["api-version"]
    if _PERMISSIONS.fullmatch(request.path):
        check_version("Microsoft.Authorization/permissions", version, "")
        access.authorize(principal, PERMISSIONS_READ, request.path)
        role = access.roles.get(principal, NO_ROLE)
        return listed([{"actions": list(role.actions), "notActions": list(role.not_actions)}])
    if (match := _USAGES.fullmatch(request.path)) is not None:
        check_version("Microsoft.Compute/locations/usages", version, match["location"])
        access.authorize(principal, USAGES_READ, request.path)
        return listed([_spot_cores(access, match)])
    return None


def _spot_cores(access: Access, match: re.Match[str]) -> dict[str, object]:
    world = access.world
    used = total_cores(
        one.size
        for one in world.machines()
        if one.is_spot
        and one.deleted_at is None
        and one.subscription_id.lower() == match["subscription"].lower()
        and one.location == match["location"]
    )
    limit = world.market.core_limit(match["subscription"].lower(), match["location"])
    name = {"value": "lowPriorityCores", "localizedValue": "Total Regional Spot vCPUs"}
    return {"unit": "Count", "name": name, "currentValue": used, "limit": 100_000 if limit is None else limit}
