"""What an operator does about one VM: hold it, release it, ask for a look now.

A hold is a word in the VM's row, which every path reads before it acts; the row's ETag makes a start that is just
being decided look again. A look is asked for by a message, so that the app does it, with its own rights.
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

    Who asks again gets the look too, in case that the first message was not taken.

    Raises:
        ChangedMeanwhileError: if the app changed the row all the time.
    """
    before, _ = await _changed(store, vm_id, lambda row: replace(row, held_at=None) if row else None)
    was_held = before is not None and before.held_at is not None
    if before and (was_held or before.is_open):
        await retry(queue, vm_id, now, new_id)
    return was_held


async def retry(queue: Queue, vm_id: VmId, now: datetime, new_id: Callable[[], str]) -> None:
    """Ask that a VM be looked at now, and tried if it may be: no pause after a refusal is waited for."""
    await queue.put(operator_asked_event(vm_id, now, new_id()), timedelta())


def _held(row: Recovery | None, vm_id: VmId, now: datetime, new_id: Callable[[], str]) -> Recovery:
    if row is None:
        reason = "an operator held it; nothing was to be recovered"
        return replace(note(vm_id, new_id(), now, SignalKind.OPERATOR_ASKED, reason), held_at=now)
    return row if row.held_at else replace(row, held_at=now)


async def _changed[Row: (Recovery, Recovery | None)](
    store: Store, vm_id: VmId, change: Callable[[Recovery | None], Row]
) -> tuple[Recovery | None, Row]:
    """Change a row, anew where the app changed it meanwhile; give it as it was and as it is now.

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
