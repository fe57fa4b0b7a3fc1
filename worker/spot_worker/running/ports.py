"""What the worker needs of the outside. ``edges`` has it on Azure and processes; the soak in memory and virtual time.

Every call may raise ``StorageError``; what else it may raise stands at the call. An answer may be lost: then what was
asked for may have been done all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from datetime import datetime

    from spot_worker.deciding.conversation import Answer, Said, Task
    from spot_worker.deciding.rows import Row
    from spot_worker.deciding.stops.stop_notice import Notice


class StorageError(Exception):
    """Storage did not do what was asked. ``is_lasting``: to ask again will not help (no right, no such account)."""

    def __init__(self, message: str, *, is_lasting: bool = False) -> None:
        """Say what, where, and why."""
        super().__init__(message)
        self.is_lasting = is_lasting


class DiskError(StorageError):
    """The disk of this machine does not take or give a file: it is full, or the file is not there."""

    def __init__(self, message: str) -> None:
        """Say what, where, and why."""
        super().__init__(message, is_lasting=True)


class LeaseLostError(Exception):
    """The message is gone, or somebody else has received it since (404, or 400 PopReceiptMismatch)."""


class NotAsExpectedError(Exception):
    """A conditional write was not done: the blob is there already, or is not what it was (409, 412)."""


class HeldByAnotherError(Exception):
    """Another worker, which came with another message, works on the job."""


class MissingError(Exception):
    """There is no such blob or file, or nothing at this address that we may read."""


class NotBegunError(Exception):
    """A process could not begin a job. Its function has not run: this is our own failure."""


class WarmUpError(Exception):
    """The function cannot be imported; one line that says why."""


@dataclass(frozen=True)
class Received:
    """A message that is ours until its visibility timeout ends; ``receipt``: its newest pop receipt.

    ``put_at``: when it was put on the queue, or "" where that is not known.
    """

    message_id: str
    receipt: str
    text: str
    put_at: str = ""


@dataclass(frozen=True)
class Blob:
    """A small blob. ``written_at``: by the clock of storage; ``None`` where that is not known."""

    content: bytes
    etag: str
    written_at: datetime | None = None


class Queue(Protocol):
    """The queue of jobs."""

    async def receive(self, visibility_s: int) -> Received | None:
        """Take a message, if there is one to take."""

    async def renew(self, message_id: str, receipt: str, visibility_s: int) -> str:
        """Keep a message for longer, or give it back after so long; give its new receipt. Raises ``LeaseLostError``."""

    async def delete(self, message_id: str, receipt: str) -> None:
        """Delete a message. Raises ``LeaseLostError``."""

    async def send(self, queue: str, text: str) -> None:
        """Put a message on any queue, for ever; the queue is made if it is not there."""

    async def is_empty(self) -> bool:
        """Whether the queue has no message at all, also none that somebody holds."""


class Blobs(Protocol):
    """The container of records, checkpoints and outputs."""

    async def read(self, name: str) -> Blob | None:
        """Read a blob. Of a very large one only as much is read as shows that it is too large for a record."""

    async def create(self, name: str, content: bytes) -> str:
        """Write a blob that is not there, and give its ETag. Raises ``NotAsExpectedError`` if it is."""

    async def replace(self, name: str, content: bytes, etag: str) -> str:
        """Write over the blob that has this ETag, and give the new one. Raises ``NotAsExpectedError``."""

    async def upload(self, name: str, path: str, sha256: str, size: int) -> None:
        """Upload the first ``size`` bytes of a checkpoint's file, checked, unless they are there already.

        Raises ``MissingError`` if they are no longer what they were.
        """

    async def download(self, name: str, path: str, sha256: str) -> str:
        """Get a checkpoint's file, from this disk's cache if it is there; give its SHA-256. Raises ``MissingError``."""

    async def put_output(self, name: str, path: str) -> str:
        """Upload an output, in place of an earlier one of this name; give its address. Raises ``MissingError``."""

    async def delete(self, name: str) -> None:
        """Delete a blob, if it is there."""


class Inputs(Protocol):
    """What jobs read, wherever it is."""

    async def fetch(self, url: str, path: str) -> None:
        """Get what is at an address into a file. Raises ``MissingError``."""

    async def delete(self, url: str, unless_after: datetime | None = None) -> None:
        """Delete a blob of our storage account, if it is there; unless it was written after this, by storage's clock.

        Then ``StorageError`` is raised.
        """


class Tables(Protocol):
    """The tables of results and of workers."""

    async def put_result(self, row: Row) -> None:
        """Write a row of the results, in place of what is there."""

    async def put_worker(self, row: Row) -> None:
        """Write a row of the workers, in place of what is there."""

    async def renewed(self, queue: str, job_id: str) -> list[str]:
        """Say when those workers that have this job last renewed their leases, as they wrote it."""


class Child(Protocol):
    """The process that runs the function, one job after the other. It has imported the function already."""

    def is_alive(self) -> bool:
        """Whether it can be given a job."""

    async def begin(self, task: Task) -> None:
        """Give it a job. Raises ``NotBegunError``; then the process is not to be used any more."""

    async def hear(self) -> Said:
        """Wait for the next thing that it says; ``Died`` when it is no more. Called by one task at a time."""

    async def answer(self, answer: Answer) -> None:
        """Answer what was heard last."""

    def ask_to_stop(self) -> None:
        """Let the function see that it is to stop."""

    async def kill(self) -> None:
        """End it at once, with all that it has started, and clean up behind it."""


class Children(Protocol):
    """Where such processes come from."""

    async def start(self, slot: int) -> Child:
        """Start one, and let it import the function. Raises ``WarmUpError``."""


class Notices(Protocol):
    """What is said about this VM."""

    async def pending(self) -> Notice | None:
        """Say what is going to happen to it, if anything is known. Raises nothing, and takes seconds at most."""


class Clock(Protocol):
    """The time."""

    def monotonic(self) -> float:
        """Give seconds that only ever grow, also while the VM stands still."""

    def now(self) -> datetime:
        """Give the time of day, in UTC, for people to read."""


class Log(Protocol):
    """What is told to whoever reads the log."""

    def say(self, event: str, **fields: object) -> None:
        """Write a line."""

    def claim(self, name: str, attributes: Mapping[str, str | int]) -> AbstractContextManager[None]:
        """Give the span of a claim, for those who trace."""


@dataclass(frozen=True)
class Ports:
    """All of them. ``new_id`` gives an id that nobody else has."""

    queue: Queue
    blobs: Blobs
    inputs: Inputs
    tables: Tables
    children: Children
    notices: Notices
    clock: Clock
    log: Log
    new_id: Callable[[], str]
