"""The metadata service of the VM (IMDS): scheduled events, who we are, tokens, load balancer.

Source: Microsoft's "Azure Instance Metadata Service" and "Scheduled Events". It is asked in plain HTTP at an address
that only the VM itself reaches, with the header ``Metadata: true``, at most 5 times a second.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final, Protocol
from urllib.parse import quote

from spot_agent.deciding.documents import Document, UnreadableDocumentError, read_document
from spot_agent.deciding.state import Machine
from spot_agent.edges.web import Answer, NoAnswerError, request

EVENTS_VERSIONS: Final = ("2024-07-09", "2020-07-01")
"""The first one adds ``SpotRebalanceRecommendation``, and is not there everywhere."""
_ASK_FOR_NEWEST_AGAIN_S: Final = 600.0
_HEADERS: Final = {"Metadata": "true", "Connection": "close"}
_UNKNOWN_VERSION: Final = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND})
_ANSWERS_IN_S: Final = 5.0
_AFTER_TOO_MANY_S: Final = 1.0
"""The service counts requests by the second."""


class MetadataError(Exception):
    """The metadata service did not give what was asked for; it is asked again."""


@dataclass(frozen=True)
class Token:
    """A token of the VM's managed identity. ``lives_s``: seconds, since the VM's own clock may be off."""

    value: str
    lives_s: float


class Metadata(Protocol):
    """What the agent asks of it; ``rehearse`` has one that makes it up."""

    def events(self, within_s: float) -> Document:
        """Read the scheduled events."""

    def machine(self) -> Machine:
        """Say who we are."""

    def acknowledge(self, event_id: str) -> None:
        """Let Azure start an event now."""

    def token(self, client_id: str) -> Token:
        """Get a token for storage."""


class MetadataService:
    """The service at an address. Each call takes at most ``within_s``, and raises ``MetadataError``."""

    def __init__(self, address: str, spaced_s: float = 0.0) -> None:
        """Nothing is asked yet. ``spaced_s``: so long between two requests; then a 429 is asked once more, too."""
        self._address, self._spaced_s = address.rstrip("/"), spaced_s
        self._not_before = 0.0
        self._version = EVENTS_VERSIONS[0]
        self._newest_again_at = 0.0

    def events(self, within_s: float) -> Document:
        """Read the scheduled events, by the newest version that the service knows."""
        deadline = time.monotonic() + within_s
        newest, older = EVENTS_VERSIONS
        if self._version == older and time.monotonic() >= self._newest_again_at:
            self._version = newest
        answer = self._ask("GET", _events_path(self._version), within_s)
        if answer.status in _UNKNOWN_VERSION and self._version == newest:
            self._version = older
            self._newest_again_at = time.monotonic() + _ASK_FOR_NEWEST_AGAIN_S
            answer = self._ask("GET", _events_path(older), max(deadline - time.monotonic(), 0.1))
        try:
            return read_document(_body(answer))
        except UnreadableDocumentError as error:
            raise MetadataError(str(error)) from error

    def acknowledge(self, event_id: str, within_s: float = _ANSWERS_IN_S) -> None:
        """Let Azure start an event now, for all VMs that it names."""
        body = json.dumps({"StartRequests": [{"EventId": event_id}]}).encode()
        _body(self._ask("POST", _events_path(self._version), within_s, body))

    def machine(self, within_s: float = _ANSWERS_IN_S) -> Machine:
        """Say who we are."""
        compute = self._json("/metadata/instance?api-version=2021-02-01&format=json", within_s).get("compute")
        compute = compute if isinstance(compute, dict) else {}
        keys = ("name", "vmId", "resourceId", "platformFaultDomain", "platformUpdateDomain")
        name, *others = (value.strip() if isinstance(value := compute.get(key), str) else "" for key in keys)
        if not _VM_NAME.fullmatch(name):
            message = "the metadata service does not say how this VM is called"
            raise MetadataError(message)
        return Machine(name, *others)

    def load_balancer(self, within_s: float = _ANSWERS_IN_S) -> dict[str, Any] | None:
        """Give the rules of load balancers that reach this VM; ``None`` if there are none."""
        answer = self._ask("GET", "/metadata/loadbalancer?api-version=2020-10-01", within_s)
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        found = _object(_body(answer)).get("loadbalancer")
        return found if isinstance(found, dict) else None

    def token(self, client_id: str, within_s: float = _ANSWERS_IN_S) -> Token:
        """Get a token for storage; ``client_id`` says of which identity, empty for the only one."""
        path = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=" + quote(STORAGE, safe="")
        written = self._json(path + (f"&client_id={quote(client_id, safe='')}" if client_id else ""), within_s)
        try:
            lives = written.get("expires_in") or float(written["expires_on"]) - time.time()
            return Token(str(written["access_token"]), float(lives))
        except (KeyError, ValueError, TypeError, OverflowError) as error:
            message = f"the answer has no token: {error!r}"
            raise MetadataError(message) from error

    def clock_error_s(self, within_s: float = _ANSWERS_IN_S) -> float | None:
        """Say how far this VM's clock is ahead of the service's ``Date`` header; ``None`` if it has none."""
        answer = self._ask("GET", _events_path(EVENTS_VERSIONS[1]), within_s)
        try:
            return time.time() - parsedate_to_datetime(answer.headers["date"]).timestamp()
        except (KeyError, ValueError, TypeError):
            return None

    def _json(self, path: str, within_s: float) -> dict[str, Any]:
        return _object(_body(self._ask("GET", path, within_s)))

    def _ask(self, method: str, path: str, within_s: float, body: bytes | None = None) -> Answer:
        answer = self._ask_once(method, path, within_s, body)
        if answer.status == HTTPStatus.TOO_MANY_REQUESTS and self._spaced_s:
            self._not_before = time.monotonic() + _AFTER_TOO_MANY_S
            answer = self._ask_once(method, path, within_s, body)
        return answer

    def _ask_once(self, method: str, path: str, within_s: float, body: bytes | None) -> Answer:
        headers = {**_HEADERS, "Content-Type": "application/json"} if body else _HEADERS
        time.sleep(max(self._not_before - time.monotonic(), 0.0))
        self._not_before = time.monotonic() + self._spaced_s
        try:
            return request(method, self._address + path, headers, body=body, within_s=within_s)
        except NoAnswerError as error:
            message = f"the metadata service does not answer: {error}"
            raise MetadataError(message) from error


_VM_NAME: Final = re.compile(
    r"[^\s\x00-\x1f\x7f\\/\"'\[\]:|<>+=;,?*@&#%_.-][^\s\x00-\x1f\x7f\\/\"'\[\]:|<>+=;,?*@&#%]{0,79}"
)
"""Azure takes no other; a name that cannot be ours would make every event a sibling's."""
STORAGE: Final = "https://storage.azure.com/"
"""What tokens are for."""


def _events_path(version: str) -> str:
    return f"/metadata/scheduledevents?api-version={version}"


def _body(answer: Answer) -> bytes:
    if answer.status != HTTPStatus.OK:
        message = f"the metadata service answers {answer.status}: {answer.body[:200].decode('utf-8', 'replace')}"
        raise MetadataError(message)
    return answer.body


def _object(body: bytes) -> dict[str, Any]:
    try:
        written = json.loads(body)
    except (ValueError, RecursionError) as error:
        message = f"the metadata service answers no JSON: {body[:80]!r}"
        raise MetadataError(message) from error
    if not isinstance(written, dict):
        message = f"the metadata service answers no object: {body[:80]!r}"
        raise MetadataError(message)
    return written
