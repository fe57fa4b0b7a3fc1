"""The front of ARM: resources over HTTP, as management.azure.com offers them. Started by ``laptop.py``.

``compute`` has the virtual machines, ``arm_resources.py`` what all resources have in common.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from aiohttp import web

from localazure.resource_manager import deployment, directory
from localazure.resource_manager.arm_resources import (
    GROUP_PATH,
    SUBSCRIPTION_PATH,
    Resource,
    listed,
    read_content,
    reply,
)
from localazure.resource_manager.compute import network, skus, tags
from localazure.resource_manager.compute.operation_addresses import address, is_signed
from localazure.resource_manager.compute.vm_bodies import instance_view, vm_body
from localazure.resource_manager.compute.vm_writes import check_etag, read_patch, read_put
from localazure.resource_manager.limits import DELETE_VM, GET_OPERATION, HIGH_COST_GET, LOW_COST_GET, UPDATE_VM, Policy
from localazure.resource_manager.operation_answers import monitored, operation_body
from localazure.world import owner_moves, vm_lifecycle
from localazure.world.azure_errors import Refused, entity_not_found, group_not_found, not_found
from localazure.world.operations import IN_PROGRESS, Call
from localazure.world.timestamps import TENANT_ID, guid

if TYPE_CHECKING:
    import re
    from collections.abc import Callable

    from localazure.resource_manager.access import Access
    from localazure.resource_manager.arm_resources import Asked, Reply
    from localazure.resource_manager.compute.vm_writes import Wanted
    from localazure.resource_manager.deployment import Deployed
    from localazure.resource_manager.made.made import Made
    from localazure.resource_manager.resource_graph.service import Graph
    from localazure.world.machines import Machine
    from localazure.world.operations import Operation

READ: Final = "Microsoft.Compute/virtualMachines/read"
READ_INSTANCE_VIEW: Final = "Microsoft.Compute/virtualMachines/instanceView/read"
READ_OPERATION: Final = "Microsoft.Compute/locations/operations/read"
RETRY_AFTER: Final = "10"

_TYPE: Final = r"/providers/microsoft\.compute/virtualmachines"
_VM: Final = rf"(?P<scope>{GROUP_PATH}{_TYPE}/(?P<name>[^/]+))"
_OPERATION: Final = (
    rf"(?P<scope>{SUBSCRIPTION_PATH}/providers/microsoft\.compute/locations/(?P<location>[^/]+)"
    r"/operations/(?P<operation>[^/]+))"
)


@dataclass(frozen=True, slots=True)
class Question:
    """A request about one VM that was let in."""

    access: Access
    request: web.Request
    principal: str
    machine: Machine
    body: bytes


type Answer = Callable[[Question], web.Response]


@dataclass(frozen=True, slots=True)
class Route:
    """One kind of request: method, what follows the VM's id, the actions it needs, Compute's policy, the answer."""

    method: str
    tail: str
    actions: tuple[str, ...]
    policy: Policy
    answer: Answer


def arm_application(
    access: Access, graph: Graph, beside: Deployed | None = None, made: Made | None = None
) -> web.Application:
    """Build what listens at the management address: ARM Compute and, as in Azure on the same host, Resource Graph.

    ``beside``: what a deployment has made, to be shown as well. ``made``: lets resources be created; without it, none
    can be.
    """
    resources = arm_resources(graph, beside)

    def one_of(request: web.Request, body: bytes, principal: str) -> web.Response:
        ours = made.answer(access, request, body, principal) if made else None
        return ours or reply(resources, access, request, body, principal)

    async def answer(request: web.Request) -> web.Response:
        body = await request.read()
        await access.operation_answers.keep_silent(request)
        return access.respond(request, lambda principal: one_of(request, body, principal))

    async def metadata(request: web.Request) -> web.Response:
        return directory.metadata_answer(access, request)

    application = web.Application()
    application.router.add_route("*", directory.METADATA, metadata)
    application.router.add_route("*", "/{path:.*}", answer)
    return application


def arm_resources(graph: Graph, beside: Deployed | None = None) -> tuple[Resource, ...]:
    """Give all that stands at the management address, but the endpoints' metadata, which ask for no login."""
    return (
        *_vm_resources(),
        graph.resource(),
        *tags.resources(),
        *network.resources(),
        *skus.resources(),
        *directory.resources(),
        *(deployment.resources(beside) if beside else ()),
    )


