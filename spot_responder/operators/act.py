"""What an operator does about one VM: hold it, release it, ask for a look now. Called by ``commands/hold.py``.

A hold is a field in the VM's row, which is read before every decision; the row's ETag makes a start that is being
decided at the same time gather again. A look is asked for by a message, so that the app does it, with its own rights.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from spot_responder.decisions.recoveries import Recovery, note
from spot_responder.intake.own_messages import operator_asked_event
from spot_responder.intake.signals import SignalKind
from spot_responder.responder.retry_on_change import retry_on_change

if TYPE_CHECKING:
    from collections.abc import Callable

    from spot_responder.intake.vms import VmId
    from spot_responder.responder.ports import Queue, Store


async def hold(store: Store, vm_id: VmId, now: datetime, new_id: Callable[[], str]) -> Recovery:
    """Hold a VM: it is not started until it is released. Give its row; one that is held already stays as it is.

    Raises:
        ChangedMeanwhileError: if the app changed the row all the time.
    """
    _, held = await _changed(store, vm_id, lambda row: _held(row, vm_id, now, new_id))
    return held


async def release(store: Store, queue: Queue, vm_id: VmId, now: datetime, new_id: Callable[[], str]) -> bool:
    """Release a VM and ask for a look at it; give whether it was held.

    A repeated release asks for the look again, in case the first message could not be put on the queue.

    Raises:
        ChangedMeanwhileError: if the app changed the row all the time.
    """
    before, _ = await _changed(store, vm_id, lambda row: replace(row, held_at=None) if row else None)
    was_held = before is not None and before.held_at is not None
    if before and (was_held or before.is_open):
        await retry(queue, vm_id, now, new_id)
    return was_held


async def retry(queue: Queue, vm_id: VmId, now: datetime, new_id: Callable[[], str]) -> None:
    """Ask for a look at a VM now, and a start if it may be: the pause after a refusal is not waited for."""
    await queue.put(operator_asked_event(vm_id, now, new_id()), timedelta())


def _held(row: Recovery | None, vm_id: VmId, now: datetime, new_id: Callable[[], str]) -> Recovery:
    if row is None:
        reason = "an operator held it; nothing was to be recovered"
        return replace(note(vm_id, new_id(), now, SignalKind.OPERATOR_ASKED, reason), held_at=now)
    return row if row.held_at else replace(row, held_at=now)


async def _changed[Row: (Recovery, Recovery | None)](
    store: Store, vm_id: VmId, change: Callable[[Recovery | None], Row]
) -> tuple[Recovery | None, Row]:
    """Change a row, again if the app changed it meanwhile; give it as it was and as it is now.

    Raises:
        ChangedMeanwhileError: if the app changed the row all the time.
    """

    async def once() -> tuple[Recovery | None, Row]:
        stored = await store.load(vm_id)
        row = change(stored.value)
        if row is not None and row != stored.value:
            await store.save(row, stored.etag)
        return stored.value, row

    return await retry_on_change(vm_id, once)
