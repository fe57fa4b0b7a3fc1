"""What the metadata service of a VM answers to a request, or refuses. Pure, but for acknowledged events.

``metadata_service.py`` asks, and sends it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from localazure.guests import event_documents, instance_metadata
from localazure.guests.announcements import UnknownEventError
from localazure.guests.metadata_errors import (
    bad_request,
    bad_version,
    forwarded,
    identity_refused,
    no_load_balancer,
    not_found,
    without_header,
    wrong_method,
)
from localazure.guests.metadata_faults import Category

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from azure.core.credentials import AccessToken

    from localazure.guests.announcements import Announcements
    from localazure.guests.instance_metadata import InboundRule
    from localazure.guests.metadata_faults import MetadataFaults
    from localazure.world.machines import Machine

    type Body = dict[str, object]
    """JSON."""

_CATEGORIES: Final = {
    "/metadata/instance": Category.INSTANCE,
    "/metadata/instance/compute": Category.INSTANCE,
    "/metadata/scheduledevents": Category.SCHEDULED_EVENTS,
    "/metadata/identity/oauth2/token": Category.IDENTITY,
    "/metadata/loadbalancer": Category.LOAD_BALANCER,
}
_IDENTITY_SINCE: Final = "2018-02-01"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: its path as it came, and the names of its headers in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def place(self) -> str:
        """Give the path as it is looked up: in any casing, with a slash at the end or without."""
        return self.path.lower().rstrip("/")

    @property
    def category(self) -> Category | None:
        """Say which part of the service is asked; ``None``: there is none such."""
        return _CATEGORIES.get(self.place)


@dataclass(frozen=True, slots=True)
class Inside:
    """What the service of one VM answers from. ``identities``: what each client id stands for, ``""`` for the VM's own.

    ``mint`` makes a token for one of them and a resource; ``seconds`` is the time now, in seconds since 1970.
    """

    machine: Machine
    announcements: Announcements
    faults: MetadataFaults
    identities: Mapping[str, str]
    mint: Callable[[str, str], AccessToken]
    seconds: Callable[[], int]
    rules: tuple[InboundRule, ...] = ()


def answer(asked: Asked, inside: Inside) -> Body | None:
    """Answer a request; ``None``: 200, and no body.

    Raises:
        MetadataRefused: with the error that Azure gives.
    """
    check_headers(asked)
    match asked.category:
        case Category.SCHEDULED_EVENTS:
            return _scheduled_events(asked, inside)
        case Category.INSTANCE:
            return _instance(asked, inside.machine)
        case Category.IDENTITY:
            return _token(asked, inside)
        case Category.LOAD_BALANCER:
            return _load_balancer(asked, inside.rules)
        case None:
            raise not_found()


def check_headers(asked: Asked) -> None:
    """Refuse what a browser or a proxy could have been made to send."""
    if "x-forwarded-for" in asked.headers:
        raise forwarded()
    if asked.headers.get("metadata", "").strip().lower() != "true":
        is_identity = asked.category is Category.IDENTITY
        raise identity_refused("Required metadata header not specified") if is_identity else without_header()


def _scheduled_events(asked: Asked, inside: Inside) -> Body | None:
    _check_method(asked, "GET", "POST")
    version = asked.query.get("api-version", "")
    if version not in event_documents.VERSIONS:
        raise bad_version()
    if version == event_documents.PREVIEW and not inside.faults.has_preview:
        raise not_found()
    if asked.method == "POST":
        _acknowledge(asked.body, inside)
        return None
    document = inside.announcements.document(inside.machine)
    return event_documents.written(document, version, inside.faults.time_form, inside.faults.ahead)


def _acknowledge(body: bytes, inside: Inside) -> None:
    event_ids = _event_ids(body)
    try:
        inside.announcements.acknowledge(inside.machine, event_ids)
    except UnknownEventError as unknown:
        said = f"There is no event {unknown}"
        raise bad_request(said) from unknown


def _event_ids(body: bytes) -> list[str]:
    """Read ``{"StartRequests":[{"EventId":"…"}]}``."""
    try:
        content: Any = json.loads(body)
        event_ids = [request["EventId"] for request in content["StartRequests"]]
    except (ValueError, LookupError, TypeError):
        event_ids = []
    if not event_ids or not all(isinstance(event_id, str) for event_id in event_ids):
        said = 'The body must be {"StartRequests":[{"EventId":"..."}]}'
        raise bad_request(said)
    return event_ids


def _instance(asked: Asked, machine: Machine) -> Body:
    _check_method(asked, "GET")
    version = asked.query.get("api-version", "")
    if version not in instance_metadata.VERSIONS:
        raise bad_version()
    give = instance_metadata.compute if asked.place.endswith("/compute") else instance_metadata.instance
    return give(machine, version)


def _load_balancer(asked: Asked, rules: tuple[InboundRule, ...]) -> Body:
    _check_method(asked, "GET")
    version = asked.query.get("api-version", "")
    if version not in instance_metadata.VERSIONS or version < instance_metadata.LOAD_BALANCER_SINCE:
        raise bad_version()
    if not rules:
        raise no_load_balancer()
    return instance_metadata.load_balancer(rules)


def _token(asked: Asked, inside: Inside) -> Body:
    _check_method(asked, "GET")
    version = asked.query.get("api-version", "")
    if version not in instance_metadata.VERSIONS or version < _IDENTITY_SINCE:
        raise bad_version()
    resource = asked.query.get("resource", "")
    if not resource:
        said = "resource is missing"
        raise identity_refused(said)
    client_id = asked.query.get("client_id", "")
    if client_id not in inside.identities:
        said = "Identity not found"
        raise identity_refused(said)
    token, now = inside.mint(inside.identities[client_id], resource), inside.seconds()
    ahead = int(inside.faults.ahead.total_seconds())
    # Every value is a text, numbers too.
    return {
        "access_token": token.token,
        "refresh_token": "",
        "expires_in": str(token.expires_on - now),
        "expires_on": str(token.expires_on + ahead),
        "not_before": str(now + ahead),
        "resource": resource,
        "token_type": "Bearer",
    }


def _check_method(asked: Asked, *allowed: str) -> None:
    if asked.method not in allowed:
        raise wrong_method(", ".join(allowed))
