"""The result of a command: JSON for programs, text for people. Made by the commands, written by ``cli.py``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spot_responder.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from spot_responder.terminal.console import Console

FINE, WRONG, MISUSED = 0, 1, 2
"""The exit codes: fine; something was found wrong, or could not be checked; the command was misused."""


class StopError(Exception):
    """The command ends here; the message is one line for people, naming what was wrong."""

    def __init__(self, message: str, exit_code: int = WRONG) -> None:
        """Keep the message and the exit code."""
        super().__init__(one_line(message))
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class CommandResult:
    """``content`` is what ``--json`` prints; ``text`` writes it for people; without ``text`` there is only JSON."""

    content: object
    text: Callable[[Console], str] | None = None
    exit_code: int = FINE