def _vm_resources() -> tuple[Resource, ...]:
    """Give the addresses of VMs and of the operations on them."""
    of_vm: dict[str, dict[str, Reply]] = {}
    for route in _ROUTES:
        of_vm.setdefault(route.tail, {})[route.method] = partial(_ask, route)
    return (
        *(Resource("Microsoft.Compute/virtualMachines", _VM + tail, methods) for tail, methods in of_vm.items()),
        Resource("Microsoft.Compute/virtualMachines", SUBSCRIPTION_PATH + _TYPE, {"GET": _list}),
        Resource("Microsoft.Compute/virtualMachines", GROUP_PATH + _TYPE, {"GET": _list}),
        Resource("Microsoft.Compute/locations/operations", _OPERATION, {"GET": _ask_operation}),
    )


def _ask_operation(asked: Asked) -> web.Response:
    access, principal = asked.access, asked.principal
    poll = Call(access.world.now, principal, "GET", READ_OPERATION, None)
    return access.record(poll, lambda: _poll(access, asked.request, principal, asked.match))


def _ask(route: Route, asked: Asked) -> web.Response:
    if route.method == "GET" and asked.request.query.get("$expand", "").lower() == "instanceview":
        route = _EXPANDED
    access, match = asked.access, asked.match
    machine = access.world.find(match["scope"])
    vm_id = match["scope"] if machine is None else machine.vm_id
    call = Call(access.world.now, asked.principal, asked.request.method, route.actions[-1], vm_id)
    return access.record(call, lambda: _answer(route, asked))


def _answer(route: Route, asked: Asked) -> web.Response:
    access, principal, match = asked.access, asked.principal, asked.match
    for action in route.actions:
        access.authorize(principal, action, match["scope"])
    now, subscription = access.world.now, match["subscription"].lower()
    headers = access.limits.take_arm(route.method, principal, subscription, route.actions[-1], now)
    try:
        machine = _machine(access, match)
    except Refused as refusal:
        if route.method == "DELETE" and refusal.code != "ResourceGroupNotFound":
            # What is gone is deleted.
            return web.Response(status=204, headers=headers)
        raise
    headers |= access.limits.take_compute(route.policy, machine.vm_id, subscription, machine.location, now)
    response = route.answer(Question(access, asked.request, principal, machine, asked.body))
    response.headers.update(headers)
    return response


def _list(asked: Asked) -> web.Response:
    """List the VMs of a group or of a subscription, without their instance views."""
    access, principal, match = asked.access, asked.principal, asked.match
    now, subscription = access.world.now, match["subscription"].lower()

    def answer() -> web.Response:
        asked.authorize(READ)
        headers = access.limits.take_arm("GET", principal, subscription, READ, now)
        beginning = match[0].lower().partition("/providers/")[0]
        ever = [one for one in access.world.machines() if one.vm_id.lower().startswith(f"{beginning}/")]
        if not ever and "group" in match.re.groupindex:
            raise group_not_found(match["group"])
        there = [one for one in ever if one.deleted_at is None]
        location = there[0].location if there else ""
        headers |= access.limits.take_compute(HIGH_COST_GET, match[0], subscription, location, now)
        response = listed([vm_body(one, one.condition, expanded=False) for one in there])
        response.headers.update(headers)
        return response

    return access.record(Call(now, principal, "GET", READ, None), answer)


def _machine(access: Access, match: re.Match[str]) -> Machine:
    machine = access.world.find(match["scope"])
    if machine is not None:
        return machine
    if access.world.is_gone_by_eviction(match["scope"]):
        raise entity_not_found()
    beginning = f"/subscriptions/{match['subscription']}/resourceGroups/{match['group']}/".lower()
    if any(one.vm_id.lower().startswith(beginning) for one in access.world.machines()):
        raise not_found(match["name"], match["group"])
    raise group_not_found(match["group"])


def _get(question: Question) -> web.Response:
    return web.json_response(vm_body(question.machine, question.machine.condition, expanded=False))


def _get_expanded(question: Question) -> web.Response:
    return web.json_response(vm_body(question.machine, question.machine.condition, expanded=True))


def _get_instance_view(question: Question) -> web.Response:
    return web.json_response(instance_view(question.machine, question.machine.condition))


def _start(question: Question) -> web.Response:
    return _accepted(question, question.access.world.start(question.machine, question.principal))


