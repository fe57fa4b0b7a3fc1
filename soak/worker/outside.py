"""What one worker's process has of the outside: the worker's ports, on storage in memory and in virtual time."""

from __future__ import annotations

import hashlib
import json
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Protocol

from spot_worker.deciding.names import WORKERS_TABLE
from spot_worker.running.ports import Blob, LeaseLostError, MissingError, NotAsExpectedError, Received, StorageError

from soak.worker.account import RefusedError
from soak.worker.wire import Request, UnansweredError, Wire

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from spot_worker.deciding.rows import Row
    from spot_worker.deciding.stops.stop_notice import Notice

    from soak.worker.account import Account
    from soak.worker.account import Received as InAccount

BEGIN: Final = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
VISIBILITY_S: Final = 13
"""No pause after a failure is as long: what asks for this keeps its message."""

_LOST: Final = frozenset({"MessageNotFound", "PopReceiptMismatch"})
_NOT_AS_EXPECTED: Final = frozenset({"BlobAlreadyExists", "ConditionNotMet"})
_FORBIDDEN: Final = HTTPStatus.FORBIDDEN


@dataclass(slots=True)
class Line:
    """A process's connection: what storage refuses becomes what the ports promise. ``rate``: bytes a second."""

    account: Account
    wire: Wire
    who: str
    rate: float = 20_000_000.0

    async def ask[T](self, request: Request, effect: Callable[[], T], size: int = 0) -> T:
        """Carry a request."""
        try:
            return await self.wire.send(request, effect, size, self.rate)
        except UnansweredError:
            message = f"{request.name}: no answer came"
            raise StorageError(message) from None
        except RefusedError as refused:
            if refused.code in _LOST:
                raise LeaseLostError(str(refused)) from None
            if refused.code in _NOT_AS_EXPECTED:
                raise NotAsExpectedError(str(refused)) from None
            raise StorageError(str(refused), is_lasting=refused.status == _FORBIDDEN) from None


class QueueWitness(Protocol):
    """Who hears what a process asks of the queue, and what it is told."""

    def asks(self, who: str) -> None:
        """Hear that it asks for a message."""

    def receives(self, who: str, message_id: str) -> None:
        """Hear that it got one."""

    def loses(self, who: str, message_id: str) -> None:
        """Hear that it was told that one is not its own any more."""


@dataclass(frozen=True, slots=True)
class VirtualQueue:
    """The queue of jobs."""

    line: Line
    name: str
    witness: QueueWitness

    async def receive(self, visibility_s: int) -> Received | None:
        """Take a message, if there is one to take."""
        self.witness.asks(self.line.who)

        def effect() -> InAccount | None:
            return self.line.account.receive(self.name, visibility_s)

        found = await self.line.ask(Request.RECEIVE, effect)
        if found is None:
            return None
        self.witness.receives(self.line.who, found.message_id)
        self.line.account.holds(self.line.who, self.name, found.message_id, found.receipt)
        return Received(found.message_id, found.receipt, found.text)

    async def renew(self, message_id: str, receipt: str, visibility_s: int) -> str:
        """Keep a message for longer, or give it back."""

        def effect() -> str:
            keeps = visibility_s == VISIBILITY_S
            return self.line.account.hide(self.name, message_id, receipt, visibility_s, keeps=keeps)

        try:
            return await self.line.ask(Request.RENEW, effect)
        except LeaseLostError:
            self.witness.loses(self.line.who, message_id)
            raise

    async def delete(self, message_id: str, receipt: str) -> None:
        """Delete a message."""

        def effect() -> None:
            self.line.account.take_away(self.line.who, self.name, message_id, receipt)

        await self.line.ask(Request.DELETE_MESSAGE, effect)

    async def send(self, queue: str, text: str) -> None:
        """Put a message on any queue."""
        await self.line.ask(Request.PUT_MESSAGE, lambda: self.line.account.put(self.line.who, queue, text))

    async def is_empty(self) -> bool:
        """Whether the queue has no message at all."""
        return await self.line.ask(Request.RECEIVE, lambda: not self.line.account.queues.get(self.name))


