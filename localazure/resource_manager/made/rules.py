"""What else somebody asks who creates resources: what the login may do, what quota is left, what is in a group."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from localazure.resource_manager.api_versions import check_version
from localazure.resource_manager.arm_resources import GROUP_PATH, SUBSCRIPTION_PATH, listed
from localazure.resource_manager.roles import NO_ROLE
from localazure.world.market import total_cores

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web

    from localazure.resource_manager.access import Access

_PERMISSIONS: Final = re.compile(rf"{SUBSCRIPTION_PATH}/providers/microsoft\.authorization/permissions", re.IGNORECASE)
_USAGES: Final = re.compile(
    rf"{SUBSCRIPTION_PATH}/providers/microsoft\.compute/locations/(?P<location>[^/]+)/usages", re.IGNORECASE
)
_CONTENT: Final = re.compile(rf"(?P<at>{GROUP_PATH})/resources", re.IGNORECASE)
_RESOURCE: Final = re.compile(rf"{GROUP_PATH}/providers/[^/]+/[^/]+/[^/]+", re.IGNORECASE)
CONTENT_READ: Final = "Microsoft.Resources/subscriptions/resourceGroups/resources/read"
PERMISSIONS_READ: Final = "Microsoft.Authorization/permissions/read"
USAGES_READ: Final = "Microsoft.Compute/locations/usages/read"


def answer(
    access: Access, request: web.Request, principal: str, bodies: Mapping[str, Mapping[str, Any]]
) -> web.Response | None:
    """Answer a GET at one of these addresses; ``None`` at any other. ``bodies``: what was created, by its id."""
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
    if (match := _CONTENT.fullmatch(request.path)) is not None:
        check_version("Microsoft.Resources/resources", version, "")
        access.authorize(principal, CONTENT_READ, request.path)
        inside = [each for each in bodies if each.startswith(f"{match['at'].lower()}/") and _RESOURCE.fullmatch(each)]
        return listed([{key: bodies[each][key] for key in ("id", "name", "type")} for each in inside])
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
