"""When the power is lost: the plan of one soak, made of its seed. Pure. Followed by ``losses.py``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from random import Random

_MOST_IN_A_ROW: Final = 3
_AMID_WORK_S: Final = 8.0
_AMID_BOOT_S: Final = 30.0
"""A boot, the recovery and the worker's start: all of that is to be hit."""

_NOTICES_S: Final = (None, None, 1, 2, 4, 8)
"""Half of the evictions come without notice; the others leave the hooks less time than they want, or enough."""


@dataclass(frozen=True, slots=True)
class Loss:
    """An eviction, so long after the VM was switched on or, for the first in a row, was seen at work.

    ``notice_s``: how long before it is announced, or ``None``.
    """

    after_s: float
    notice_s: int | None


def rows_of_losses(losses: int, chance: Random) -> tuple[tuple[Loss, ...], ...]:
    """Make so many losses, up to three in a row; between the rows the VM comes to work."""
    rows: list[tuple[Loss, ...]] = []
    while (left := losses - sum(map(len, rows))) > 0:
        count = min(left, chance.randint(1, _MOST_IN_A_ROW))
        rows.append(tuple(_loss(chance, _AMID_BOOT_S if number else _AMID_WORK_S) for number in range(count)))
    return tuple(rows)


def _loss(chance: Random, within_s: float) -> Loss:
    return Loss(round(chance.uniform(0, within_s), 1), chance.choice(_NOTICES_S))
