"""How things are put into words for people: local times, one line for each thing, nothing that steers a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from spot_agent.deciding.actions import Record


def printable(text: str, encoding: str | None) -> str:
    """Write what a terminal would obey, or what the encoding does not have, as an escape; lines stay lines."""
    plain = "\n".join(map(one_line, text.split("\n")))
    return plain.encode(encoding or "ascii", "backslashreplace").decode(encoding or "ascii")


def one_line(text: str) -> str:
    """Write what a terminal would obey as an escape; so there is one line, whatever a hook or an id says."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)


def local(moment: datetime) -> str:
    """Write a moment in the VM's time zone."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def history_line(line: Record) -> str:
    """Write a line of the history."""
    about = " ".join(word for word in (line.event_type, line.status) if word)
    event = f" (event {line.event_id})" if line.event_id else ""
    return one_line(f"{local(line.at)}  {about}  {line.phase}: {line.outcome}{event}")
