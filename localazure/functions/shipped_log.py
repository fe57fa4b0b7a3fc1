"""The log lines that the app's worker would send to Application Insights, read from the host's log.

They are the app's own and those of its libraries. Called by tests and bench.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_HEAD: Final = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ([A-Z]+) (\S+): ", re.MULTILINE)
_HOST: Final = "localazure"


@dataclass(frozen=True, slots=True)
class Shipped:
    """A record as it is sent: ``text`` is the message, and the traceback where there is one. Of many lines, often."""

    level: str
    logger: str
    text: str

    @property
    def size(self) -> int:
        """How many bytes are paid for, besides Azure's own columns."""
        return len(self.text.encode())


def shipped(host_log: Path) -> list[Shipped]:
    """Give all records but the host's own, in order."""
    _, *parts = _HEAD.split(host_log.read_text("utf-8", "replace"))
    records = zip(parts[0::3], parts[1::3], parts[2::3], strict=True)
    return [
        Shipped(level, logger, text.removesuffix("\n"))
        for level, logger, text in records
        if logger.partition(".")[0] != _HOST
    ]
