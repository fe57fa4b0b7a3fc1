"""What a function is given: its job, and what it may ask of the worker while it works.

It runs in a process of its own. All that is kept goes through the worker, which alone talks to storage: a function that
hangs or crashes keeps no lease from being renewed, and no message from being given back.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from spot_worker.deciding.blob_addresses import file_name, to_delete
from spot_worker.deciding.conversation import (
    Done,
    FetchAsked,
    FileSaved,
    LoadAsked,
    Loaded,
    OutputGiven,
    Refused,
    StateSaved,
    SubmitAsked,
)
from spot_worker.deciding.json_values import write_json
from spot_worker.deciding.messages import write_message
from spot_worker.deciding.names import check_output, check_queue, submitted_id
from spot_worker.deciding.record.pointers import Kind
from spot_worker.deciding.results import check_listed, check_submitted, size_in_record

if TYPE_CHECKING:
    from os import PathLike

    from spot_worker.deciding.conversation import Answer, Spoken, Task

MOST_STATE_BYTES: Final = 8 * 1024 * 1024
_CHUNK_BYTES: Final = 1024 * 1024


class Permanent(Exception):  # noqa: N818 - it reads as what it says: raise Permanent("the input is no picture")
    """Raise it for what retrying cannot help: the job goes to the poison queue at once, with your words."""


class Stopped(BaseException):
    """The work is to stop here, at a safe point; let it through. The job goes on from its checkpoint, anywhere."""


class RefusedError(Exception):
    """The worker could not do what the function asked for; the text says why."""


class Line(Protocol):
    """The way to the worker."""

    def ask(self, said: Spoken) -> Answer:
        """Say something, and wait for the answer."""

    @property
    def stop_requested(self) -> bool:
        """Whether the worker has said that the work is to stop."""


@dataclass
class Lists:
    """What is to follow from the result. It is saved with each checkpoint, and loaded with the one it goes on from."""

    submitted: tuple[SubmitAsked, ...] = ()
    submitted_bytes: int = 0
    inputs: tuple[str, ...] = ()


class Checkpoint:
    """How far a job is: a JSON value, or a file. ``interval_s``: how often to save it, as advice."""

    def __init__(self, line: Line, workdir: Path, interval_s: float, lists: Lists) -> None:
        """Nothing is loaded or saved yet."""
        self._line, self._workdir, self._interval_s, self._lists = line, workdir, interval_s, lists
        self._since = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether it is time to save: the interval has passed since the last one, or the work is to stop."""
        return self._line.stop_requested or time.monotonic() - self._since >= self._interval_s

    def load(self) -> Any:  # noqa: ANN401 - what was saved
        """Give what was saved last and is whole: a JSON value, or the path of a file. ``None`` if there is nothing."""
        target = _free(self._workdir, "checkpoint")
        answer = _ask(self._line, LoadAsked(str(target)))
        self._since = time.monotonic()
        if not isinstance(answer, Loaded) or answer.kind is None:
            return None
        if answer.has_lists:
            self._lists.submitted, self._lists.inputs = answer.submitted, answer.inputs
            self._lists.submitted_bytes = sum(size_in_record(one.body) for one in answer.submitted)
        return target if answer.kind is Kind.FILE else json.loads(answer.text)

    def save(self, state: Any) -> None:  # noqa: ANN401 - any JSON value
        """Make a JSON value durable. If the work is to stop, it stops here: ``Stopped`` is raised after it is saved."""
        try:
            text = json.dumps(state, allow_nan=False)
        except TypeError as error:
            hint = "for a file use save_file" if isinstance(state, os.PathLike) else "use save_file for anything else"
            message = f"a state is a JSON value: {error}; {hint}"
            raise TypeError(message) from error
        if len(text) > MOST_STATE_BYTES:
            message = f"a state of {len(text)} bytes is too large, {MOST_STATE_BYTES} are allowed: use save_file"
            raise ValueError(message)
        self._save(StateSaved(text, self._lists.submitted, self._lists.inputs))

    def save_file(self, path: str | PathLike[str]) -> None:
        """Make a file durable, as ``save`` does; but what does not fit into the time before a stop is left out."""
        file = _regular(path)
        sha256, size = digest_of(file)
        self._save(FileSaved(str(file), sha256, size, self._lists.submitted, self._lists.inputs))

    def _save(self, said: StateSaved | FileSaved) -> None:
        answer = _ask(self._line, said)
        self._since = time.monotonic()
        if isinstance(answer, Done) and answer.stops:
            raise Stopped


