"""Step *witness*: a queue that gets all events about the trial's VM, as the product's own queue gets them.

Where the subscription has a system topic already, the event subscription hangs on it, for there can be one only: the
topic itself is left as it is.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

from spot_responder.intake.payloads import text_field
from spot_responder.trial.belonging import HANGING_NAME, trial_of
from spot_responder.trial.field import AUTHORIZATION, EVENT_GRID, STORAGE, StepFailedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spot_responder.trial.field import Field
    from spot_responder.trial.views.observations import Answered

TOPICS: Final = {
    "health": "Microsoft.ResourceNotifications.HealthResources",
    "arm": "Microsoft.Resources.Subscriptions",
}
MESSAGE_SENDER: Final = "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a"
QUEUE_CONTRIBUTOR: Final = "974c5e8b-45b9-4653-ba55-5f855dd0fb88"
BLOB_CONTRIBUTOR: Final = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"


async def witness(field: Field) -> None:
    """Create storage, topics where there are none, rights, and the event subscriptions.

    Raises:
        StepFailedError: if one of them is refused.
    """
    account = await field.need("storage account", field.plan.account, STORAGE, _account_body(field.plan.location))
    endpoints = account.body.get("properties", {}) if isinstance(account.body, dict) else {}
    field.seen.endpoints |= {
        name: text_field(endpoints, "primaryEndpoints", name).rstrip("/") for name in ("queue", "blob")
    }
    if not all(field.seen.endpoints.values()):
        message = "storage account: Azure told no address of its queues or blobs"
        field.seen.endpoints.clear()
        raise StepFailedError(message)
    await field.need("queue", _queue(field, field.plan.queue), STORAGE, {"properties": {}})
    await field.need(
        "container", f"{field.plan.account}/blobServices/default/containers/{field.plan.container}", STORAGE, {}
    )
    me = field.plan.login.object_id
    await _assign(field, "right of the login at queues", field.plan.account, me, QUEUE_CONTRIBUTOR)
    await _assign(field, "right of the login at blobs", field.plan.account, me, BLOB_CONTRIBUTOR)
    listed = await field.ask(
        "topics", "GET", f"{field.plan.scope}/providers/Microsoft.EventGrid/systemTopics", EVENT_GRID
    )
    there = listed.body.get("value", []) if isinstance(listed.body, dict) else []
    for kind, topic_type in TOPICS.items():
        await _hang(field, kind, await _topic(field, kind, topic_type, there))
    second = f"{field.plan.group}/providers/Microsoft.EventGrid/systemTopics/second-{field.plan.run}"
    await _made(field, "second topic", second, _topic_body(field, TOPICS["health"]))


async def _topic(field: Field, kind: str, topic_type: str, there: list[Mapping[str, object]]) -> Mapping[str, object]:
    """Give the subscription's topic of a type; create it where there is none."""
    for topic in there:
        if (
            text_field(topic, "properties", "topicType").lower() == topic_type.lower()
            and text_field(topic, "properties", "source").lower() == field.plan.scope.lower()
        ):
            if trial_of(text_field(topic, "id")) not in {"", field.plan.run}:
                message = (
                    f"the system topic {text_field(topic, 'name')} is another trial's, and goes with it: end that one, "
                    "or take away what it has left, first"
                )
                raise StepFailedError(message)
            if not text_field(topic, "identity", "principalId"):
                message = f"the system topic {text_field(topic, 'name')} has no identity that could deliver"
                raise StepFailedError(message)
            return topic
    path = f"{field.plan.group}/providers/Microsoft.EventGrid/systemTopics/{kind}-{field.plan.run}"
    made = await field.need(f"topic {kind}", path, EVENT_GRID, _topic_body(field, topic_type))
    return made.body if isinstance(made.body, dict) else {}


