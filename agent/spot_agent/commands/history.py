"""``history``: what happened to this VM, the oldest line first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spot_agent.commands.answers import CommandAnswer
from spot_agent.edges.disk import read_history, record_as_json
from spot_agent.text import history_line

if TYPE_CHECKING:
    from spot_agent.configuration import Configuration


def history(configuration: Configuration) -> CommandAnswer:
    """Give every line that is kept."""
    lines = read_history(configuration.state)
    text = "\n".join(map(history_line, lines)) or f"nothing has happened yet (state: {configuration.state})"
    return CommandAnswer(text, [record_as_json(line) for line in lines])
