"""A worker in virtual time: a loop whose clock jumps, and an outside in memory that does as a test says."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import nullcontext
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Callable

from spot_worker.deciding.messages import write_message
from spot_worker.deciding.names import places, pointer_name
from spot_worker.deciding.record.pointer_text import read_pointer
from spot_worker.running.ports import (
    Blob,
    DiskError,
    LeaseLostError,
    MissingError,
    NotAsExpectedError,
    Ports,
    Received,
    StorageError,
)
from spot_worker.running.settings import Settings
from spot_worker.running.stops.stopping import Stopping
from spot_worker.running.worker import work
from workbench.jumping import VirtualClock
from workbench.virtual_child import VirtualChild

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from datetime import datetime

    from spot_worker.deciding.record.pointers import Pointer
    from spot_worker.deciding.rows import Row
    from spot_worker.deciding.stops.own_stop import OwnStop
    from spot_worker.deciding.stops.stop_notice import Notice
    from workbench.virtual_child import Function

QUEUE = "frames"
JOB = "job-1"
MESSAGE = "message-1"


class Fate(Enum):
    """What becomes of a request, where it does not simply succeed."""

    LOST_ANSWER = "it is done, and the answer is lost"
    UNANSWERED = "it is not done, and nobody answers"
    HANGS = "nobody ever answers, nor says so"
    REFUSED = "it is refused for good"
    OUR_MISTAKE = "what was not thought of"
    SLOW = "it is done a little later"
    DISK_FULL = "there is no place for its answer"


class VirtualLog:
    """Keeps what is said."""

    def __init__(self) -> None:
        """Nothing is said yet."""
        self.lines: list[dict[str, Any]] = []

    def say(self, event: str, **fields: object) -> None:
        """Keep it."""
        self.lines.append({"event": event, **fields})

    def claim(self, name: str, attributes: Mapping[str, str | int]) -> AbstractContextManager[None]:
        """Trace nothing."""
        del name, attributes
        return nullcontext()

    def events(self, name: str) -> list[dict[str, Any]]:
        """Give the lines of one kind."""
        return [line for line in self.lines if line["event"] == name]


@dataclass
class Message:
    """A message in the queue."""

    text: str
    receipt: int = 0
    visible_at: float = 0.0


@dataclass
class Outside:
    """Storage in memory, with what becomes of the next requests of each kind in ``fates``; a fate that is last stays.

    ``function`` is the process of the function.
    """

    function: Function
    fates: dict[str, list[Fate | None]] = field(default_factory=dict)
    messages: dict[str, Message] = field(default_factory=dict)
    sent: list[tuple[str, str]] = field(default_factory=list)
    kept: dict[str, Blob] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    asked: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    log: VirtualLog = field(default_factory=VirtualLog)
    said: Notice | None = None

    def submit(self, job_id: str = JOB, body: object = None) -> None:
        """Put a job on the queue."""
        self.messages[f"message-{len(self.messages) + 1}"] = Message(write_message(job_id, body))

    @staticmethod
    def blob(content: bytes) -> Blob:
        """Give a blob that somebody else wrote."""
        return Blob(content, "etag-of-somebody")

    def record(self, job_id: str = JOB) -> Pointer:
        """Give a job's record."""
        return read_pointer(self.kept[pointer_name(QUEUE, job_id)].content, QUEUE, job_id)

    def ports(self) -> Ports:
        """Give the worker's ports."""
        queue, blobs, rest = _Queue(self), _Blobs(self), _Rest(self)
        return Ports(queue, blobs, rest, rest, rest, rest, VirtualClock(), self.log, lambda: f"claim-{self._count()}")

    def _count(self) -> int:
        return sum(len(times) for times in self.asked.values())

    async def works(
        self,
        stopping: Stopping | None = None,
        *,
        once: bool = True,
        until_empty: bool = False,
        own_stop: OwnStop | None = None,
    ) -> Stopping:
        """Let a worker work until it ends."""
        stopping = stopping or Stopping(VirtualClock())
        settings = Settings(places(QUEUE), "vm-1", "boot-1", is_once=once, until_empty=until_empty, own_stop=own_stop)
        await work(self.ports(), settings, stopping)
        return stopping

    async def ask(self, what: str, effect: Callable[[], Any]) -> Any:  # noqa: ANN401 - what the effect gives
        """Carry a request."""
        self.asked[what].append(asyncio.get_running_loop().time())
        fates = self.fates.get(what, [])
        fate = (fates.pop(0) if len(fates) > 1 else fates[0]) if fates else None
        if fate is Fate.HANGS:
            await asyncio.sleep(50_000)
        if fate is Fate.SLOW:
            # As a request in a thread: it goes on though nobody waits for it any more.
            return await asyncio.shield(asyncio.ensure_future(_later(effect)))
        if fate is Fate.REFUSED:
            message = "refused"
            raise StorageError(message, is_lasting=True)
        if fate is Fate.OUR_MISTAKE:
            raise ZeroDivisionError
        if fate is Fate.DISK_FULL:
            message = "No space left on device"
            raise DiskError(message)
        given = None if fate is Fate.UNANSWERED else effect()
        if fate is not None:
            message = "no answer"
            raise StorageError(message)
        await asyncio.sleep(0.01)
        return given


