"""Work that is not cut short by what cancels its caller: a creation, a removal."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

AGAIN: Final = "Ctrl-C again ends even that"
_TURNS: Final = 3
"""So many turns of the event loop pass at most between a signal and the cancelling of a task."""


async def answered[Result](work: Coroutine[Any, Any, Result]) -> tuple[Result, bool]:
    """Wait for the end of something, whatever cancels this meanwhile; give what it gave, and whether anything did."""
    task = asyncio.ensure_future(work)
    cancelled = False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            cancelled = True
        except Exception:  # noqa: BLE001, S112 - raised below
            continue
    return task.result(), cancelled


async def to_its_end[Result](
    work: Coroutine[Any, Any, Result], tell: Callable[[str], None], *, announced: bool
) -> tuple[Result, bool]:
    """Do a removal in a task of its own; give what it gave, and whether this task was cancelled meanwhile.

    ``announced``: somebody has ended the trial already, and was told that Ctrl-C again ends the removal too. The first
    time that this task is cancelled otherwise, that is told, and the removal goes on.

    Raises:
        CancelledError: if it was cancelled after that was told.
    """
    # What was pressed before it was told does not mean the removal.
    heard = await _heard_before()
    task = asyncio.ensure_future(work)
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            _uncancel()
            if announced and not task.done():
                task.cancel()
                await asyncio.wait([task])
                raise
            tell(f"taking away what was created; {AGAIN}")
            announced = heard = True
        except Exception:  # noqa: BLE001, S112 - raised below
            continue
    return task.result(), heard


async def _heard_before() -> bool:
    heard = False
    for _ in range(_TURNS):
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            _uncancel()
            heard = True
    return heard


def _uncancel() -> None:
    task = asyncio.current_task()
    while task is not None and task.cancelling():
        task.uncancel()
