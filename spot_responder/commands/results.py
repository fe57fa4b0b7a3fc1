"""What a command gives: the same for programs, as JSON, and for people, on paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spot_responder.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from spot_responder.commands.console import Console

FINE, WRONG, MISUSED = 0, 1, 2
"""Exit codes: fine; something is wrong in what was looked at, or it could not be looked; the command was misused."""


class StopError(Exception):
    """A command ends here; the message is one line for people, naming what was wrong."""

    def __init__(self, message: str, exit_code: int = WRONG) -> None:
        """Say why, and with which exit code."""
        super().__init__(one_line(message))
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class CommandResult:
    """``content`` is what ``--json`` prints; ``text`` writes it on paper; without it there is JSON only."""

    content: object
    text: Callable[[Console], str] | None = None
    exit_code: int = FINE
