"""Asks storage again and again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeVar

from spot_worker.running.ports import StorageError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from spot_worker.running.ports import Log

_FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 5.0
_Given = TypeVar("_Given")


async def persist(call: Callable[[], Awaitable[_Given]], log: Log) -> _Given:
    """Give what the call gives, once it succeeds. Raises ``StorageError`` if to ask again will not help.

    Who calls this sees to it that it ends: with the lease, or with the time to stop.
    """
    pauses = _pauses()
    while True:
        try:
            return await call()
        except StorageError as error:
            if error.is_lasting:
                raise
            pause = next(pauses)
            log.say("storage does not answer", error=str(error), again_in_s=pause)
        await asyncio.sleep(pause)


def persist_for(
    seconds: float, call: Callable[[], _Given], monotonic: Callable[[], float], wait: Callable[[float], None]
) -> _Given:
    """Give what the call gives, which is asked again for so long. Raises ``StorageError``."""
    until, pauses = monotonic() + seconds, _pauses()
    while True:
        try:
            return call()
        except StorageError as error:
            pause = next(pauses)
            if error.is_lasting or monotonic() + pause > until:
                raise
        wait(pause)


def _pauses() -> Iterator[float]:
    pause = _FIRST_PAUSE_S
    while True:
        yield pause
        pause = min(2 * pause, LONGEST_PAUSE_S)
