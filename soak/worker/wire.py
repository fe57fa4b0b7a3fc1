"""The wire between one worker's process and storage: each request takes time, may fail, or be the process's last."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, Protocol

from soak.worker.account import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

TIMEOUT_S: Final = 9.0
"""How long a client waits for an answer that does not come."""


class Request(Enum):
    """What a request is for."""

    RECEIVE = auto()
    RENEW = auto()
    DELETE_MESSAGE = auto()
    PUT_MESSAGE = auto()
    READ_POINTER = auto()
    WRITE_POINTER = auto()
    READ_BLOB = auto()
    WRITE_BLOB = auto()
    DELETE_BLOB = auto()
    WRITE_ROW = auto()
    WRITE_WORKER_ROW = auto()
    READ_WORKER_ROWS = auto()


class Death(Enum):
    """When the process dies: with the request not yet sent, or with its answer unread."""

    BEFORE = auto()
    AFTER = auto()


@dataclass(frozen=True, slots=True)
class Fate:
    """How one request fares: it takes ``seconds`` to arrive, and its answer ``answer_s``.

    ``arrives`` false: it is lost. ``is_answered`` false: done, but nobody is told. ``is_sent_twice``: the first answer
    was lost, and the SDK sent the request again, whose answer is the second's. ``refusal``: what Azure says instead.
    ``frozen_s``: so long the VM stands still, before the request arrives or before its answer does.
    """

    seconds: float = 0.02
    answer_s: float = 0.0
    arrives: bool = True
    is_answered: bool = True
    is_sent_twice: bool = False
    refusal: RefusedError | None = None
    death: Death | None = None
    frozen_s: float = 0.0
    is_frozen_before: bool = False


SMOOTH: Final = Fate()


class FaultPlan(Protocol):
    """Decides how requests fare."""

    def of(self, request: Request) -> Fate:
        """Say how the next request of this kind fares."""


class UnansweredError(Exception):
    """Nothing was heard: the request may have been carried out."""


@dataclass(slots=True)
class Wire:
    """Carries the requests of one process. ``die`` ends the process; ``sent`` counts its requests.

    ``end_of_time``: what a dead process waits for; it is cancelled when the story is over.
    """

    faults: FaultPlan
    end_of_time: asyncio.Future[None]
    die: Callable[[], None]
    is_dead: bool = False
    frozen_until: float = 0.0
    sent: dict[Request, int] = field(default_factory=dict)

    async def send[T](self, request: Request, effect: Callable[[], T], size: int = 0, rate: float = 0.0) -> T:
        """Carry one request to where ``effect`` answers it; ``size`` bytes at ``rate`` bytes a second.

        Raises:
            UnansweredError: where nothing is heard.
            RefusedError: where Azure refuses.
        """
        await self.stand_still()
        self.sent[request] = self.sent.get(request, 0) + 1
        fate = self.faults.of(request)
        if fate.is_frozen_before:
            self._freeze(fate.frozen_s)
        await self._lasts(fate.seconds + (size / rate if rate else 0.0))
        if fate.death is Death.BEFORE:
            await self._end()
        if not fate.arrives:
            await asyncio.sleep(TIMEOUT_S)
            raise UnansweredError(request.name)
        if fate.refusal is not None:
            raise fate.refusal
        result = await self._carried_out(effect, fate)
        if not fate.is_frozen_before:
            self._freeze(fate.frozen_s)
        await self._lasts(fate.answer_s)
        return result

    async def _lasts(self, seconds: float) -> None:
        if seconds:
            await asyncio.sleep(seconds)
        await self.stand_still()

    def _freeze(self, seconds: float) -> None:
        self.frozen_until = max(self.frozen_until, asyncio.get_running_loop().time() + seconds)

    async def stand_still(self) -> None:
        """Wait while the VM is frozen; for ever, if the process is dead."""
        loop = asyncio.get_running_loop()
        if self.frozen_until > loop.time():
            await asyncio.sleep(self.frozen_until - loop.time())
        if self.is_dead:
            await asyncio.shield(self.end_of_time)

    async def _carried_out[T](self, effect: Callable[[], T], fate: Fate) -> T:
        try:
            result = effect()
        except RefusedError:
            if fate.death is Death.AFTER:
                await self._end()
            raise
        if fate.death is Death.AFTER:
            await self._end()
        if not fate.is_answered:
            await asyncio.sleep(TIMEOUT_S)
            await self.stand_still()
            raise UnansweredError
        if fate.is_sent_twice:
            await asyncio.sleep(1.0)
            result = effect()
        return result

    async def _end(self) -> None:
        self.die()
        await self.stand_still()
