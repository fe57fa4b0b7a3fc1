"""What Event Grid checks before it makes a topic or an event subscription. Called by ``made.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from localazure.world.azure_errors import Refused

if TYPE_CHECKING:
    from localazure.resource_manager.deployment import Deployed

MESSAGE_SENDER: Final = "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a"
BLOB_CONTRIBUTOR: Final = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"


def check_new_topic(there: Deployed, body: dict[str, Any]) -> None:
    """Refuse a second system topic of one source and type, which is an assumption (E14)."""
    wanted = _what_it_tells(body)
    for topic in there.topics.values():
        if topic["id"].lower() != body["id"].lower() and _what_it_tells(topic) == wanted:
            text = (
                f"Only one system topic is allowed per source. The source {wanted[0]} has the system topic "
                f"{topic['name']} of type {wanted[1]} already."
            )
            raise Refused(400, "InvalidRequest", text)


def check_rights_of_topic(there: Deployed, name: str, body: dict[str, Any]) -> None:
    """Refuse an event subscription whose topic may not put messages or dead letters, an assumption too (Q14)."""
    topic = there.topics.get(name)
    if topic is None:
        raise Refused(404, "ResourceNotFound", f"The system topic '{name}' was not found.")
    principal = topic["identity"]["principalId"]
    properties = body["properties"]
    queue = properties["deliveryWithResourceIdentity"]["destination"]["properties"]
    at_queue = f"{queue['resourceId']}/queueServices/default/queues/{queue['queueName']}"
    letters = properties["deadLetterWithResourceIdentity"]["deadLetterDestination"]["properties"]["resourceId"]
    for role, scope in ((MESSAGE_SENDER, at_queue), (BLOB_CONTRIBUTOR, letters)):
        if not any(_gives(each["properties"], principal, role, scope) for each in there.assignments):
            text = (
                f"The topic's identity does not have the right role at {scope}: assign it and try again. "
                "Event subscriptions with a managed identity need it when they are created."
            )
            raise Refused(400, "InvalidRequest", text)


def _gives(assignment: dict[str, Any], principal: str, role: str, scope: str) -> bool:
    return (
        assignment["principalId"] == principal
        and assignment["roleDefinitionId"].lower().endswith(role)
        and f"{scope.lower()}/".startswith(f"{assignment['scope'].lower()}/")
    )


def _what_it_tells(topic: dict[str, Any]) -> tuple[str, str]:
    return str(topic["properties"]["source"]).lower(), str(topic["properties"]["topicType"]).lower()
