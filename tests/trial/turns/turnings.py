"""The laptop Azure told to be otherwise, one belief at a time: on the wire of ARM, in its world, or in Event Grid."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from azure.storage.queue.aio import QueueClient

from localazure.demo.trial import SIZE
from localazure.event_grid.azure_events import DeliverySchema, EventKind
from localazure.event_grid.event_faults import Fault
from localazure.event_grid.service import Lags
from localazure.resource_manager.made.topic_rules import BLOB_CONTRIBUTOR, MESSAGE_SENDER
from localazure.resource_manager.operation_answers import Acceptance
from localazure.retail_prices.service import PATH as PRICE_LIST
from localazure.runtime.identity import PrincipalCredential
from localazure.world.happenings import ActionSucceeded, Annotated
from localazure.world.machines import PowerState
from localazure.world.timestamps import guid
from localazure.world.vm_lifecycle import DEALLOCATE
from localazure.world.world import SUBSCRIPTION
from tests.trial.harness.trials import LAGS, seconds_of
from tests.trial.turns.turned_inside import INSIDE
from tests.trial.turns.turning import Asked, Body, Turning, answered, between, changed, noticed, without_header

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from localazure.event_grid.event_delivery import OutgoingEvent
    from localazure.trial.ground import Ground
    from localazure.world.happenings import Happening

RIGHTS_LATE_S: Final = 660
LOST: Final = Fault(lose=True)


def _graph(*parts: str) -> Callable[[Asked], bool]:
    return lambda asked: "ResourceGraph" in asked.path and all(part.lower() in asked.text.lower() for part in parts)


def _rows(change: Callable[[list[Any]], list[Any]]) -> Callable[[Body], Body]:
    def apply(body: Body) -> Body:
        return body | {"data": change(body["data"])} if "data" in body else body

    return apply


def _renamed(old: str, new: str) -> Callable[[Body], Body]:
    return lambda body: json.loads(json.dumps(body).replace(old, new))


def _instance_view(asked: Asked) -> bool:
    return asked.method == "GET" and "/witness-" in asked.path and asked.path.lower().endswith("/instanceview")


def _of_eviction(asked: Asked) -> bool:
    machine = asked.machine
    return _instance_view(asked) and machine is not None and machine.evicted_at is not None


def _after_start(asked: Asked) -> bool:
    machine = asked.machine
    return machine is not None and machine.evicted_at is not None and len(machine.start_calls) > 1


def _starts(state: PowerState) -> Callable[[Asked], bool]:
    return lambda asked: asked.is_post("start") and asked.machine is not None and asked.machine.power_state is state


def _has_lock(asked: Asked) -> bool:
    return any("/locks/" in each for each in asked.ground.made.bodies)


def _had_lock(asked: Asked) -> bool:
    return any("/locks/" in each for each in asked.ground.made.gone)


def _locked(asked: Asked) -> bool:
    return asked.is_post("start") and _has_lock(asked)


def _shown_whole(asked: Asked) -> bool:
    return asked.query.get("$expand") == "instanceView" and "/witness-" in asked.path


def _asked_for_vm(asked: Asked) -> bool:
    return asked.method == "PUT" and "/virtualmachines/witness-" in asked.path.lower()


def _resized(asked: Asked) -> bool:
    return asked.machine is not None and asked.machine.size != SIZE


def _priced(asked: Asked) -> bool:
    return asked.path == PRICE_LIST


def _new_group(asked: Asked) -> bool:
    """Whether it asks about a trial's resource group that never was there."""
    path = asked.path.lower()
    of_group = path.rpartition("/")[2].startswith("rg-spot-responder-trial-")
    return of_group and asked.method == "GET" and path not in {*asked.ground.made.bodies, *asked.ground.made.gone}


def _nobody(asked: Asked) -> bool:
    return "/nobody-" in asked.path


def _annotated_twice(ground: Ground) -> None:
    ground.world.eviction_annotations = ("VirtualMachinePreempted", "VirtualMachineDeallocationInitiated")


