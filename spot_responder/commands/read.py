"""``read-event`` and ``read-error``: how the app reads an event or an error. They ask nothing of Azure.

``intake/events.py`` and ``intake/azure_errors.py`` read the payload.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from spot_responder.commands.results import MISUSED, CommandResult, StopError
from spot_responder.intake.azure_errors import classify
from spot_responder.intake.events import read_event
from spot_responder.intake.payloads import NotOurs, UnreadableEvent, parse_body

if TYPE_CHECKING:
    from collections.abc import Callable

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


class UnreadableFileError(ValueError):
    """The file is missing, cannot be read, or is not of the kind that the command reads."""


def add(commands: Commands) -> None:
    """Add the two commands."""
    _add(commands, "read-event", "read an Event Grid event, of either schema, or a message of our own", _run_read_event)
    _add(commands, "read-error", 'classify an answer of Azure: {"status", "headers", "body"}', _run_read_error)


def _add(commands: Commands, name: str, what: str, read: Callable[[bytes], Mapping[str, object]]) -> None:
    command = commands.add_parser(
        name,
        help=what,
        description=what,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.add_argument("file", metavar="FILE", help="a JSON file; - reads standard input")
    command.add_argument("--json", action="store_true", help="JSON, which it is in any case")

    def run(arguments: argparse.Namespace) -> CommandResult:
        try:
            return CommandResult(read(_read_bytes(arguments.file)))
        except (UnreadableFileError, UnreadableEvent) as error:
            message = f"{arguments.file!r}: {error}"
            raise StopError(message, MISUSED) from error

    command.set_defaults(read=run, name=name)


def _run_read_event(content: bytes) -> Mapping[str, object]:
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


def _run_read_error(content: bytes) -> Mapping[str, object]:
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


def _read_bytes(file: str) -> bytes:
    try:
        if file == "-":
            content = sys.stdin.buffer.read(MOST_BYTES + 1)
        else:
            with Path(file).open("rb") as opened:
                content = opened.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        message = f"cannot be read: {getattr(error, 'strerror', None) or error}"
        raise UnreadableFileError(message) from error
    if len(content) > MOST_BYTES:
        message = f"larger than {MOST_BYTES} bytes; no event and no answer of Azure is"
        raise UnreadableFileError(message)
    return content
