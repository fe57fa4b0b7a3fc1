"""``read-event`` and ``read-error``: how the app reads an event or an error. They ask nothing of Azure.

``intake/events.py`` and ``intake/azure_errors.py`` read the payload.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from spot_responder.commands.read_file import Reader, UnreadableFileError, add_reader
from spot_responder.intake.azure_errors import classify
from spot_responder.intake.events import read_event
from spot_responder.intake.payloads import NotOurs, parse_body

if TYPE_CHECKING:
    import argparse

    from spot_responder.commands.arguments import Commands

MOST_BYTES: Final = 1024 * 1024
"""The largest event that Event Grid takes, in bytes: 1 MB (docs/azure-facts.md delivery-6)."""

_EXAMPLES: Final = """\
examples:
  .venv/bin/spot-responder read-event event.json
  az storage message peek … | .venv/bin/spot-responder read-event -
  .venv/bin/spot-responder read-error error.json     with {"status": 409, "headers": {}, "body": {"error": {…}}}

Both print one JSON object. The exit code is 2 where the file cannot be read as what it should be.
"""


def add(commands: Commands) -> None:
    """Add the two commands."""
    for name, what, read in (
        ("read-event", "read an Event Grid event, of either schema, or a message of our own", _run_read_event),
        ("read-error", 'classify an answer of Azure: {"status", "headers", "body"}', _run_read_error),
    ):
        add_reader(commands, Reader(name, what, _EXAMPLES, MOST_BYTES, "no event and no answer of Azure is", read))


def _run_read_event(content: bytes, _arguments: argparse.Namespace) -> Mapping[str, object]:
    read = read_event(parse_body(content))
    if isinstance(read, NotOurs):
        return {"actionable": False, "reason": read.reason}
    return {
        "vm_id": str(read.vm_id),
        "kind": read.kind,
        "occurred_at": read.occurred_at.isoformat().replace("+00:00", "Z") if read.occurred_at else None,
        "source": read.source,
        "actionable": True,
    }


def _run_read_error(content: bytes, _arguments: argparse.Namespace) -> Mapping[str, object]:
    answer = parse_body(content)
    failure = classify(_status(answer), answer.get("body"), _headers(answer))
    return {
        "kind": failure.kind,
        "code": failure.code,
        "message": failure.message,
        "retry_after_s": None if failure.retry_after is None else failure.retry_after.total_seconds(),
    }


def _status(answer: Mapping[str, object]) -> int | None:
    status = answer.get("status")
    if "status" not in answer or isinstance(status, bool) or not isinstance(status, int | None):
        message = (
            "'status' is missing or no number; expected "
            '{"status": 409, "headers": {…}, "body": {…}}, with null as the status where no answer came'
        )
        raise UnreadableFileError(message)
    return status


def _headers(answer: Mapping[str, object]) -> dict[str, str]:
    headers = answer.get("headers") or {}
    if not isinstance(headers, Mapping):
        message = '\'headers\' is no object; expected {"Retry-After": "30", …}'
        raise UnreadableFileError(message)
    return {str(name): _header_text(value) for name, value in headers.items()}


def _header_text(value: object) -> str:
    """Join a header that came more than once, as HTTP does."""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