@dataclass(frozen=True, slots=True)
class VirtualBlobs:
    """The container of records and checkpoints. ``disk``: the VM's files, and its cache of checkpoints by name."""

    line: Line
    disk: dict[str, bytes]

    async def read(self, name: str) -> Blob | None:
        """Read a blob."""

        def effect() -> Blob | None:
            found = self.line.account.blobs.get(name)
            return Blob(found.content, found.etag) if found else None

        request = Request.READ_POINTER if name.endswith("pointer.json") else Request.READ_BLOB
        return await self.line.ask(request, effect)

    async def create(self, name: str, content: bytes) -> str:
        """Write a blob that is not there."""
        request = Request.WRITE_POINTER if name.endswith("pointer.json") else Request.WRITE_BLOB

        def effect() -> str:
            return self.line.account.write_blob(self.line.who, name, content, must_be_new=True)

        return await self.line.ask(request, effect, len(content))

    async def replace(self, name: str, content: bytes, etag: str) -> str:
        """Write over the blob that has this ETag."""

        def effect() -> str:
            return self.line.account.write_blob(self.line.who, name, content, if_match=etag)

        return await self.line.ask(Request.WRITE_POINTER, effect)

    async def upload(self, name: str, path: str, sha256: str, size: int) -> None:
        """Upload a checkpoint's file, if no blob of this name is there already."""
        content = self.disk.get(path)
        if content is None or hashlib.sha256(content[:size]).hexdigest() != sha256:
            raise MissingError(path)

        def effect() -> None:
            if name not in self.line.account.blobs:
                self.line.account.write_blob(self.line.who, name, content)

        await self.line.ask(Request.WRITE_BLOB, effect, len(content))
        self.disk[f"cache/{name}"] = content

    async def download(self, name: str, path: str, sha256: str) -> str:
        """Get a checkpoint's file, from this disk's cache if it is there; give its SHA-256."""
        content = self.disk.get(f"cache/{name}", b"")
        if hashlib.sha256(content).hexdigest() != sha256:
            found = await self.line.ask(Request.READ_BLOB, lambda: self.line.account.blobs.get(name))
            if found is None:
                raise MissingError(name)
            content = found.content
        self.disk[path] = content
        return hashlib.sha256(content).hexdigest()

    async def put_output(self, name: str, path: str) -> str:
        """Upload an output."""
        content = self.disk[path]
        await self.line.ask(
            Request.WRITE_BLOB, lambda: self.line.account.write_blob(self.line.who, name, content), len(content)
        )
        return f"https://account/{name}"

    async def delete(self, name: str) -> None:
        """Delete a blob, if it is there."""

        def effect() -> None:
            if name in self.line.account.blobs:
                self.line.account.delete_blob(self.line.who, name)

        await self.line.ask(Request.DELETE_BLOB, effect)


@dataclass(frozen=True, slots=True)
class VirtualInputs:
    """What jobs read: blobs called ``input/…``."""

    line: Line
    disk: dict[str, bytes]

    async def fetch(self, url: str, path: str) -> None:
        """Get what is at an address into a file."""
        found = await self.line.ask(Request.READ_BLOB, lambda: self.line.account.blobs.get(url))
        if found is None:
            raise MissingError(url)
        self.disk[path] = found.content

    async def delete(self, url: str, unless_after: datetime | None = None) -> None:
        """Delete an input, if it is there. None is written twice."""
        del unless_after

        def effect() -> None:
            if url in self.line.account.blobs:
                self.line.account.delete_blob(self.line.who, url)

        await self.line.ask(Request.DELETE_BLOB, effect)


@dataclass(frozen=True, slots=True)
class VirtualTables:
    """The tables of results and of workers."""

    line: Line
    results: str

    async def put_result(self, row: Row) -> None:
        """Write a row of the results."""
        await self._put(self.results, row)

    async def put_worker(self, row: Row) -> None:
        """Write a row of the workers."""
        await self._put(WORKERS_TABLE, row)

    async def renewed(self, queue: str, job_id: str) -> list[str]:
        """Say when those workers that have this job last renewed their leases."""

        def effect() -> list[str]:
            rows = [
                row
                for (table, part, _), row in self.line.account.rows.items()
                if (table, part) == (WORKERS_TABLE, queue)
            ]
            return [str(row["renewed_at"]) for row in rows if row["job_id"] == job_id]

        return await self.line.ask(Request.READ_WORKER_ROWS, effect)

    async def _put(self, table: str, row: Row) -> None:
        request = Request.WRITE_ROW if table == self.results else Request.WRITE_WORKER_ROW
        await self.line.ask(request, lambda: self.line.account.write_row(self.line.who, table, row))


@dataclass(frozen=True, slots=True)
class VirtualNotices:
    """What is said about this VM. ``said`` gives it, ``seen`` hears when the process was told."""

    wire: Wire
    said: Callable[[], Notice | None]
    seen: Callable[[Notice], None]

    async def pending(self) -> Notice | None:
        """Say what is going to happen to it."""
        await self.wire.stand_still()
        notice = self.said()
        if notice is not None:
            self.seen(notice)
        return notice


@dataclass(frozen=True, slots=True)
class VirtualClock:
    """The time in the loop that jumps."""

    loop: asyncio.AbstractEventLoop

    def monotonic(self) -> float:
        """Give the seconds since the beginning."""
        return self.loop.time()

    def now(self) -> datetime:
        """Give the time of day."""
        return BEGIN + timedelta(seconds=self.loop.time())


@dataclass(frozen=True, slots=True)
class VirtualLog:
    """What a process tells: kept, for whoever looks at one seed."""

    clock: VirtualClock
    who: str
    told: Callable[[str], None]

    def say(self, event: str, **fields: object) -> None:
        """Keep a line."""
        words: dict[str, Any] = {"event": event, **fields}
        self.told(f"{self.clock.monotonic():9.2f} {self.who} {json.dumps(words, default=str)}")

    def claim(self, name: str, attributes: Mapping[str, str | int]) -> AbstractContextManager[None]:
        """Trace nothing."""
        del name, attributes
        return nullcontext()
