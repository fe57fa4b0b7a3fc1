"""How an answer is written for people: aligned tables, times in their zone, colours on terminals only.

``cli.py`` makes the ``Console``; the commands write with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from spot_responder.text import span

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, tzinfo


class Colour(Enum):
    """A meaning, and its number in the terminal's palette."""

    GOOD = "32"
    BAD = "31"
    NOTICE = "33"
    FAINT = "2"
    HEAD = "1"


@dataclass(frozen=True, slots=True)
class Painted:
    """A text with a colour, which does not count in its width."""

    text: str
    colour: Colour


type Cell = str | Painted


@dataclass(frozen=True, slots=True)
class Console:
    """Writes times, titles and tables. ``zone`` is the reader's."""

    now: datetime
    zone: tzinfo
    coloured: bool = False

    def paint(self, text: str, colour: Colour) -> str:
        """Colour a text, if colours are wanted."""
        return f"\x1b[{colour.value}m{text}\x1b[0m" if self.coloured and text else text

    def when(self, time: datetime | None) -> str:
        """Write a time as a clock shows it; with its day, if that is not today."""
        if time is None:
            return "-"
        there, today = time.astimezone(self.zone), self.now.astimezone(self.zone).date()
        return f"{there:%H:%M:%S}" if there.date() == today else f"{there:%Y-%m-%d %H:%M:%S}"

    def away(self, time: datetime | None) -> str:
        """Write a time with how far it is from now: ``10:03:20 (in 40 s)``."""
        if time is None:
            return "-"
        gap = time - self.now
        ago = span(-gap) + " ago" if gap.total_seconds() < 0 else f"in {span(gap)}"
        return f"{self.when(time)} ({ago})"

    def title(self, what: str) -> str:
        """Begin an answer: what it is, when it was true, and in which zone times are written."""
        there = self.now.astimezone(self.zone)
        return self.paint(what, Colour.HEAD) + f"   {there:%Y-%m-%d %H:%M:%S %Z}\n"

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
        """Write a table; columns of numbers are aligned to the right, and the last column is as wide as it needs."""
        texts = [[_text(cell) for cell in row] for row in rows]
        widths = [max(map(len, column)) for column in zip(heads, *texts, strict=True)]
        right = [bool(texts) and all(_is_number(row[place]) for row in texts) for place in range(len(heads))]
        lines = [self.paint(_line(heads, widths, right), Colour.FAINT)]
        for row in rows:
            cells = [self._cell(cell, widths[place], right=right[place]) for place, cell in enumerate(row)]
            lines.append("  ".join(cells).rstrip())
        return "".join(f"{line}\n" for line in lines)

    def _cell(self, cell: Cell, width: int, *, right: bool) -> str:
        text = _text(cell)
        filled = text.rjust(width) if right else text.ljust(width)
        # Blanks are not coloured, so that trailing ones can be cut.
        return filled.replace(text, self.paint(text, cell.colour), 1) if isinstance(cell, Painted) and text else filled


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    filled = (
        cell.rjust(width) if to_right else cell.ljust(width)
        for cell, width, to_right in zip(cells, widths, right, strict=True)
    )
    return "  ".join(filled).rstrip()


def _text(cell: Cell) -> str:
    return cell.text if isinstance(cell, Painted) else cell


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit() or text == "-"
