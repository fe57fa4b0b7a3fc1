"""How amounts are written for people, and how texts from anybody are made safe to show. Pure.

Called by nearly every package; it imports none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import timedelta

_MINUTE_S: Final = 60
_HOUR_S: Final = 3600
_DAY_S: Final = 86_400
LEFT_OUT: Final = " … "


def span(duration: timedelta) -> str:
    """Write a duration, in its two largest units."""
    seconds = round(duration.total_seconds())
    if seconds < _MINUTE_S:
        return f"{seconds} s"
    if seconds < _HOUR_S:
        return f"{seconds // _MINUTE_S} min {seconds % _MINUTE_S} s"
    if seconds < _DAY_S:
        return f"{seconds // _HOUR_S} h {seconds % _HOUR_S // _MINUTE_S} min"
    return f"{seconds // _DAY_S} d {seconds % _DAY_S // _HOUR_S} h"


def count(number: int, one: str, many: str = "") -> str:
    """Write a number with its word: ``1 VM``, ``3 VMs``."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def one_line(text: object) -> str:
    """Put a text on one line; unprintable characters, such as escapes and marks of direction, become ``?``."""
    return "".join(char if char.isprintable() else "?" for char in " ".join(str(text).split()))


def shortened(text: str, at_most: int) -> str:
    """Cut a text of any length, and keep its beginning and its end: either may be what matters.

    The last of a list of reasons counts, an id ends with its name, a sentence begins with its subject.
    """
    if len(text) <= at_most:
        return text
    end = at_most // 3
    return f"{text[: at_most - end - len(LEFT_OUT)]}{LEFT_OUT}{text[len(text) - end :]}"
