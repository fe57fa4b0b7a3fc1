"""How an eviction is announced inside the VM: in time, late, as begun, not at all, or and then called off. Pure.

``announcements.py`` goes by it; ``demo/control.py`` and the emulator read it from what a person typed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

_SECOND: Final = timedelta(seconds=1)
_LONGEST_S: Final = 900


class NoticeError(ValueError):
    """A text names no notice; the message says what does."""


@dataclass(frozen=True, slots=True)
class Notice:
    """``lead``: how long before the VM goes down it is told so. Azure says "up to 30 seconds".

    ``as_started``: the first that is seen of the event is ``Started``. ``called_off_after``: the event is taken back
    then, and the VM stays.
    """

    lead: timedelta
    as_started: bool = False
    called_off_after: timedelta | None = None


LONGEST_NOTICE: Final = Notice(30 * _SECOND)
STARTED_AT_ONCE: Final = Notice(2 * _SECOND, as_started=True)
"""Azure shows failures of hardware so; a Spot eviction may be no better. It is seen by who asks each second."""

CALLED_OFF: Final = Notice(30 * _SECOND, called_off_after=10 * _SECOND)

_WORDS: Final[dict[str, Notice | None]] = {"none": None, "started": STARTED_AT_ONCE, "cancelled": CALLED_OFF}


def read_notice(text: str) -> Notice | None:
    """Read ``none``, ``started``, ``cancelled`` or a number of seconds; ``None`` is no notice at all.

    Raises:
        NoticeError: it is none of these.
    """
    word = text.strip().lower()
    if word in _WORDS:
        return _WORDS[word]
    if word.isascii() and word.isdigit() and 1 <= int(word) <= _LONGEST_S:
        return Notice(int(word) * _SECOND)
    message = f"there is no notice {text!r}: give whole seconds (1 to {_LONGEST_S}), {', '.join(_WORDS)}"
    raise NoticeError(message)