async def _hang(field: Field, kind: str, topic: Mapping[str, object]) -> None:
    """Hang an event subscription on a topic: tried before it has its rights, then until they take effect."""
    path = f"{text_field(topic, 'id')}/eventSubscriptions/{HANGING_NAME}{kind}-{field.plan.run}"
    body = _subscription_body(field)
    is_own = trial_of(text_field(topic, "id")) == field.plan.run
    name = "event subscription without rights" if is_own else "event subscription of a topic that was there"
    early = await _made(field, name, path, body)
    principal = text_field(topic, "identity", "principalId")
    at_queue = _queue(field, field.plan.queue)
    await _assign(field, "right of the topic at the queue", at_queue, principal, MESSAGE_SENDER)
    await _assign(field, "right of the topic at the account", field.plan.account, principal, BLOB_CONTRIBUTOR)

    async def is_made() -> bool:
        return (await _made(field, "event subscription", path, body)).is_provisioned

    if not early.is_provisioned and not await field.until(is_made, field.waits.role):
        last = field.seen.last("event subscription")
        message = f"event subscription of topic {kind}: {last.told() if last else 'no answer'}"
        raise StepFailedError(message)


async def _made(field: Field, name: str, path: str, body: Mapping[str, object]) -> Answered:
    """Ask Event Grid for something, and wait for what comes of it: it accepts first, and may fail then."""
    answer = await field.make(name, path, EVENT_GRID, body)
    if not answer.is_good:
        return answer

    async def is_over() -> bool:
        nonlocal answer
        if answer.is_good and answer.provisioning_state in {"", "succeeded", "failed", "canceled"}:
            return True
        answer = await field.azure.ask("GET", path, EVENT_GRID)
        return False

    await field.until(is_over, field.waits.created)
    return field.note(name, answer)


async def _assign(field: Field, name: str, scope: str, principal: str, role: str) -> None:
    """Assign a built-in role at something that the trial has created.

    Raises:
        StepFailedError: if it may not.
    """
    assignment = uuid.uuid5(uuid.NAMESPACE_URL, f"{scope}/{principal}/{role}".lower())
    definition = f"{field.plan.scope}/providers/Microsoft.Authorization/roleDefinitions/{role}"
    body = {"properties": {"roleDefinitionId": definition, "principalId": principal}}
    path = f"{scope}/providers/Microsoft.Authorization/roleAssignments/{assignment}"

    async def is_made() -> bool:
        # An identity that was made a moment ago may not be known to the directory yet.
        return (await field.make(name, path, AUTHORIZATION, body)).is_good

    if not await field.until(is_made, field.waits.role / 3):
        last = field.seen.last(name)
        message = f"{name}: {last.told() if last else 'no answer'}"
        raise StepFailedError(message)


def _queue(field: Field, name: str) -> str:
    return f"{field.plan.account}/queueServices/default/queues/{name}"


def _account_body(location: str) -> Mapping[str, object]:
    return {
        "location": location,
        "sku": {"name": "Standard_LRS"},
        "kind": "StorageV2",
        "properties": {
            "allowSharedKeyAccess": False,
            "allowBlobPublicAccess": False,
            "minimumTlsVersion": "TLS1_2",
            "supportsHttpsTrafficOnly": True,
        },
    }


def _topic_body(field: Field, topic_type: str) -> Mapping[str, object]:
    return {
        "location": "global",
        "identity": {"type": "SystemAssigned"},
        "properties": {"source": field.plan.scope, "topicType": topic_type},
    }


def _subscription_body(field: Field) -> Mapping[str, object]:
    """Ask for every event of the topic about the VM, with the destinations and limits that the product has."""
    identity = {"type": "SystemAssigned"}
    queue = {"resourceId": field.plan.account, "queueName": field.plan.queue, "queueMessageTimeToLiveInSeconds": 86400}
    letters = {"resourceId": field.plan.account, "blobContainerName": field.plan.container}
    return {
        "properties": {
            "deliveryWithResourceIdentity": {
                "identity": identity,
                "destination": {"endpointType": "StorageQueue", "properties": queue},
            },
            "deadLetterWithResourceIdentity": {
                "identity": identity,
                "deadLetterDestination": {"endpointType": "StorageBlob", "properties": letters},
            },
            "eventDeliverySchema": "CloudEventSchemaV1_0",
            "filter": {"subjectBeginsWith": field.plan.vm},
            "retryPolicy": {"maxDeliveryAttempts": 30, "eventTimeToLiveInMinutes": 1440},
        }
    }
