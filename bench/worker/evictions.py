"""When which VM is evicted, with notice or without; the same for everybody, drawn once."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

VMS: Final = 3
NOTICE_S: Final = 10.0
"""A VM that hears of its eviction (its processes get SIGTERM) has so long until SIGKILL."""

AWAY_S: Final = 3.0
"""So long a VM is gone."""

_WITHIN_S: Final = 60.0
_LEAST_LIFE_S: Final = 8.0
_MOST_LIFE_S: Final = 16.0
_LENGTHS_IN_STEPS: Final = (16, 16, 16, 72, 16, 16, 16, 16)
"""A job takes 8 seconds, each eighth one 36: longer than the lease of 30 seconds."""

JOBS: Final = 32


@dataclass(frozen=True, slots=True)
class Eviction:
    """``at_s`` counts from the first step that any job has done."""

    at_s: float
    vm: int
    is_noticed: bool


def draw() -> Sequence[Eviction]:
    """Draw all evictions of a contest, each VM's one after the other."""
    chance = Random(17)  # noqa: S311 - no secret
    drawn: list[Eviction] = []
    for vm in range(VMS):
        at_s = chance.uniform(_LEAST_LIFE_S, _MOST_LIFE_S)
        while at_s < _WITHIN_S:
            eviction = Eviction(at_s, vm, is_noticed=len(drawn) % 2 == 1)
            drawn.append(eviction)
            at_s += (NOTICE_S if eviction.is_noticed else 0) + AWAY_S + chance.uniform(_LEAST_LIFE_S, _MOST_LIFE_S)
    return sorted(drawn, key=lambda one: one.at_s)


def jobs() -> Sequence[dict[str, int]]:
    """Give the bodies of the jobs."""
    return [{"number": each, "steps": _LENGTHS_IN_STEPS[each % len(_LENGTHS_IN_STEPS)]} for each in range(JOBS)]
