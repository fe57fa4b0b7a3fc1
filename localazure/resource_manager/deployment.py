"""The deployed resources beside the app, as ARM shows them: topics, event subscriptions, the role.

Read from the files that Bicep deploys. A test may change them, or leave some out, to see what ``doctor`` finds.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from localazure.event_grid.dead_letters import CONTAINER
from localazure.resource_manager.arm_resources import GROUP_PATH, SUBSCRIPTION_PATH, Resource, listed
from localazure.resource_manager.resource_graph.rows import scale_set_row
from localazure.resource_manager.template_rights import topic_rights_of
from localazure.runtime.azurite import ACCOUNT, DEAD_LETTERS_ACCOUNT
from localazure.world.azure_errors import Refused
from localazure.world.timestamps import guid
from localazure.world.world import SUBSCRIPTION

if TYPE_CHECKING:
    from pathlib import Path

    from localazure.resource_manager.arm_resources import Asked
    from localazure.resource_manager.template_rights import TemplateRight

GROUP: Final = "rg-spot-responder"
_PREFIX: Final = "laptop"
_STORAGE: Final = rf"{GROUP_PATH}/providers/microsoft\.storage/storageaccounts/[^/]+(?:/[^/]+services/.+?)?"
_ACCOUNTS: Final = {"storageAccountName": ACCOUNT, "deadLettersAccountName": DEAD_LETTERS_ACCOUNT}
TOPICS_READ: Final = "Microsoft.EventGrid/systemTopics/read"
SUBSCRIPTIONS_READ: Final = "Microsoft.EventGrid/systemTopics/eventSubscriptions/read"
DEFINITIONS_READ: Final = "Microsoft.Authorization/roleDefinitions/read"
ASSIGNMENTS_READ: Final = "Microsoft.Authorization/roleAssignments/read"
HEALTH_READ: Final = "Microsoft.ResourceHealth/availabilityStatuses/read"
SCALE_SETS_READ: Final = "Microsoft.Compute/virtualMachineScaleSets/read"

type Body = dict[str, Any]


@dataclass
class Deployed:
    """``topics``: bodies by name; ``subscriptions``: bodies by the topic's name; ``definitions``, ``assignments``."""

    topics: dict[str, Body]
    subscriptions: dict[str, list[Body]]
    definitions: list[Body]
    assignments: list[Body]


def deployed(event_filters: Path, responder_role: Path, template: Path) -> Deployed:
    """Give what a deployment into the laptop's subscription makes; what topics may do is read from the template."""
    kinds = json.loads(event_filters.read_text(encoding="utf-8"))["topics"]
    role = json.loads(responder_role.read_text(encoding="utf-8"))
    scope = f"/subscriptions/{SUBSCRIPTION}"
    role_id = f"{scope}/providers/Microsoft.Authorization/roleDefinitions/{guid(scope, role['roleName'])}"
    assignment = {"roleDefinitionId": role_id, "principalId": guid("principal", "responder"), "scope": scope}
    return Deployed(
        topics={f"evgst-{kind}": _topic(f"evgst-{kind}", one["topicType"]) for kind, one in kinds.items()},
        subscriptions={
            f"evgst-{kind}": [_subscription(f"evgst-{kind}", each) for each in one["subscriptions"]]
            for kind, one in kinds.items()
        },
        definitions=[_definition(role_id, role)],
        assignments=[
            {"id": f"{scope}/…", "properties": assignment},
            *(_topic_right(f"evgst-{kind}", right) for kind in kinds for right in topic_rights_of(template)),
        ],
    )


def _account(name: str) -> str:
    return f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Storage/storageAccounts/{name}"


def _topic_right(topic: str, right: TemplateRight) -> Body:
    scope = f"{_account(_ACCOUNTS[right.account])}{right.below}"
    role_id = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{right.role_id}"
    properties = {"roleDefinitionId": role_id, "principalId": guid("principal", topic), "scope": scope}
    return {"id": f"{scope}/…", "properties": properties}


def _topic(name: str, topic_type: str) -> Body:
    return {
        "id": f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.EventGrid/systemTopics/{name}",
        "name": name,
        "type": "Microsoft.EventGrid/systemTopics",
        "location": "global",
        "identity": {"type": "SystemAssigned", "principalId": guid("principal", name)},
        "properties": {
            "provisioningState": "Succeeded",
            "source": f"/subscriptions/{SUBSCRIPTION}",
            # Azure gives it in lower case, whatever was deployed.
            "topicType": topic_type.lower(),
        },
    }


def _subscription(topic: str, wanted: Body) -> Body:
    name = f"{_PREFIX}-{wanted['name']}"
    identity = {"type": "SystemAssigned"}
    queue = {"resourceId": _account(ACCOUNT), "queueName": "signals"}
    destination = {"endpointType": "StorageQueue", "properties": queue}
    blobs = {"resourceId": _account(DEAD_LETTERS_ACCOUNT), "blobContainerName": CONTAINER}
    letters = {"endpointType": "StorageBlob", "properties": blobs}
    return {
        "id": f"{_topic(topic, '')['id']}/eventSubscriptions/{name}",
        "name": name,
        "type": "Microsoft.EventGrid/systemTopics/eventSubscriptions",
        "properties": {
            "provisioningState": "Succeeded",
            "filter": wanted["filter"] | {"subjectBeginsWith": "", "subjectEndsWith": ""},
            "deliveryWithResourceIdentity": {"identity": identity, "destination": destination},
            "deadLetterWithResourceIdentity": {"identity": identity, "deadLetterDestination": letters},
        },
    }