def _deallocate(question: Question) -> web.Response:
    return _accepted(question, question.access.world.stop_by_owner(question.machine.vm_id, question.principal))


def _power_off(question: Question) -> web.Response:
    return _accepted(question, question.access.world.power_off(question.machine, question.principal))


def _restart(question: Question) -> web.Response:
    return _accepted(question, question.access.world.restart(question.machine, question.principal))


def _delete(question: Question) -> web.Response:
    return _accepted(question, question.access.world.delete_by_owner(question.machine, question.principal))


def _put(question: Question) -> web.Response:
    return _written(question, read_put(read_content(question.body), question.machine))


def _patch(question: Question) -> web.Response:
    check_etag(question.machine, question.request.headers.get("If-Match"))
    return _written(question, read_patch(read_content(question.body), question.machine))


def _written(question: Question, wanted: Wanted) -> web.Response:
    """Answer with the VM as it becomes, and the address where its writing is followed."""
    machine, access = question.machine, question.access
    operation = access.world.update(machine, question.principal, wanted.tags, wanted.size, wanted.max_price)
    response = _get(question)
    response.headers.update(_accepted(question, operation).headers)
    del response.headers["Location"]
    return response


def _simulate_eviction(question: Question) -> web.Response:
    question.access.world.simulate_eviction(question.machine.vm_id, question.principal)
    return web.Response(status=204)


def _accepted(question: Question, operation: Operation) -> web.Response:
    origin, key = str(question.request.url.origin()), question.access.signing_key
    version = question.request.query["api-version"]
    identifier = f"tenantId={TENANT_ID},objectId={guid('principal', question.principal)}"
    return question.access.operation_answers.accept(
        {
            "Azure-AsyncNotification": "Enabled",
            "Azure-AsyncOperation": address(origin, operation, version, key),
            "Location": address(origin, operation, version, key, monitor=True),
            "Retry-After": RETRY_AFTER,
            "x-ms-operation-identifier": f"{identifier}/{operation.location}/{operation.operation_id}",
        }
    )


def _poll(access: Access, request: web.Request, principal: str, match: re.Match[str]) -> web.Response:
    if (instead := access.operation_answers.instead(request.path)) is not None:
        return instead
    access.authorize(principal, READ_OPERATION, match["scope"])
    if not is_signed(match["operation"], request.query, access.signing_key):
        raise Refused(403, "AuthorizationFailed", "The signature of this operation's address is not valid.")
    operation = access.world.operations.get(match["operation"].lower())
    if operation is None:
        raise Refused(404, "NotFound", f"The operation '{match['operation']}' was not found.")
    now, subscription = access.world.now, match["subscription"].lower()
    headers = access.limits.take_arm("GET", principal, subscription, READ_OPERATION, now)
    headers |= access.limits.take_compute(GET_OPERATION, operation.operation_id, subscription, operation.location, now)
    at_location = request.query.get("monitor", "").lower() == "true"
    response = monitored(operation) if at_location else web.json_response(operation_body(operation))
    if operation.status == IN_PROGRESS:
        response.headers["Retry-After"] = RETRY_AFTER
    response.headers.update(headers)
    return response


# That instanceView/read is needed where the view is expanded is an assumption.
_EXPANDED: Final = Route("GET", "", (READ, READ_INSTANCE_VIEW), LOW_COST_GET, _get_expanded)
_ROUTES: Final = (
    Route("GET", "", (READ,), LOW_COST_GET, _get),
    Route("GET", "/instanceview", (READ_INSTANCE_VIEW,), LOW_COST_GET, _get_instance_view),
    Route("PUT", "", (owner_moves.WRITE,), UPDATE_VM, _put),
    Route("PATCH", "", (owner_moves.WRITE,), UPDATE_VM, _patch),
    Route("DELETE", "", (owner_moves.DELETE,), DELETE_VM, _delete),
    Route("POST", "/start", (vm_lifecycle.START,), UPDATE_VM, _start),
    Route("POST", "/poweroff", (owner_moves.POWER_OFF,), UPDATE_VM, _power_off),
    Route("POST", "/restart", (owner_moves.RESTART,), UPDATE_VM, _restart),
    Route("POST", "/deallocate", (vm_lifecycle.DEALLOCATE,), DELETE_VM, _deallocate),
    Route("POST", "/simulateeviction", (vm_lifecycle.SIMULATE_EVICTION,), DELETE_VM, _simulate_eviction),
)