async def _later(effect: Callable[[], Any]) -> Any:  # noqa: ANN401 - what the effect gives
    await asyncio.sleep(0.3)
    return effect()


@dataclass
class _Queue:
    outside: Outside

    async def receive(self, visibility_s: int) -> Received | None:
        """Take a message."""
        now = asyncio.get_running_loop().time()

        def take() -> Received | None:
            for message_id, one in self.outside.messages.items():
                if one.visible_at <= now:
                    return Received(message_id, self._hide(message_id, one.receipt, visibility_s), one.text)
            return None

        found: Received | None = await self.outside.ask("receive", take)
        return found

    async def renew(self, message_id: str, receipt: str, visibility_s: int) -> str:
        """Keep a message, or give it back."""
        what = "give back" if visibility_s < Settings.visibility_s else "renew"
        return str(await self.outside.ask(what, lambda: self._hide(message_id, int(receipt), visibility_s)))

    async def delete(self, message_id: str, receipt: str) -> None:
        """Delete a message."""

        def delete() -> None:
            self._hide(message_id, int(receipt), 0)
            del self.outside.messages[message_id]

        await self.outside.ask("delete", delete)

    async def send(self, queue: str, text: str) -> None:
        """Put a message on any queue."""
        await self.outside.ask("send", lambda: self.outside.sent.append((queue, text)))

    async def is_empty(self) -> bool:
        """Whether there is no message."""
        return bool(await self.outside.ask("is empty", lambda: not self.outside.messages))

    def _hide(self, message_id: str, receipt: int, visibility_s: int) -> str:
        message = self.outside.messages.get(message_id)
        if message is None or message.receipt != receipt:
            raise LeaseLostError
        message.receipt += 1
        message.visible_at = asyncio.get_running_loop().time() + visibility_s
        return str(message.receipt)


@dataclass
class _Blobs:
    outside: Outside

    async def read(self, name: str) -> Blob | None:
        """Read a blob."""
        found: Blob | None = await self.outside.ask("read", lambda: self.outside.kept.get(name))
        return found

    async def create(self, name: str, content: bytes) -> str:
        """Write a blob that is not there."""

        def create() -> str:
            if name in self.outside.kept:
                raise NotAsExpectedError
            return self._write(name, content)

        return str(await self.outside.ask("claim" if name.endswith("pointer.json") else "create", create))

    async def replace(self, name: str, content: bytes, etag: str) -> str:
        """Write over a blob."""

        def replace() -> str:
            if name not in self.outside.kept or self.outside.kept[name].etag != etag:
                raise NotAsExpectedError
            return self._write(name, content)

        return str(await self.outside.ask("replace", replace))

    async def upload(self, name: str, path: str, sha256: str, size: int) -> None:
        """Upload a file, of which the test has the name only."""
        del sha256, size
        await self.outside.ask("upload", lambda: self._write(name, path.encode()))

    async def download(self, name: str, path: str, sha256: str) -> str:
        """Get a file."""
        del path
        if name not in self.outside.kept:
            raise MissingError(name)
        await self.outside.ask("download", lambda: None)
        return sha256

    async def put_output(self, name: str, path: str) -> str:
        """Upload an output."""
        await self.outside.ask("output", lambda: self._write(name, path.encode()))
        return f"https://account/{name}"

    async def delete(self, name: str) -> None:
        """Delete a blob."""
        await self.outside.ask("delete blob", lambda: self.outside.kept.pop(name, None))

    def _write(self, name: str, content: bytes) -> str:
        etag = f"etag-{sum(len(times) for times in self.outside.asked.values())}"
        self.outside.kept[name] = Blob(content, etag)
        return etag


@dataclass
class _Rest:
    """Tables, inputs, notices, and where processes come from."""

    outside: Outside

    async def put_result(self, row: Row) -> None:
        """Write a row."""
        await self.outside.ask("result row", lambda: self.outside.rows.append(row))

    async def put_worker(self, row: Row) -> None:
        """Write a row."""
        await self.outside.ask("worker row", lambda: self.outside.rows.append(row))

    async def renewed(self, queue: str, job_id: str) -> list[str]:
        """Say when the workers that have this job renewed their leases."""
        newest = {row["RowKey"]: row for row in self.outside.rows if "boot_id" in row and row["PartitionKey"] == queue}

        def ask() -> list[str]:
            return [str(row["renewed_at"]) for row in newest.values() if row["job_id"] == job_id]

        found: list[str] = await self.outside.ask("read workers", ask)
        return found

    async def fetch(self, url: str, path: str) -> None:
        """Get nothing."""
        del url, path
        await self.outside.ask("fetch", lambda: None)

    async def delete(self, url: str, unless_after: datetime | None = None) -> None:
        """Delete nothing."""
        del url, unless_after
        await self.outside.ask("delete input", lambda: None)

    async def pending(self) -> Notice | None:
        """Say what is announced."""
        return self.outside.said

    async def start(self, slot: int) -> VirtualChild:
        """Start a process."""
        del slot
        return VirtualChild(self.outside.function)
