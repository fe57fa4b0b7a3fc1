"""The ARM Compute front: VMs over HTTP, as management.azure.com offers them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiohttp import web

from localazure import deployed, moves
from localazure.limits import DELETE_VM, GET_OPERATION, LOW_COST_GET, UPDATE_VM, Policy
from localazure.operation_addresses import address, is_signed
from localazure.operations import IN_PROGRESS, Call
from localazure.refusals import Refused, group_not_found, not_found
from localazure.timestamps import TENANT_ID, guid, offset_time
from localazure.vm_bodies import instance_view, vm_body

if TYPE_CHECKING:
    from collections.abc import Callable

    from localazure.access import Access
    from localazure.deployed import Deployed
    from localazure.graph import Graph
    from localazure.machines import Machine
    from localazure.operations import Operation

READ: Final = "Microsoft.Compute/virtualMachines/read"
READ_INSTANCE_VIEW: Final = "Microsoft.Compute/virtualMachines/instanceView/read"
READ_OPERATION: Final = "Microsoft.Compute/locations/operations/read"
RETRY_AFTER: Final = "10"

_VM: Final = (
    r"(?P<scope>/subscriptions/(?P<subscription>[^/]+)/resourcegroups/(?P<group>[^/]+)"
    r"/providers/microsoft\.compute/virtualmachines/(?P<name>[^/]+))"
)
_OPERATION: Final = re.compile(
    r"(?P<scope>/subscriptions/(?P<subscription>[^/]+)/providers/microsoft\.compute/locations/(?P<location>[^/]+)"
    r"/operations/(?P<operation>[^/]+))",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Question:
    """A request about one VM that was let in."""

    access: Access
    request: web.Request
    principal: str
    machine: Machine


type Answer = Callable[[Question], web.Response]


@dataclass(frozen=True, slots=True)
class Route:
    """One kind of request: method, what follows the VM's id, the actions it needs, Compute's policy, the answer."""

    method: str
    tail: str
    actions: tuple[str, ...]
    policy: Policy
    answer: Answer


def arm_application(access: Access, graph: Graph, beside: Deployed | None = None) -> web.Application:
    """Build what listens at the management address: ARM Compute and, as in Azure on the same host, Resource Graph.

    ``beside``: what a deployment has made, to be shown as well.
    """

    def answer_of(request: web.Request, principal: str) -> web.Response:
        shown = deployed.answer(beside, access, request, principal) if beside else None
        return shown or _answer(access, request, principal)

    async def answer(request: web.Request) -> web.Response:
        return access.respond(request, lambda principal: answer_of(request, principal))

    application = web.Application()
    application.router.add_route("POST", "/{graph:(?i:providers/microsoft[.]resourcegraph/resources)}", graph.answer)
    application.router.add_route("*", "/{path:.*}", answer)
    return application


def _answer(access: Access, request: web.Request, principal: str) -> web.Response:
    operation = _OPERATION.fullmatch(request.path)
    now = access.world.now
    if operation is not None and request.method == "GET":
        poll = Call(now, principal, "GET", READ_OPERATION, None)
        return access.record(poll, lambda: _poll(access, request, principal, operation))
    route, match = _route(request)
    machine = access.world.find(match["scope"])
    vm_id = match["scope"] if machine is None else machine.vm_id
    call = Call(now, principal, request.method, route.actions[-1], vm_id)
    return access.record(call, lambda: _ask(access, request, principal, route, match))


def _route(request: web.Request) -> tuple[Route, re.Match[str]]:
    wanted = [route for route in _ROUTES if route.method == request.method]
    if request.query.get("$expand", "").lower() == "instanceview":
        wanted.insert(0, _EXPANDED)
    for route in wanted:
        match = re.fullmatch(_VM + route.tail, request.path, re.IGNORECASE)
        if match is not None and route.method == request.method:
            return route, match
    raise Refused(
        404,
        "InvalidResourceType",
        f"Nothing is at {request.method} {request.path[:300]}; localazure/arm.py lists what the laptop Azure has.",
    )


def _ask(access: Access, request: web.Request, principal: str, route: Route, match: re.Match[str]) -> web.Response:
    for action in route.actions:
        access.authorize(principal, action, match["scope"])
    now, subscription = access.world.now, match["subscription"].lower()
    headers = access.limits.take_arm(request.method, principal, subscription, route.actions[-1], now)
    machine = _machine(access, match)
    headers |= access.limits.take_compute(route.policy, machine.vm_id, subscription, machine.location, now)
    response = route.answer(Question(access, request, principal, machine))
    response.headers.update(headers)
    return response


def _machine(access: Access, match: re.Match[str]) -> Machine:
    machine = access.world.find(match["scope"])
    if machine is not None:
        return machine
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


def _simulate_eviction(question: Question) -> web.Response:
    question.access.world.simulate_eviction(question.machine.vm_id, question.principal)
    return web.Response(status=204)


def _accepted(question: Question, operation: Operation) -> web.Response:
    origin, key = str(question.request.url.origin()), question.access.signing_key
    version = question.request.query["api-version"]
    identifier = f"tenantId={TENANT_ID},objectId={guid('principal', question.principal)}"
    return web.Response(
        status=202,
        headers={
            "Azure-AsyncNotification": "Enabled",
            "Azure-AsyncOperation": address(origin, operation, version, key),
            "Location": address(origin, operation, version, key, monitor=True),
            "Retry-After": RETRY_AFTER,
            "x-ms-operation-identifier": f"{identifier}/{operation.location}/{operation.operation_id}",
        },
    )


def _poll(access: Access, request: web.Request, principal: str, match: re.Match[str]) -> web.Response:
    access.authorize(principal, READ_OPERATION, match["scope"])
    if not is_signed(match["operation"], request.query, access.signing_key):
        raise Refused(403, "AuthorizationFailed", "The signature of this operation's address is not valid.")
    operation = access.world.operations.get(match["operation"].lower())
    if operation is None:
        raise Refused(404, "NotFound", f"The operation '{match['operation']}' was not found.")
    now, subscription = access.world.now, match["subscription"].lower()
    headers = access.limits.take_arm("GET", principal, subscription, READ_OPERATION, now)
    headers |= access.limits.take_compute(GET_OPERATION, operation.operation_id, subscription, operation.location, now)
    monitored = request.query.get("monitor", "").lower() == "true"
    response = _monitored(operation) if monitored else web.json_response(operation_body(operation))
    if operation.status == IN_PROGRESS:
        response.headers["Retry-After"] = RETRY_AFTER
    response.headers.update(headers)
    return response


def _monitored(operation: Operation) -> web.Response:
    """Answer at ``Location``: 202 while it runs, then 200 or the error."""
    if operation.error is not None:
        raise Refused(409, operation.error.code, operation.error.message)
    return web.Response(status=202 if operation.status == IN_PROGRESS else 200)


def operation_body(operation: Operation) -> dict[str, object]:
    """Give the body of a poll. It comes with HTTP 200 also where the operation failed."""
    body: dict[str, object] = {"startTime": offset_time(operation.started_at)}
    if operation.ended_at is not None:
        body["endTime"] = offset_time(operation.ended_at)
    body["status"] = operation.status
    if operation.error is not None:
        body["error"] = {"code": operation.error.code, "message": operation.error.message}
    return body | {"name": operation.operation_id}


# That instanceView/read is needed where the view is expanded is an assumption.
_EXPANDED: Final = Route("GET", "", (READ, READ_INSTANCE_VIEW), LOW_COST_GET, _get_expanded)
_ROUTES: Final = (
    Route("GET", "", (READ,), LOW_COST_GET, _get),
    Route("GET", "/instanceview", (READ_INSTANCE_VIEW,), LOW_COST_GET, _get_instance_view),
    Route("POST", "/start", (moves.START,), UPDATE_VM, _start),
    Route("POST", "/deallocate", (moves.DEALLOCATE,), DELETE_VM, _deallocate),
    Route("POST", "/simulateeviction", (moves.SIMULATE_EVICTION,), DELETE_VM, _simulate_eviction),
)
