"""Puts a job that was given up back on its queue. It may be interrupted anywhere, and done again."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING

from spot_worker.deciding.messages import check_known, read_message, write_again
from spot_worker.deciding.names import message_name, pointer_name
from spot_worker.deciding.record.endings import requeued
from spot_worker.deciding.record.pointer_text import read_pointer, write_pointer
from spot_worker.deciding.record.pointers import Poison, Result
from spot_worker.running.ports import NotAsExpectedError

if TYPE_CHECKING:
    from spot_worker.deciding.messages import JobMessage, PoisonMessage
    from spot_worker.deciding.record.pointers import Pointer
    from spot_worker.running.ports import Blobs, Queue


class Requeued(str, Enum):
    """What became of a message of the poison queue. In each case it may be deleted now."""

    PUT_BACK = "put back"
    DOUBLE = "double"


class NoBodyError(Exception):
    """The job's body, which was too large for the poison queue, is not to be had; the text says why."""


async def requeue(queue: Queue, blobs: Blobs, name: str, poison: PoisonMessage) -> Requeued:
    """Let a job be tried again.

    Raises ``UnreadablePointerError`` if its record was changed by hand, ``NewerMessageError``, and ``NoBodyError``.
    """
    check_known(poison.job)
    where, whole = pointer_name(name, poison.job.id), None
    while True:
        found = await blobs.read(where)
        if found is None:
            break
        pointer = read_pointer(found.content, name, poison.job.id)
        if _is_over(pointer, poison.attempt):
            return Requeued.DOUBLE
        if not isinstance(pointer.outcome, Poison):
            break  # an earlier try had written the record; whether the message followed is not known
        whole = whole or await _whole(blobs, name, poison)
        try:
            await blobs.replace(where, write_pointer(requeued(pointer)), found.etag)
        except NotAsExpectedError:
            continue
        break
    await queue.send(name, write_again(whole or await _whole(blobs, name, poison)))
    return Requeued.PUT_BACK


async def _whole(blobs: Blobs, name: str, poison: PoisonMessage) -> JobMessage:
    """Give the job with its body, also where that was too large for the poison queue. Raises ``NoBodyError``."""
    if not poison.body_in:
        return poison.job
    where = message_name(name, poison.job.id)
    if poison.body_in != where:
        message = f"its body is said to be in {poison.body_in!r:.200}, where no worker puts one: it would be in {where}"
        raise NoBodyError(message)
    kept = await blobs.read(where)
    if kept is None:
        message = f"its body was in {where}, which is gone: submit the job anew"
        raise NoBodyError(message)
    try:
        text = kept.content.decode()
    except UnicodeDecodeError as error:
        message = f"its body is in {where}, which is no text: {error}"
        raise NoBodyError(message) from error
    return replace(read_message(poison.job.id, text), id=poison.job.id)


def _is_over(pointer: Pointer, attempt: int | None) -> bool:
    """Whether the job went on after the attempt that the message tells of."""
    return isinstance(pointer.outcome, Result) or (attempt is not None and pointer.attempt > attempt)