def _annotated_not(ground: Ground) -> None:
    ground.world.eviction_annotations = ()


def _late(ground: Ground) -> None:
    ground.event_grid.lags = Lags(seconds_of(25), LAGS.availability, LAGS.operation)


def _no_status(ground: Ground) -> None:
    ground.event_grid.faults.set(LOST, kind=EventKind.AVAILABILITY)


def _silent(ground: Ground) -> None:
    ground.event_grid.faults.set(LOST, kind=EventKind.ANNOTATION)
    ground.event_grid.faults.set(LOST, kind=EventKind.OPERATION)


def _with_caller(ground: Ground) -> None:
    def also(happening: Happening) -> None:
        if isinstance(happening, Annotated) and happening.annotation == "VirtualMachinePreempted":
            happened = ActionSucceeded(happening.vm_id, happening.occurred_at, DEALLOCATE, "owner@example.com")
            ground.event_grid.publish(happened)

    ground.world.listen(also)


class _EventGridSchema(dict[str, DeliverySchema]):
    def get(self, *_: object) -> DeliverySchema:
        return DeliverySchema.EVENT_GRID


def _other_schema(ground: Ground) -> None:
    ground.event_grid.wiring = replace(ground.event_grid.wiring, schemas=_EventGridSchema())


@dataclass
class _Delivery:
    """Delivers other than it should: changed, or not in base64."""

    ground: Ground
    change: Callable[[dict[str, object]], None]
    in_base64: bool = True
    never_retried: frozenset[int] = frozenset()

    async def deliver(self, event: OutgoingEvent) -> int:
        body = json.loads(json.dumps(event.body))
        self.change(body)
        if self.in_base64:
            return await self.ground.queues.deliver(replace(event, body=body))
        queues = self.ground.queues
        credential = PrincipalCredential(queues.issuer, "event-grid")
        name = queues.queue_of[event.subscription]
        authority = str(queues.authority)
        client = QueueClient(queues.storage.queue_uri, name, credential=credential, connection_verify=authority)
        with queues.held():
            async with client:
                await client.send_message(json.dumps(body))
        return 201


def _delivering(change: Callable[[Any], None], *, in_base64: bool = True) -> Callable[[Ground], None]:
    def act(ground: Ground) -> None:
        # The wiring is made anew with each event subscription: so it is changed when the eviction is asked for.
        wiring = ground.event_grid.wiring
        ground.event_grid.wiring = replace(wiring, delivery=_Delivery(ground, change, in_base64))

    return act


def _later(body: Any) -> None:  # noqa: ANN401
    if str(body["data"].get("operationName", "")).endswith("deallocate/action"):
        body["time"] = "2099-01-01T00:00:00Z"


def _nameless(body: Any) -> None:  # noqa: ANN401
    properties = body["data"].get("resourceInfo", {}).get("properties", {})
    if properties.get("annotationName") == "VirtualMachineAllocated":
        del properties["annotationName"]


def _all_rights(ground: Ground) -> None:
    for topic in ground.deployed.topics.values():
        for role in (MESSAGE_SENDER, BLOB_CONTRIBUTOR):
            scope = f"/subscriptions/{SUBSCRIPTION}"
            properties = {"principalId": guid("principal", topic["id"]), "roleDefinitionId": role, "scope": scope}
            ground.deployed.assignments.append({"id": f"{scope}/…", "properties": properties})