def _definition(role_id: str, role: Body) -> Body:
    permissions = {name: role[name] for name in ("actions", "notActions", "dataActions", "notDataActions")}
    return {
        "id": role_id,
        "name": role_id.rpartition("/")[2],
        "type": "Microsoft.Authorization/roleDefinitions",
        "properties": {
            "roleName": f"{role['roleName']} {SUBSCRIPTION}",
            "type": "CustomRole",
            "permissions": [permissions],
        },
    }


def resources(found: Deployed) -> tuple[Resource, ...]:
    """Give what is deployed as it stands at ARM's addresses, to be read."""

    def topics(asked: Asked) -> web.Response:
        asked.authorize(TOPICS_READ)
        return listed(list(found.topics.values()) if _is_ours(asked.match) else [])

    def subscriptions(asked: Asked) -> web.Response:
        asked.authorize(SUBSCRIPTIONS_READ)
        return listed(found.subscriptions.get(asked.match["topic"], []))

    def definitions(asked: Asked) -> web.Response:
        asked.authorize(DEFINITIONS_READ)
        return listed(found.definitions if _is_ours(asked.match) else [])

    def assignments(asked: Asked) -> web.Response:
        asked.authorize(ASSIGNMENTS_READ)
        return listed(found.assignments if _is_ours(asked.match) else [])

    def assigned(asked: Asked) -> web.Response:
        asked.authorize(ASSIGNMENTS_READ)
        return listed(_assigned(found, asked.match["at"], asked.request.query.get("$filter", "")))

    grid = r"/providers/microsoft\.eventgrid/systemtopics"
    rbac = rf"{SUBSCRIPTION_PATH}/providers/microsoft\.authorization"
    of_topic = rf"{GROUP_PATH}{grid}/(?P<topic>[^/]+)/eventsubscriptions"
    return (
        Resource("Microsoft.EventGrid/systemTopics", SUBSCRIPTION_PATH + grid, {"GET": topics}),
        Resource("Microsoft.EventGrid/systemTopics/eventSubscriptions", of_topic, {"GET": subscriptions}),
        Resource(
            "Microsoft.Authorization/roleDefinitions",
            f"{rbac}/roledefinitions",
            {"GET": definitions},
        ),
        Resource(
            "Microsoft.Authorization/roleAssignments",
            f"{rbac}/roleassignments",
            {"GET": assignments},
        ),
        Resource(
            "Microsoft.Authorization/roleAssignments",
            rf"(?P<at>{_STORAGE})/providers/microsoft\.authorization/roleassignments",
            {"GET": assigned},
        ),
        Resource(
            "Microsoft.ResourceHealth/availabilityStatuses",
            r"(?P<vm>/.+)/providers/microsoft\.resourcehealth/availabilitystatuses/[^/]+",
            {"GET": _health},
        ),
        Resource(
            "Microsoft.Compute/virtualMachineScaleSets",
            rf"{GROUP_PATH}/providers/microsoft\.compute/virtualmachinescalesets/(?P<name>[^/]+)",
            {"GET": _scale_set},
        ),
    )


def _health(asked: Asked) -> web.Response:
    asked.access.authorize(asked.principal, HEALTH_READ, asked.match["vm"])
    machine = asked.access.world.find(asked.match["vm"])
    if machine is None:
        raise Refused(404, "ResourceNotFound", f"The resource '{asked.match['vm']}' was not found.")
    return web.json_response({"properties": {"availabilityState": machine.condition.availability.state}})


def _scale_set(asked: Asked) -> web.Response:
    asked.authorize(SCALE_SETS_READ)
    for one in asked.access.world.scale_sets:
        if one.scale_set_id.lower() == asked.match[0].lower():
            return web.json_response(scale_set_row(one))
    raise Refused(404, "ResourceNotFound", f"The scale set '{asked.match['name']}' was not found.")


def _assigned(found: Deployed, at: str, wanted: str) -> list[Body]:
    """Give the assignments at, above and below a resource; of one principal where the filter names it."""
    principal = re.fullmatch(r"principalId eq '([^']*)'", wanted)
    return [
        each
        for each in found.assignments
        if _is_within(each["properties"]["scope"], at) or _is_within(at, each["properties"]["scope"])
        if principal is None or each["properties"]["principalId"] == principal[1]
    ]


def _is_within(inner: str, outer: str) -> bool:
    return f"{inner.lower()}/".startswith(f"{outer.lower()}/")


def _is_ours(match: re.Match[str]) -> bool:
    return match["subscription"].lower() == SUBSCRIPTION.lower()
