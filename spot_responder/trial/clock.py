"""Azure's time, by this computer's clock and what that is off.

A trial compares times that it takes itself with times that Azure and the VM tell. A laptop's clock may be minutes off,
and each such comparison would be wrong: the header ``Date`` of ARM's answers tells by how much.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

_FRACTION: Final = timedelta(seconds=1)
"""The header has whole seconds: what it tells began up to a second before."""


@dataclass(slots=True)
class AzuresClock:
    """Gives Azure's time. ``local``: this computer's; ``least``, ``most``: by how much Azure's is ahead of it."""

    local: Callable[[], datetime]
    least: timedelta | None = None
    most: timedelta | None = None

    def now(self) -> datetime:
        """Give Azure's time; this computer's until Azure has told its own."""
        return self.local() + (self.ahead or timedelta())

    @property
    def ahead(self) -> timedelta | None:
        """By how much Azure's clock is ahead of this one; 0 where both may be the same, ``None``: not known."""
        if self.least is None or self.most is None:
            return None
        is_same = self.least <= timedelta() <= self.most
        return timedelta() if is_same else (self.least + self.most) / 2

    def hear(self, date: str, took_s: float) -> None:
        """Learn from the ``Date`` of an answer that has come now, and took so long.

        Each answer leaves a second and its own duration open; several leave less. One that fits none of the others
        came after a clock was set: it alone counts from now on.
        """
        try:
            told = parsedate_to_datetime(date)
        except ValueError:
            return
        heard = self.local()
        if told.tzinfo is None:
            return
        least, most = told - heard, told + _FRACTION - (heard - timedelta(seconds=took_s))
        if self.least is not None and self.most is not None and least <= self.most and self.least <= most:
            least, most = max(least, self.least), min(most, self.most)
        self.least, self.most = least, most
