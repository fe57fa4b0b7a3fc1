"""What the SDKs and ``az`` do for every peer: list what is down, ask for a start, wait for it, obey a 429."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from azure.core.exceptions import HttpResponseError
from azure.core.rest import HttpRequest
from azure.mgmt.resourcegraph.models import QueryRequest, QueryRequestOptions

from spot_responder.clients.kql import fill, read_query
from spot_responder.intake.vms import VmId

if TYPE_CHECKING:
    from bench.stage import Azure

TAG: Final = "AttemptRestartAfterEviction"
_TOO_MANY: Final = 429
_STATUS_RETRIES: Final = 3
"""azure-core's RetryPolicy: three more tries after a 429, each when ``Retry-After`` is over."""

_POLLING_S: Final = 10.0
"""``Retry-After`` of a start, which the SDK's poller obeys."""


async def list_down(azure: Azure) -> list[VmId]:
    """List the tagged Spot VMs that are deallocated: one query for all subscriptions, page by page."""
    graph, query = azure.graph(), fill("sweep", read_query("sweep"), restart_tag=TAG)
    found: list[VmId] = []
    token: str | None = None
    while True:
        options = QueryRequestOptions(top=1000, skip_token=token, result_format="objectArray")
        page = await graph.resources(QueryRequest(query=query, options=options), raw_response_hook=_ignore)
        found += [VmId.parse(row["id"]) for row in page.data]
        token = page.skip_token
        if token is None:
            return found


async def start(azure: Azure, vm_id: VmId) -> str | None:
    """Ask for a start, as ``begin_start`` does; give the operation's address, or ``None`` where Azure refused."""
    heard: list[Any] = []
    machines = azure.compute(vm_id.subscription_id).virtual_machines
    for _ in range(1 + _STATUS_RETRIES):
        try:
            await machines.begin_start(vm_id.resource_group, vm_id.name, polling=False, raw_response_hook=heard.append)
        except HttpResponseError as error:
            if error.status_code != _TOO_MANY:
                return None
            await asyncio.sleep(_retry_after_s(error))
        else:
            return str(heard[-1].http_response.headers["Azure-AsyncOperation"])
    return None


async def came_up(azure: Azure, vm_id: VmId, operation: str | None) -> bool:
    """Wait for a start as the SDK's poller does, and answer whether it succeeded."""
    client = azure.compute(vm_id.subscription_id)
    while operation is not None:
        answer = await client.send_request(
            HttpRequest("GET", operation), raw_response_hook=_ignore, permit_redirects=False
        )
        if answer.status_code == _TOO_MANY:
            # A request that is sent so raises nothing.
            await asyncio.sleep(float(answer.headers["Retry-After"]))
            continue
        status = answer.json()["status"]
        if status != "InProgress":
            return bool(status == "Succeeded")
        await asyncio.sleep(_POLLING_S)
    return False


def _retry_after_s(error: HttpResponseError) -> float:
    headers = getattr(error.response, "headers", {})
    return float(headers["Retry-After"])


def _ignore(_response: object) -> None:
    pass
