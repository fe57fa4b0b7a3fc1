"""Claims a job: counts the attempt in its record, before any work is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spot_worker.deciding.names import pointer_name, unreadable_name
from spot_worker.deciding.record import claims
from spot_worker.deciding.record.pointer_text import (
    NewerPointerError,
    UnreadablePointerError,
    read_pointer,
    write_pointer,
)
from spot_worker.running.ports import HeldByAnotherError, NotAsExpectedError
from spot_worker.running.record import Record

if TYPE_CHECKING:
    from spot_worker.deciding.record.budgets import Budgets
    from spot_worker.deciding.record.claims import Claimed
    from spot_worker.deciding.record.pointers import Claim, Pointer
    from spot_worker.running.ports import Blob, Blobs, Tables


@dataclass(frozen=True)
class Asked:
    """Who wants to claim which job. The same ``claim`` may be tried again after any error: it counts once.

    ``put_at``: when its message was put on the queue, or "".
    """

    queue: str
    job_id: str
    claim: Claim
    budgets: Budgets
    lease_s: int
    put_at: str = ""


async def claim_job(blobs: Blobs, tables: Tables, asked: Asked) -> tuple[Claimed, Record]:
    """Claim a job, and give what is to be done with its record.

    Raises ``NewerPointerError``, and ``HeldByAnotherError``.
    """
    name = pointer_name(asked.queue, asked.job_id)
    while True:
        try:
            # A new job has no record: to try this first spares reading it.
            fresh = claims.first(asked.queue, asked.job_id, asked.claim, asked.put_at)
            etag = await blobs.create(name, write_pointer(fresh.pointer))
            return fresh, Record(blobs, fresh.pointer, etag)
        except NotAsExpectedError:
            found = await blobs.read(name)
        if found is None:
            continue
        claimed = await _claimed_again(blobs, tables, asked, found)
        if isinstance(claimed, claims.Over) or _is_written(claimed, found, asked):
            return claimed, Record(blobs, claimed.pointer, found.etag, found.written_at)
        try:
            etag = await blobs.replace(name, write_pointer(claimed.pointer), found.etag)
        except NotAsExpectedError:
            continue
        return claimed, Record(blobs, claimed.pointer, etag)


async def find_claim(blobs: Blobs, asked: Asked) -> Record | None:
    """Give the record if it was claimed by this very claim, whose answer was lost."""
    found = await blobs.read(pointer_name(asked.queue, asked.job_id))
    try:
        pointer = read_pointer(found.content, asked.queue, asked.job_id) if found else None
    except UnreadablePointerError:
        return None
    return Record(blobs, pointer, found.etag) if found and pointer and pointer.claim.id == asked.claim.id else None


async def _claimed_again(blobs: Blobs, tables: Tables, asked: Asked, found: Blob) -> Claimed:
    try:
        pointer = read_pointer(found.content, asked.queue, asked.job_id)
    except NewerPointerError:
        raise  # versions change one VM after the other: the newer workers do it
    except UnreadablePointerError as error:
        copy = unreadable_name(asked.queue, asked.job_id)
        await _keep_copy(blobs, copy, found)
        return claims.unreadable(asked.queue, asked.job_id, asked.claim, str(error), copy)
    if pointer.claim.id != asked.claim.id:
        await _let_others_work(tables, pointer, asked)
        return claims.again(pointer, asked.claim, asked.budgets)
    # This very claim was written, and the answer was lost.
    return claims.GiveUp(pointer) if pointer.outcome else claims.Run(pointer)


async def _let_others_work(tables: Tables, pointer: Pointer, asked: Asked) -> None:
    """Raise ``HeldByAnotherError`` if somebody does: a claim would end that work, and count it as lost."""
    if claims.is_free(pointer, asked.claim):
        return  # the table need not be read
    renewed = await tables.renewed(asked.queue, asked.job_id)
    if claims.is_alive(pointer, asked.claim, asked.lease_s, renewed):
        message = f"attempt {pointer.attempt} on {pointer.claim.vm} works on it, with another message"
        raise HeldByAnotherError(message)


def _is_written(claimed: Claimed, found: Blob, asked: Asked) -> bool:
    return claimed.pointer.claim.id == asked.claim.id and write_pointer(claimed.pointer) == found.content


async def _keep_copy(blobs: Blobs, name: str, found: Blob) -> None:
    try:
        await blobs.create(name, found.content)
    except NotAsExpectedError:
        return  # one is there already: what was in the record first says most