class Job:
    """A job. ``attempt``: how often it was claimed, with this time. ``workdir``: an empty folder of its own."""

    def __init__(self, line: Line, task: Task, interval_s: float) -> None:
        """Begin with what the worker says."""
        self._line, self._queue, workdir = line, task.queue, Path(task.workdir)
        self._blobs_at = task.blobs_at
        self.id, self.body, self.attempt = task.job_id, task.body, task.attempt
        self.workdir = workdir
        self.lists = Lists()
        self.checkpoint = Checkpoint(line, workdir, interval_s, self.lists)

    @property
    def stop_requested(self) -> bool:
        """Whether the work is to stop soon: the VM is about to go, or the worker is ended."""
        return self._line.stop_requested

    def safe_point(self) -> None:
        """Stop here if the work is to stop: raises ``Stopped``. What is not in the checkpoint is done again."""
        if self.stop_requested:
            raise Stopped

    def fetch(self, url: str) -> Path:
        """Get what is at an address into a file: a blob of the worker's storage account, or anything by HTTP."""
        target = _free(self.workdir, file_name(url))
        _ask(self._line, FetchAsked(url, str(target)))
        return target

    def output(self, path: str | PathLike[str], name: str | None = None) -> str:
        """Upload a file that belongs to the result, and give its address. It counts once this attempt has won."""
        file = _regular(path)
        check_output(name or file.name)
        answer = _ask(self._line, OutputGiven(str(file), name or file.name))
        return answer.value if isinstance(answer, Done) else ""

    def submit(self, queue: str, body: Any) -> str:  # noqa: ANN401 - any JSON value
        """Put a job on a queue as soon as this one has its result, and give its id: each attempt gives the same."""
        check_queue(queue)
        lists = self.lists
        job_id = submitted_id(self._queue, self.id, len(lists.submitted))
        write_message(job_id, body)
        size = lists.submitted_bytes + size_in_record(body)
        check_submitted(len(lists.submitted) + 1, size)
        lists.submitted_bytes = size
        # As it is now, whatever the function does with its body later.
        lists.submitted = (*lists.submitted, SubmitAsked(queue, json.loads(write_json(body))))
        return job_id

    def delete_input(self, url: str) -> None:
        """Delete a blob of the worker's storage account as soon as the result is written, by the worker's own rights.

        Raises ``ValueError`` for what is no such blob.
        """
        if not isinstance(url, str) or not url.lower().startswith(("http://", "https://")):
            message = f"{url!r:.200} is not the address of a blob: it begins with https://"
            raise ValueError(message)
        inputs = (*self.lists.inputs, to_delete(self._blobs_at, url) if self._blobs_at else url)
        check_listed(inputs, "inputs")
        self.lists.inputs = inputs


def digest_of(file: Path) -> tuple[str, int]:
    """Give the SHA-256 and the size of a file as long as it is now: one that grows meanwhile might never end."""
    digest, size = hashlib.sha256(), 0
    with file.open("rb") as stream:
        length = os.fstat(stream.fileno()).st_size
        while chunk := stream.read(min(_CHUNK_BYTES, length - size)):
            digest.update(chunk)
            size += len(chunk)
    return digest.hexdigest(), size


def _ask(line: Line, said: Spoken) -> Answer:
    answer = line.ask(said)
    if isinstance(answer, Refused):
        raise RefusedError(answer.why)
    return answer


def _regular(path: str | PathLike[str]) -> Path:
    """Find a file. To read a pipe or a device might wait for ever."""
    file = Path(path).resolve()
    if file.exists() and not file.is_file():
        message = f"{file} is no regular file: only such a file can be saved or given as an output"
        raise ValueError(message)
    return file


def _free(folder: Path, name: str) -> Path:
    """Name a file that is not there yet."""
    target, number = folder / name, 1
    while target.exists():
        number += 1
        target = folder / f"{number}-{name}"
    return target
