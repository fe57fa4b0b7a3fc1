"""What a command gives: the same for programs, as JSON, and for people, on paper."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from spot_responder.vms import VmId

if TYPE_CHECKING:
    from collections.abc import Callable

    from spot_responder.commands.paper import Paper

FINE, WRONG, MISUSED = 0, 1, 2
"""Exit codes: fine; something is wrong in what was looked at, or it could not be looked; the command was misused."""


def one_line(text: str) -> str:
    """Put a text on one line, with nothing in it that a terminal would obey."""
    return "".join(char if char.isprintable() else "?" for char in " ".join(text.split()))


class StopError(Exception):
    """A command ends here; the message is one line for people, naming what was wrong."""

    def __init__(self, message: str, exit_code: int = WRONG) -> None:
        """Say why, and with which exit code."""
        super().__init__(one_line(message))
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Answer:
    """``content`` is what ``--json`` prints; ``told`` writes it on paper; without it there is JSON only."""

    content: object
    told: Callable[[Paper], str] | None = None
    exit_code: int = FINE


def json_form(value: object) -> object:
    """Write a read-model as JSON: names as in the code, times in UTC, spans in seconds, ids as ARM writes them."""
    match value:
        case VmId():
            return str(value)
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case Mapping():
            return {str(key): json_form(each) for key, each in value.items()}
        case tuple() | list():
            return [json_form(each) for each in value]
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = dataclasses.fields(value)
            return {field.name: json_form(getattr(value, field.name)) for field in fields}
    return value
