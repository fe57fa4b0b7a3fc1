"""Puts a job that was given up back on its queue. It may be interrupted anywhere, and done again."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING

from spot_worker.deciding.endings import requeued
from spot_worker.deciding.messages import check_known, read_message, write_again
from spot_worker.deciding.names import pointer_name
from spot_worker.deciding.pointer_text import read_pointer, write_pointer
from spot_worker.deciding.pointers import Poison, Result
from spot_worker.running.ports import NotAsExpectedError

if TYPE_CHECKING:
    from spot_worker.deciding.messages import JobMessage, PoisonMessage
    from spot_worker.deciding.pointers import Pointer
    from spot_worker.running.ports import Blobs, Queue


class Requeued(str, Enum):
    """What became of a message of the poison queue. In each case it may be deleted now."""

    PUT_BACK = "put back"
    DOUBLE = "double"


async def requeue(queue: Queue, blobs: Blobs, name: str, poison: PoisonMessage) -> Requeued:
    """Let a job be tried again.

    Raises ``UnreadablePointerError`` if its record was changed by hand, and ``NewerMessageError``.
    """
    check_known(poison.job)
    where = pointer_name(name, poison.job.id)
    while True:
        found = await blobs.read(where)
        if found is None:
            break
        pointer = read_pointer(found.content, name, poison.job.id)
        if _is_over(pointer, poison.attempt):
            return Requeued.DOUBLE
        if not isinstance(pointer.outcome, Poison):
            break  # an earlier try had written the record; whether the message followed is not known
        try:
            await blobs.replace(where, write_pointer(requeued(pointer)), found.etag)
        except NotAsExpectedError:
            continue
        break
    await queue.send(name, write_again(await _whole(blobs, poison)))
    return Requeued.PUT_BACK


async def _whole(blobs: Blobs, poison: PoisonMessage) -> JobMessage:
    """Give the job with its body, also where that was too large for the poison queue."""
    kept = await blobs.read(poison.body_in) if poison.body_in else None
    return replace(read_message(poison.job.id, kept.content.decode()), id=poison.job.id) if kept else poison.job


def _is_over(pointer: Pointer, attempt: int | None) -> bool:
    """Whether the job went on after the attempt that the message tells of."""
    return isinstance(pointer.outcome, Result) or (attempt is not None and pointer.attempt > attempt)
