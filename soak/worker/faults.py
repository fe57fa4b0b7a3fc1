"""The faults between workers and storage: what is lost, refused, slow or sent twice, and where a process dies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from soak.worker.account import RefusedError
from soak.worker.wire import SMOOTH, Death, Fate, Request

if TYPE_CHECKING:
    from random import Random

REFUSALS: Final = (
    RefusedError(500, "InternalError"),
    RefusedError(500, "OperationTimedOut"),
    RefusedError(503, "ServerBusy"),
    RefusedError(403, "AuthorizationPermissionMismatch"),
    RefusedError(404, "QueueNotFound"),
)
_QUEUES: Final = frozenset({Request.RECEIVE, Request.RENEW, Request.DELETE_MESSAGE, Request.PUT_MESSAGE})
_TABLES: Final = frozenset({Request.WRITE_ROW, Request.WRITE_WORKER_ROW, Request.READ_WORKER_ROWS})
RECORDS: Final = frozenset({Request.READ_POINTER, Request.WRITE_POINTER})
SERVICES: Final = (_QUEUES, _TABLES, frozenset(Request) - _QUEUES - _TABLES, frozenset(Request))


@dataclass(slots=True)
class Weather:
    """How requests of all processes fare: ``level`` of them, of 1, meet a fault; those in ``out`` all do."""

    chance: Random
    level: float
    out: frozenset[Request] = frozenset()
    is_slow: bool = False
    faults: int = 0

    def of(self, request: Request) -> Fate:
        """Say how the next request of this kind fares."""
        seconds = self.chance.choice((0.01, 0.02, 0.05))
        if self.is_slow:
            self.faults += 1
            seconds += self.chance.choice((0.5, 1.5, 4.0))
        if request in self.out:
            self.faults += 1
            return Fate(seconds, refusal=self.chance.choice(REFUSALS)) if self.chance.randrange(3) else _lost(seconds)
        if self.chance.random() >= self.level:
            return Fate(seconds) if self.chance.random() < 1 / 2 else Fate(0.0, seconds)
        self.faults += 1
        match self.chance.randrange(5):
            case 0:
                return _lost(seconds)
            case 1:
                return Fate(seconds, is_answered=False)
            case 2:
                return Fate(seconds, is_sent_twice=True)
            case 3:
                return Fate(seconds + self.chance.choice((2.0, 6.0, 18.0)))
            case _:
                return Fate(seconds, refusal=self.chance.choice(REFUSALS[:3]))

    def clears(self) -> None:
        """Let everything arrive from now on."""
        self.level, self.out, self.is_slow = 0.0, frozenset(), False


def _lost(seconds: float) -> Fate:
    return Fate(seconds, arrives=False)


@dataclass(slots=True)
class Doom:
    """The faults of one process: the weather, and its own at one of its next requests (``in_requests``) of these kinds.

    Then it dies; or its VM stands still, for ``frozen_s``.
    """

    weather: Weather
    chance: Random
    in_requests: int | None = None
    kinds: frozenset[Request] = frozenset(Request)
    frozen_s: float = 0.0

    def of(self, request: Request) -> Fate:
        """Say how the next request fares."""
        fate = self.weather.of(request)
        if self.in_requests is None or request not in self.kinds:
            return fate
        self.in_requests -= 1
        if self.in_requests > 0:
            return fate
        self.in_requests = None
        self.weather.faults += 1
        if self.frozen_s:
            return Fate(SMOOTH.seconds, frozen_s=self.frozen_s, is_frozen_before=self.chance.random() < 1 / 2)
        return Fate(SMOOTH.seconds, death=self.chance.choice((Death.BEFORE, Death.AFTER)))
