"""A small chart as inline SVG: bars, each with its name and number, so that it can be read as words too. Pure.

Called by ``page.py``; the colours are in ``style.py``.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spot_responder.operators.views.figures import Count

_WIDTH: Final = 260
"""The width of a chart, about that of a phone, so that its letters are no smaller there than the page's."""

_ROW: Final = 24
_NAMES_END: Final = 92
_LONGEST: Final = 125
"""The length of the longest bar, in the units of the picture."""


def bar_chart(title: str, counts: Sequence[Count]) -> str:
    """Draw one bar for each count, one below the other; a screen reader reads the title and the numbers."""
    height = _ROW * len(counts)
    largest = max((count.number for count in counts), default=0) or 1
    told = ", ".join(f"{count.name}: {count.number}" for count in counts)
    bars = "".join(_bar(count, place, largest) for place, count in enumerate(counts))
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(f"{title}. {told}")}">'
        f"<title>{escape(title)}</title>{bars}</svg>"
    )


def _bar(count: Count, place: int, largest: int) -> str:
    top, length = place * _ROW, round(_LONGEST * count.number / largest, 1)
    middle, number_at = top + _ROW / 2 + 4, _NAMES_END + length + 8
    return (
        f'<text class="name" x="{_NAMES_END - 8}" y="{middle}" text-anchor="end">{escape(count.name)}</text>'
        f'<rect x="{_NAMES_END}" y="{top + 4}" width="{max(length, 1)}" height="{_ROW - 8}" rx="2"/>'
        f'<text class="number" x="{number_at}" y="{middle}">{count.number}</text>'
    )
