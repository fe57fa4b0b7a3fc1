"""The storage queue ``agents``, by REST with the VM's managed identity. The token is fetched ahead of time.

Called by ``azure.py``. Source: Microsoft's "Put Message". The Functions host reads messages in base64.
"""

from __future__ import annotations

import base64
import json
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from spot_agent.edges.web import Answer, NoAnswerError, request

if TYPE_CHECKING:
    from collections.abc import Mapping

_VERSION: Final = "2020-10-02"
TRY_WITHIN_S: Final = 1.8
"""Three tries fit into 6 seconds."""


class QueueError(Exception):
    """The queue did not take the message."""


def put(url: str, token: str, event: Mapping[str, Any], within_s: float = TRY_WITHIN_S) -> None:
    """Put one CloudEvent on the queue. Raises ``QueueError``."""
    text = base64.b64encode(json.dumps(event).encode()).decode("ascii")
    body = f"<QueueMessage><MessageText>{text}</MessageText></QueueMessage>".encode("ascii")
    answer = _ask("POST", f"{url}/messages", token, within_s, body)
    if answer.status != HTTPStatus.CREATED:
        raise QueueError(_refusal(answer))


def may_write(url: str, token: str, within_s: float = 5.0) -> str:
    """Say what keeps us from the queue and what to do about it, empty if nothing does. Nothing is put on it.

    An empty body is refused as malformed only after the right to write was checked [docs/azure-assumptions.md].
    """
    try:
        answer = _ask("POST", f"{url}/messages", token, within_s, b"")
    except QueueError as error:
        return f"{error}: is the account's name right, and may this VM reach it?"
    if answer.status == HTTPStatus.BAD_REQUEST:
        return ""
    return f"{_refusal(answer)}: {_ADVICE.get(answer.status, _advice(answer.status))}"


_ROLE: Final = "the identity needs the role Storage Queue Data Message Sender on it"
_ADVICE: Final[Mapping[int, str]] = {
    HTTPStatus.UNAUTHORIZED: _ROLE,
    HTTPStatus.FORBIDDEN: f"{_ROLE}, and the account's firewall must let this VM in",
    HTTPStatus.NOT_FOUND: "there is no such queue; the responder's deployment makes it",
    HTTPStatus.TOO_MANY_REQUESTS: "it has too much to do; check again later",
}


def _advice(status: int) -> str:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "storage is in trouble; check again later"
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return "it is elsewhere, and nothing is sent on; give its own URL"
    return "no queue answers so; is the URL right?"


def _ask(method: str, url: str, token: str, within_s: float, body: bytes) -> Answer:
    headers = {
        "Authorization": f"Bearer {token}",
        "x-ms-version": _VERSION,
        "x-ms-date": formatdate(usegmt=True),
        "Content-Type": "application/xml",
        "Connection": "close",
    }
    try:
        return request(method, url, headers, body=body, within_s=within_s)
    except NoAnswerError as error:
        message = f"the queue does not answer: {error}"
        raise QueueError(message) from error


def _refusal(answer: Answer) -> str:
    code = answer.headers.get("x-ms-error-code", "")
    return f"the queue answers {answer.status} {code}".rstrip()
