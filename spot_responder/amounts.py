"""How amounts are written for people: how long something takes, how many there are. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import timedelta

_MINUTE_S: Final = 60
_HOUR_S: Final = 3600
_DAY_S: Final = 86_400


def span(duration: timedelta) -> str:
    """Write how long something takes, in the two largest units that matter."""
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