def _rights_late() -> Any:  # noqa: ANN401 - what stands between, with the time of the first role
    assigned: list[float] = []

    async def turn(asked: Asked, go: Callable[[], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
        now = asyncio.get_running_loop().time()
        if "/roleassignments/" in asked.path.lower():
            assigned.append(now)
        is_new = "/eventSubscriptions/" in asked.path and asked.method == "PUT"
        if is_new and assigned and now - assigned[0] < RIGHTS_LATE_S:
            return web.json_response({"error": {"code": "Unauthorized", "message": "Not yet."}}, status=400)
        return await go()

    return between(turn)


def _by_location(ground: Ground) -> None:
    ground.access.operation_answers.acceptance = Acceptance.LOCATION


def _frozen(ground: Ground) -> None:
    ground.graph.freeze(next(one.vm_id for one in ground.world.machines() if one.name.startswith("witness-")))


def _stale_tags(body: Body) -> Body:
    return body | {"tags": {name: value for name, value in body["tags"].items() if name.lower() != "moment"}}


def _tags_twice(body: Body) -> Body:
    tags = body["properties"]["tags"]
    return body | {"properties": {"tags": tags | {"moment": "again"}}}


def _without_policy(rows: list[Any]) -> list[Any]:
    return [row | {"properties": {}} for row in rows]


def _another_product(body: Body) -> Body:
    return body | {"Items": body["Items"] + [each | {"productName": "Virtual Desktops"} for each in body["Items"][-1:]]}


def _longer(asked: Asked) -> bool:
    return _graph("vmKey", "restoredByScaleSet")(asked) and len(asked.text) > 10_000


def _shorter(asked: Asked) -> bool:
    return _graph("vmKey", "restoredByScaleSet")(asked) and len(asked.text) <= 10_000


def _runs(asked: Asked) -> bool:
    machine = asked.machine
    return '"vmSize"' in asked.text and machine is not None and machine.power_state is PowerState.RUNNING


async def _accepted() -> web.StreamResponse:
    await asyncio.sleep(0)
    return web.json_response({})


_EVICTS: Final[Callable[[Asked], bool]] = lambda asked: asked.is_post("simulateEviction")  # noqa: E731
_ANNOTATION_ROWS: Final = _graph("resourceannotations", "project id, properties")
_SHOWN: Final = _graph("project id, power =")
_OLD_ROW: Final = {"id": "old", "properties": {"annotationName": "VirtualMachinePreempted"}}

TURNINGS: Final[Mapping[str, Turning]] = {
    "E1": Turning(world=_annotated_not),
    "E2": Turning(world=_late, settle=28),
    "E3": Turning(world=_no_status),
    "E4": Turning(world=_annotated_twice),
    "E5": Turning(world=_with_caller),
    "E8": Turning(answered(_EVICTS, 409, "OperationNotAllowed")),
    "E10": Turning(noticed(lambda asked: asked.is_post("deallocate"), _silent)),
    "E11": Turning(noticed(_EVICTS, _delivering(_later))),
    "E12": Turning(
        changed(lambda asked: _ANNOTATION_ROWS(asked) and _after_start(asked), _rows(lambda rows: [*rows, _OLD_ROW]))
    ),
    "E14": Turning(
        between(lambda asked, go: _made(asked) if asked.method == "PUT" and "/second-" in asked.path else go())
    ),
    "E15": Turning(world=_other_schema),
    "E16": Turning(noticed(_EVICTS, _delivering(_nameless))),
    "Q1": Turning(noticed(_EVICTS, _delivering(lambda _: None, in_base64=False))),
    "Q14": Turning(noticed(lambda asked: "/eventSubscriptions/" in asked.path, _all_rights)),
    "Q15": Turning(_rights_late(), role=2 * RIGHTS_LATE_S),
    "G1": Turning(answered(_shorter, 400, "BadRequest")),
    "G2": Turning(answered(_longer, 400, "BadRequest")),
    "G3": Turning(noticed(_EVICTS, _frozen)),
    "G4": Turning(changed(_ANNOTATION_ROWS, _renamed('"targetResourceId"', '"target"'))),
    "G5": Turning(changed(_graph("virtualmachinescalesets' | project id, properties"), _rows(_without_policy))),
    "G6": Turning(changed(_SHOWN, _rows(lambda _: []))),
    "G7": Turning(changed(_graph("SpotResponderTrialRestart"), _rows(lambda _: []))),
    "G8": Turning(changed(_graph("/SUBSCRIPTIONS/", "in~", '| project id"'), _rows(lambda _: []))),
    "G9": Turning(without_header(_graph("take 1"), "x-ms-user-quota-remaining")),
    "G11": Turning(changed(_graph("vmKey"), _renamed('"size"', '"vmSize"'))),
    "C1": Turning(changed(_shown_whole, _stale_tags)),
    "C2": Turning(changed(_graph("summarize vms"), _renamed('"Spot"', '"SpotNext"'))),
    "C3": Turning(changed(_of_eviction, _renamed("PowerState/deallocated", "PowerState/stopped"))),
    "C5": Turning(
        changed(
            lambda asked: _instance_view(asked) and (_has_lock(asked) or _had_lock(asked)),
            _renamed("PowerState/", "OtherState/"),
        )
    ),
    "C7": Turning(world=_by_location),
    "C8": Turning(without_header(_starts(PowerState.DEALLOCATED), "Retry-After", "5")),
    "C9": Turning(answered(_starts(PowerState.RUNNING), 409, "OperationNotAllowed")),
    "C10": Turning(
        changed(lambda asked: asked.is_post("start"), _renamed("SpotPriceGreaterThanProvidedMaxPrice", "TooCheap"))
    ),
    "C12": Turning(changed(_starts(PowerState.DEALLOCATING), _renamed("An ongoing operation is", "Somebody is"))),
    "C16": Turning(
        changed(
            lambda asked: _of_eviction(asked) and _after_start(asked),
            lambda body: json.loads(
                json.dumps(body)
                .replace("PowerState/starting", "PowerState/deallocated")
                .replace("PowerState/running", "PowerState/deallocated")
            ),
        )
    ),
    "C17": Turning(without_header(lambda asked: asked.is_post("start"), "x-ms-ratelimit-remaining-resource")),
    "C18": Turning(changed(lambda asked: asked.method == "PATCH" and '"MOMENT"' in asked.text, _tags_twice)),
    "C19": Turning(changed(_graph("scaleSetKey", "mode"), _renamed('"Flexible"', '"Uniform"'))),
    "C23": Turning(
        answered(
            lambda asked: _nobody(asked) and asked.method == "POST", 404, "WhoIsThat", "Have a look at the portal."
        )
    ),
    "C26": Turning(answered(_instance_view, 404, "ResourceNotFound")),
    "C29": Turning(answered(_new_group, 404, "NotFound")),
    "C27": Turning(answered(lambda asked: asked.query.get("monitor") == "true", 404, "NotFound")),
    **INSIDE,
    "P1": Turning(changed(_priced, _another_product)),
    "P2": Turning(changed(lambda asked: asked.is_post("start"), _renamed("price '0.02 USD'", "price '0.024 USD'"))),
    "P3": Turning(changed(lambda asked: asked.is_post("start"), _renamed("price '0.02 USD'", "price '0.05 USD'"))),
    "P4": Turning(changed(_priced, _renamed('"currencyCode": "USD"', '"currencyCode": "EUR"'))),
    "P5": Turning(changed(_priced, lambda body: body | {"NextPageLink": None})),
    "P6": Turning(changed(_shown_whole, _renamed('"Standard_D2s_v5"', '"standard_d2s_v5"'))),
    "S1": Turning(answered(_asked_for_vm, 409, "NotAvailableForSubscription")),
    "S8": Turning(changed(lambda asked: _shown_whole(asked) and _resized(asked), _renamed('"Spot"', '"Regular"'))),
    "S9": Turning(between(lambda asked, go: _accepted() if asked.method == "PATCH" and _runs(asked) else go())),
    "S12": Turning(changed(lambda asked: _ANNOTATION_ROWS(asked) and _resized(asked), _rows(lambda _: []))),
    "R5": Turning(between(lambda asked, go: _accepted() if _locked(asked) else go())),
    "R6": Turning(answered(_graph(), 401, "InvalidAuthenticationToken")),
    "R8": Turning(answered(lambda asked: _nobody(asked) and asked.method == "POST", 403, "AuthorizationFailed")),
}


async def _made(asked: Asked) -> web.StreamResponse:
    await asyncio.sleep(0)
    return web.json_response(json.loads(asked.text) | {"id": asked.path}, status=201)
