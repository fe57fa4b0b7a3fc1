"""The endpoints, tenants, subscriptions and resource groups of the laptop Azure, as ARM shows them to a login."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from localazure.resource_manager.access import demand_version
from localazure.resource_manager.arm_resources import GROUP_PATH, SUBSCRIPTION_PATH, Resource, listed
from localazure.resource_manager.roles import NO_ROLE
from localazure.world.azure_errors import Refused, group_not_found, method_not_allowed
from localazure.world.timestamps import TENANT_ID
from localazure.world.world import SUBSCRIPTION

if TYPE_CHECKING:
    from localazure.resource_manager.access import Access
    from localazure.resource_manager.arm_resources import Asked

READ_SUBSCRIPTION: Final = "Microsoft.Resources/subscriptions/read"
READ_GROUP: Final = "Microsoft.Resources/subscriptions/resourceGroups/read"
METADATA: Final = "/metadata/endpoints"
NAME: Final = "LaptopAzure"
APP_GROUP: Final = "rg-spot-responder"

_OLD: Final = ("2015-01-01", "2017-08-01", "2018-05-01")
_LISTS: Final = ("2019-05-01", "2019-10-01", "2020-06-01")
_NEW: Final = ("2022-09-01",)


def metadata_answer(access: Access, request: web.Request) -> web.Response:
    """Tell anybody where the services of this cloud are, as ``az cloud register`` and the SDKs ask before they log in.

    Services that the laptop Azure has not are at addresses that lead nowhere.
    """

    def answer() -> web.Response:
        version = demand_version(request)
        if version not in _OLD + _LISTS + _NEW:
            known = ",".join(reversed(_OLD + _LISTS + _NEW))
            message = f"The api-version '{version}' is invalid. The supported versions are '{known}'."
            raise Refused(400, "InvalidApiVersionParameter", message)
        if request.method != "GET":
            raise method_not_allowed(request.method, str(request.url), ["GET"])
        origin = str(request.url.origin())
        if version in _OLD:
            return web.json_response(_few_endpoints(origin))
        endpoints = _endpoints(origin)
        return web.json_response([endpoints] if version in _LISTS else endpoints)

    return access.in_form(answer)


def _few_endpoints(origin: str) -> dict[str, Any]:
    return {
        "galleryEndpoint": f"{_nowhere('gallery')}/",
        "graphEndpoint": f"{_nowhere('graph')}/",
        "portalEndpoint": f"{_nowhere('portal')}/",
        "authentication": {"loginEndpoint": f"{_nowhere('login')}/", "audiences": [origin]},
    }


def _endpoints(origin: str) -> dict[str, Any]:
    return {
        "name": NAME,
        "portal": _nowhere("portal"),
        "authentication": {
            "loginEndpoint": _nowhere("login"),
            "audiences": [origin],
            "tenant": "common",
            "identityProvider": "AAD",
        },
        "graphAudience": f"{_nowhere('graph')}/",
        "graph": f"{_nowhere('graph')}/",
        "gallery": f"{_nowhere('gallery')}/",
        "batch": f"{_nowhere('batch')}/",
        "media": _nowhere("media"),
        "sqlManagement": f"{_nowhere('sql')}/",
        "vmImageAliasDoc": f"{_nowhere('images')}/aliases.json",
        "activeDirectoryDataLake": f"{_nowhere('datalake')}/",
        "logAnalyticsResourceId": _nowhere("logs"),
        "microsoftGraphResourceId": f"{_nowhere('msgraph')}/",
        "resourceManager": f"{origin}/",
        "suffixes": {
            "storage": "storage.invalid",
            "keyVaultDns": "vault.invalid",
            "sqlServerHostname": "database.invalid",
            "acrLoginServer": "registry.invalid",
        },
    }


def _nowhere(service: str) -> str:
    return f"https://{service}.invalid"


def resources() -> tuple[Resource, ...]:
    """Give what stands at ARM's own addresses."""
    groups = SUBSCRIPTION_PATH + "/resourcegroups"
    return (
        Resource("Microsoft.Resources/tenants", "/tenants", {"GET": _tenants}),
        Resource("Microsoft.Resources/subscriptions", "/subscriptions", {"GET": _subscriptions}),
        Resource("Microsoft.Resources/subscriptions", SUBSCRIPTION_PATH, {"GET": _subscription}),
        Resource("Microsoft.Resources/resourceGroups", groups, {"GET": _groups}),
        Resource("Microsoft.Resources/resourceGroups", GROUP_PATH, {"GET": _group, "HEAD": _is_there}),
    )


def _tenants(_: Asked) -> web.Response:
    return listed(
        [
            {
                "id": f"/tenants/{TENANT_ID}",
                "tenantId": TENANT_ID,
                "countryCode": "NL",
                "displayName": "Azure on a laptop",
                "domains": ["laptop.invalid"],
                "defaultDomain": "laptop.invalid",
                "tenantCategory": "Home",
            }
        ]
    )


def _subscriptions(asked: Asked) -> web.Response:
    """List those in which the principal has any role."""
    may_see = asked.access.roles.get(asked.principal, NO_ROLE) != NO_ROLE
    bodies = [_subscription_body(each) for each in _known(asked.access)] if may_see else []
    return web.json_response({"value": bodies, "count": {"type": "Total", "value": len(bodies)}})


def _subscription(asked: Asked) -> web.Response:
    wanted = asked.match["subscription"]
    if wanted.lower() not in _known(asked.access):
        raise Refused(404, "SubscriptionNotFound", f"The subscription '{wanted}' could not be found.")
    asked.authorize(READ_SUBSCRIPTION)
    return web.json_response(_subscription_body(wanted.lower()))


def _subscription_body(subscription_id: str) -> dict[str, Any]:
    return {
        "id": f"/subscriptions/{subscription_id}",
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "subscriptionId": subscription_id,
        "tenantId": TENANT_ID,
        "displayName": f"Laptop {subscription_id[:8]}",
        "state": "Enabled",
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01",
            "quotaId": "PayAsYouGo_2014-09-01",
            "spendingLimit": "Off",
        },
    }


def _known(access: Access) -> list[str]:
    return list(dict.fromkeys([SUBSCRIPTION, *(one.subscription_id.lower() for one in access.world.machines())]))


def _groups(asked: Asked) -> web.Response:
    asked.authorize(READ_GROUP)
    return listed([_group_body(*each) for each in _groups_of(asked).values()])


def _group(asked: Asked) -> web.Response:
    asked.authorize(READ_GROUP)
    found = _groups_of(asked).get(asked.match["group"].lower())
    if found is None:
        raise group_not_found(asked.match["group"])
    return web.json_response(_group_body(*found))


def _is_there(asked: Asked) -> web.Response:
    asked.authorize(READ_GROUP)
    return web.Response(status=204 if asked.match["group"].lower() in _groups_of(asked) else 404)


def _groups_of(asked: Asked) -> dict[str, tuple[str, str, str]]:
    """Give subscription, name and location of each group, by name."""
    wanted = asked.match["subscription"].lower()
    found = {
        one.resource_group.lower(): (one.subscription_id, one.resource_group, one.location)
        for one in asked.access.world.machines()
        if one.subscription_id.lower() == wanted
    }
    return found | ({APP_GROUP: (SUBSCRIPTION, APP_GROUP, "westeurope")} if wanted == SUBSCRIPTION else {})


def _group_body(subscription_id: str, name: str, location: str) -> dict[str, Any]:
    return {
        "id": f"/subscriptions/{subscription_id}/resourceGroups/{name}",
        "name": name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": location,
        "properties": {"provisioningState": "Succeeded"},
    }
