"""Does what follows from a job's outcome. All of it may be done twice: a crash at any point is made up for by this."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING

from spot_worker.deciding.messages import read_poison, write_message, write_poison
from spot_worker.deciding.names import message_name, poison_queue
from spot_worker.deciding.record.endings import blobs_of
from spot_worker.deciding.record.pointers import Result
from spot_worker.deciding.rows import result_row
from spot_worker.running.ports import NotAsExpectedError, StorageError
from spot_worker.running.storage_retries import persist

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from spot_worker.deciding.messages import JobMessage
    from spot_worker.deciding.record.pointers import Pointer, Poison
    from spot_worker.running.lease import Lease
    from spot_worker.running.ports import Ports


async def follow(
    ports: Ports, pointer: Pointer, job: JobMessage, lease: Lease, over_at: datetime | None = None
) -> None:
    """Copy the outcome to where people look, send what is to be sent; the message is deleted last.

    ``over_at``: when the outcome was written, if that was by an earlier claim: what was written to the address of an
    input since then is another input.
    """
    if isinstance(pointer.outcome, Result):
        await _follow_result(ports, pointer, pointer.outcome, over_at)
    elif pointer.outcome:
        await _follow_poison(ports, pointer, pointer.outcome, job)
    await persist(lease.delete, ports.log)


async def _follow_result(ports: Ports, pointer: Pointer, result: Result, over_at: datetime | None) -> None:
    for one in result.submitted:
        text = write_message(one.id, one.body)
        await persist(lambda queue=one.queue, text=text: ports.queue.send(queue, text), ports.log)  # type: ignore[misc]
    await persist(lambda: ports.tables.put_result(result_row(pointer, result)), ports.log)
    for url in result.inputs:
        await _tidy(ports, pointer, url, lambda url=url: ports.inputs.delete(url, over_at))  # type: ignore[misc]
    for name in blobs_of(pointer):
        await _tidy(ports, pointer, name, lambda name=name: ports.blobs.delete(name))  # type: ignore[misc]


async def _follow_poison(ports: Ports, pointer: Pointer, poison: Poison, job: JobMessage) -> None:
    text = write_poison(job, pointer.queue, poison.reason, poison.attempt, asdict(pointer.counters))
    if read_poison("", text).body_in:
        await persist(lambda: _keep(ports, message_name(pointer.queue, job.id), job.text.encode()), ports.log)
    await persist(lambda: ports.queue.send(poison_queue(pointer.queue), text), ports.log)


async def _keep(ports: Ports, name: str, content: bytes) -> None:
    with suppress(NotAsExpectedError):  # it is there already
        await ports.blobs.create(name, content)


async def _tidy(ports: Ports, pointer: Pointer, what: str, delete: Callable[[], Awaitable[None]]) -> None:
    """Delete what is of no use any more. That this may not be done keeps no job from being finished."""
    try:
        await persist(delete, ports.log)
    except Exception as error:  # noqa: BLE001 - whatever it is, the message is to be deleted
        why = str(error) if isinstance(error, StorageError) else repr(error)[:2000]
        ports.log.say("not deleted", job_id=pointer.job_id, what=what, error=why)
