"""The rights that a system topic needs to deliver by its identity, and whether it has them. Pure.

Event Grid checks a right at the resource that the event subscription names: the queue, or for dead letters the whole
storage account. A right at the container alone does not count. Called by ``operators/doctor.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from spot_responder.intake.payloads import field, text_field
from spot_responder.operators.views.findings import Finding, Health

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from spot_responder.operators.views.findings import Accounts


@dataclass(frozen=True, slots=True)
class TopicRight:
    """A built-in role (its name, its id) at a resource (its id; ``where``: in words), and what it is for."""

    to: str
    role: str
    role_id: str
    scope: str
    where: str


_SENDER: Final = ("Storage Queue Data Message Sender", "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a")
_WRITER: Final = ("Storage Blob Data Contributor", "ba92f5b4-2d11-453d-a403-e96b0029c9fe")


def topic_rights(subscriptions: Iterable[Mapping[str, object]], accounts: Accounts) -> tuple[TopicRight, ...]:
    """Give the rights that a topic's event subscriptions need, each once, without those of other environments."""
    found: dict[TopicRight, None] = {}
    for each in subscriptions:
        queue = field(each, "properties", "deliveryWithResourceIdentity", "destination")
        name = text_field(queue, "properties", "queueName")
        scope, account = _resource(queue)
        if name and account.lower() == accounts.app.lower():
            scope = f"{scope}/queueservices/default/queues/{name}"
            found[TopicRight("deliver", *_SENDER, scope, f"the queue {name}")] = None
        dead_letters = field(each, "properties", "deadLetterWithResourceIdentity", "deadLetterDestination")
        scope, account = _resource(dead_letters)
        if account and account.lower() == accounts.dead_letters.lower():
            found[TopicRight("keep dead letters", *_WRITER, scope, f"the whole storage account {account}")] = None
    return tuple(found)


def right_finding(kind: str, right: TopicRight, principal: str, assignments: Iterable[Mapping[str, object]]) -> Finding:
    """Say whether a topic's identity has a right, at the resource or above it."""
    what = f"right of topic {kind} to {right.to}"
    if any(_gives(each, right, principal) for each in assignments):
        return Finding(what, Health.GOOD, f"{right.role} on {right.where}")
    told = f"it lacks {right.role} on {right.where}"
    return Finding(what, Health.BAD, told, "azd provision")


def _gives(assignment: Mapping[str, object], right: TopicRight, principal: str) -> bool:
    role = text_field(assignment, "properties", "roleDefinitionId").lower()
    at = text_field(assignment, "properties", "scope").lower().rstrip("/")
    return (
        text_field(assignment, "properties", "principalId").lower() == principal.lower() != ""
        and role.endswith(right.role_id)
        and f"{right.scope}/".startswith(f"{at}/")
    )


def _resource(destination: object) -> tuple[str, str]:
    """Give the id of the storage account that a destination names, in lower case, and the account's name."""
    resource_id = text_field(destination, "properties", "resourceId")
    return resource_id.lower(), resource_id.rpartition("/")[2]
