"""What a command answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class CommandAnswer:
    """``text`` for people, ``data`` for ``--json``; ``code`` is the exit code."""

    text: str
    data: Any
    code: int = 0
