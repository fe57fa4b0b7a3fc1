"""What counts as an amount of money an hour. Pure.

Numbers in an answer may have hundreds of digits: as a float such a one is infinite, or an error.
"""

from __future__ import annotations

from typing import Final

MOST: Final = 1_000_000
"""In USD an hour. The dearest sizes cost some hundreds: a number above it is no price."""


def amount_of(value: object) -> float | None:
    """Give what is an amount of money; 0 is one, but no price. ``None`` for all else.

    So of a max price: -1 is no limit (docs/azure-facts.md prices-8), and one that no price can reach is none either.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if 0 <= value <= MOST else None
