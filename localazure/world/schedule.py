"""The agenda of the world: moves that fall due at a known time. Kept by ``state.py``."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    type Move = Callable[[], None]


class Agenda:
    """Moves in the order of their time; those of one time in the order they were entered."""

    def __init__(self) -> None:
        """Begin with nothing to do."""
        self._moves: list[tuple[datetime, int, Move]] = []
        self._entered = 0

    def enter(self, due: datetime, move: Move) -> None:
        """Note a move."""
        self._entered += 1
        heapq.heappush(self._moves, (due, self._entered, move))

    def next_due(self) -> datetime | None:
        """Say when the next move falls due; ``None`` when nothing is to come."""
        return self._moves[0][0] if self._moves else None

    def take(self) -> tuple[datetime, Move]:
        """Take the next move off the agenda. There must be one."""
        due, _, move = heapq.heappop(self._moves)
        return due, move
