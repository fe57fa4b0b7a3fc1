"""A method or a version that is not there is 405 or 400, as in Azure, at every front; never 404, which says: gone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from localazure.event_grid.outcomes_topic import PATH as TOPIC
from localazure.event_grid.outcomes_topic import OutcomesTopic, outcomes_application
from localazure.functions.event_grid_webhook import PATH as WEBHOOK
from localazure.functions.event_grid_webhook import event_grid_routes
from localazure.laptop import EVENT_FILTERS, TEMPLATE
from localazure.resource_manager.arm import arm_resources
from localazure.resource_manager.deployment import deployed
from localazure.resource_manager.roles import RESPONDER_ROLE
from localazure.runtime.identity import TokenIssuer, identity_application
from localazure.world.world import SUBSCRIPTION
from tests.harness.fronts import GRAPH, START, VM1, Front, serve

if TYPE_CHECKING:
    from pathlib import Path

    from localazure.resource_manager.arm_resources import Resource

METHODS: Final = ("GET", "HEAD", "PUT", "PATCH", "POST", "DELETE")
GROUP: Final = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg1"
GRID: Final = "providers/Microsoft.EventGrid/systemTopics"
RBAC: Final = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization"
OPERATION: Final = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Compute/locations/westeurope/operations/1"
ADDRESSES: Final = (
    VM1,
    *(f"{VM1}/{action}" for action in ("instanceView", "start", "deallocate", "powerOff", "restart")),
    f"{VM1}/simulateEviction",
    f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Compute/virtualMachines",
    f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Compute/skus",
    f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Compute/locations/westeurope/usages",
    f"{GROUP}/providers/Microsoft.Compute/virtualMachines",
    OPERATION,
    GRAPH,
    f"{VM1}/providers/Microsoft.Resources/tags/default",
    f"{GROUP}/providers/Microsoft.Network/networkInterfaces/vm1",
    f"{GROUP}/providers/Microsoft.Network/networkInterfaces",
    f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Network/networkInterfaces",
    "/tenants",
    "/subscriptions",
    f"/subscriptions/{SUBSCRIPTION}",
    f"/subscriptions/{SUBSCRIPTION}/resourcegroups",
    GROUP,
    f"/subscriptions/{SUBSCRIPTION}/{GRID}",
    f"{GROUP}/{GRID}/evgst-health/eventSubscriptions",
    f"{RBAC}/roleDefinitions",
    f"{RBAC}/roleAssignments",
    f"{GROUP}/providers/Microsoft.Storage/storageAccounts/one/providers/Microsoft.Authorization/roleAssignments",
    f"{VM1}/providers/Microsoft.ResourceHealth/availabilityStatuses/current",
    f"{GROUP}/providers/Microsoft.Compute/virtualMachineScaleSets/set1",
)


def everything(front: Front) -> tuple[Resource, ...]:
    """Give what stands at the management address."""
    return arm_resources(front.graph, deployed(EVENT_FILTERS, RESPONDER_ROLE, TEMPLATE))


def test_every_address_of_arm_refuses_versions_and_methods_that_it_has_not(tmp_path: Path) -> None:
    """By a list of what the laptop Azure has: what is added to it is asked here as well."""

    async def story(front: Front) -> None:
        seen = []
        for path in ADDRESSES:
            (resource,) = [one for one in everything(front) if one.fits(path)]
            seen.append(resource.path)
            for version in ("2099-01-01", "1999-12-31", "latest", "2024-07-01'"):
                for method in METHODS:
                    answer = await front.ask(method, path, who="owner", version=version)
                    assert answer.status == 400, (method, path, version, answer.body)
                    if method != "HEAD":
                        assert answer.body["error"]["code"] in {
                            "InvalidApiVersionParameter",
                            "NoRegisteredProviderFound",
                        }
            for method in set(METHODS) - set(resource.methods):
                answer = await front.ask(method, path, who="owner", version=_known(resource))
                assert answer.status == 405, (method, path, answer.body)
                assert answer.headers["Allow"] == ", ".join(sorted(resource.methods))
                assert method == "HEAD" or answer.body["error"]["code"] == "MethodNotAllowed"
            assert (await front.ask("GET", path, who="owner", version=None)).status == 400
        assert sorted(seen) == sorted(resource.path for resource in everything(front))

    play(tmp_path, story)


def _known(resource: Resource) -> str:
    """Give a version that a type has."""
    return {
        "Microsoft.Compute": "2026-04-01",
        "Microsoft.ResourceGraph": "2024-04-01",
        "Microsoft.Network": "2023-11-01",
        "Microsoft.EventGrid": "2025-02-15",
        "Microsoft.ResourceHealth": "2022-10-01",
    }.get(resource.kind.partition("/")[0], "2022-04-01" if "Authorization" in resource.kind else "2022-12-01")


def play(folder: Path, story: object) -> None:
    """Serve a world with what a deployment made, and play a story in it."""

    async def whole() -> None:
        async with serve(folder, beside=deployed(EVENT_FILTERS, RESPONDER_ROLE, TEMPLATE)) as front:
            await story(front)  # type: ignore[operator]

    asyncio.run(whole())


def test_the_refusals_are_in_azures_words(tmp_path: Path) -> None:
    """As public reports have them: the versions that there are stand in the message."""

    async def story(front: Front) -> None:
        compute = (await front.ask("GET", VM1, version="2099-01-01")).body["error"]
        assert compute["code"] == "NoRegisteredProviderFound"
        assert compute["message"].startswith(
            "No registered resource provider found for location 'westeurope' and API version '2099-01-01' for type "
            "'virtualMachines'. The supported api-versions are '2015-05-01-preview, 2015-06-15, "
        )
        assert compute["message"].endswith("The supported locations are 'westeurope'.")
        of_arm = (await front.ask("GET", "/subscriptions", version="2099-01-01")).body["error"]
        assert of_arm["code"] == "InvalidApiVersionParameter"
        assert of_arm["message"].startswith("The api-version '2099-01-01' is invalid. The supported versions are '2025")
        odd = (await front.ask("GET", VM1, version="newest")).body["error"]
        assert odd["code"] == "InvalidApiVersionParameter"
        method = (await front.ask("POST", VM1)).body["error"]
        assert method["message"].startswith("The HTTP method 'POST' is not supported on the resource 'https://")
        nothing = await front.ask("POST", f"{VM1}/reimage")
        assert (nothing.status, nothing.body["error"]["code"]) == (404, "InvalidResourceType")
        assert (
            "'virtualMachines/reimage' could not be found in the namespace 'Microsoft.Compute'"
            in (nothing.body["error"]["message"])
        )

    play(tmp_path, story)


def test_the_endpoints_metadata_asks_for_no_login_and_refuses_as_the_rest(tmp_path: Path) -> None:
    """Whoever registers a cloud has no token yet."""

    async def story(front: Front) -> None:
        path = "/metadata/endpoints"
        for version in ("2015-01-01", "2019-05-01", "2022-09-01"):
            answer = await front.ask("GET", path, who="", version=version)
            assert answer.status == 200
            (body,) = answer.body if isinstance(answer.body, list) else [answer.body]
            assert body["authentication"]["audiences"] == [front.url]
        assert (await front.ask("GET", path, version="2099-01-01")).body["error"][
            "code"
        ] == "InvalidApiVersionParameter"
        assert (await front.ask("GET", path, version=None)).body["error"]["code"] == "MissingApiVersionParameter"
        for method in ("PUT", "POST", "PATCH", "DELETE"):
            assert (await front.ask(method, path, version="2022-09-01")).status == 405

    play(tmp_path, story)


def _identity() -> web.Application:
    return identity_application(TokenIssuer(b"k" * 32, lambda: START), {"": "owner"}, "header")


def _webhook() -> web.Application:
    application = web.Application()
    application.add_routes(event_grid_routes({}))
    return application


@pytest.mark.parametrize(
    ("application", "path", "allowed", "wrong_version"),
    [
        (_identity, "/msi/token?resource=https://a", {"GET", "HEAD"}, "GET"),
        (lambda: outcomes_application(OutcomesTopic(), lambda _: "owner"), TOPIC, {"POST"}, "POST"),
        (_webhook, WEBHOOK, {"POST", "OPTIONS"}, None),
    ],
    ids=["identity", "custom topic", "webhook"],
)
def test_the_other_fronts_refuse_likewise(
    application: object, path: str, allowed: set[str], wrong_version: str | None
) -> None:
    """Identity, a custom topic of Event Grid, and the address to which it pushes."""

    async def story() -> None:
        headers = {"X-IDENTITY-HEADER": "header", "Authorization": "Bearer token"}
        async with TestClient(TestServer(application())) as client:  # type: ignore[operator]
            for method in set(METHODS) - allowed:
                async with client.request(method, path, headers=headers) as answer:
                    assert answer.status == 405, method
            if wrong_version:
                joint = "&" if "?" in path else "?"
                for version in ("", f"{joint}api-version=2099-01-01", f"{joint}api-version=newest"):
                    async with client.request(wrong_version, path + version, headers=headers, data="[]") as answer:
                        assert answer.status == 400, version

    asyncio.run(story())
