"""Names of queues, containers, tables and blobs: Azure's rules for them, and how ours are made.

Source: Microsoft's "Naming queues and metadata", "Naming containers and blobs", "Table service data model".
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import Final

WORKERS_TABLE: Final = "workers"
_QUEUE: Final = re.compile(r"[a-z0-9](?!.*--)[a-z0-9-]{1,54}[a-z0-9]")
_CONTAINER: Final = re.compile(r"[a-z0-9](?!.*--)[a-z0-9-]{1,61}[a-z0-9]")
_TABLE: Final = re.compile(r"[A-Za-z][A-Za-z0-9]{2,62}")
_JOB_ID: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?")
_OUTPUT: Final = re.compile(r"[^\x00-\x1f\x7f\\\ud800-\udfff]{1,400}")
_QUEUE_RULE: Final = (
    "a queue of jobs: 3 to 56 of a-z, 0-9 and single hyphens, a letter or digit at both ends "
    "(Azure takes 63; its poison queue has 7 more)"
)
_CONTAINER_RULE: Final = "a container: 3 to 63 of a-z, 0-9 and single hyphens; give another by --checkpoints"
_TABLE_RULE: Final = "a table: 3 to 63 of A-Z, a-z and 0-9, a letter first; give another by --results"
_OUTPUT_RULE: Final = "an output: a relative path without '..', like 'frames/0001.png', of at most 400 characters"
_OF_SUBMITTED: Final = uuid.UUID("6f1c1f0e-6b0b-5c52-9d6e-0f3a6f0d9b11")
"""Our own namespace: what a job submits has the same id in each attempt."""


class BadNameError(ValueError):
    """A name that Azure would refuse."""

    def __init__(self, name: str, rule: str) -> None:
        """Say which one, of what it cannot be the name, and what is allowed."""
        super().__init__(f"{name[:80]!r} cannot be the name of {rule}")


@dataclass(frozen=True)
class Places:
    """Where the jobs of one queue are kept: a container of blobs, and a table of results."""

    queue: str
    checkpoints: str
    results: str

    @property
    def poison_queue(self) -> str:
        """Where jobs go that are given up."""
        return poison_queue(self.queue)


def places(queue: str, checkpoints: str | None = None, results: str | None = None) -> Places:
    """Name what belongs to a queue. Raises ``BadNameError``."""
    check_queue(queue)
    container = checkpoints or f"{queue}-checkpoints"
    table = results or results_table(queue)
    if not _CONTAINER.fullmatch(container):
        raise BadNameError(container, _CONTAINER_RULE)
    check_table(table)
    return Places(queue, container, table)


def check_queue(name: str) -> None:
    """Raise ``BadNameError`` if Azure would refuse a queue of this name, or its poison queue."""
    if not _QUEUE.fullmatch(name):
        raise BadNameError(name, _QUEUE_RULE)


def check_table(name: str) -> None:
    """Raise ``BadNameError`` if Azure would refuse a table of this name."""
    if not _TABLE.fullmatch(name):
        raise BadNameError(name, _TABLE_RULE)


def check_output(name: str) -> None:
    """Raise ``BadNameError`` if no output may be called so."""
    parts = name.split("/")
    if not _OUTPUT.fullmatch(name) or any(part in {"", ".", ".."} or part.endswith(".") for part in parts):
        raise BadNameError(name, _OUTPUT_RULE)


def is_job_id(text: object) -> bool:
    """Whether this can be a job's id: it becomes part of names of blobs and a key of tables."""
    return isinstance(text, str) and bool(_JOB_ID.fullmatch(text))


def poison_queue(queue: str) -> str:
    """Name the queue of what is given up."""
    return f"{queue}-poison"


def results_table(queue: str) -> str:
    """Name the table of results, unless another is given."""
    return queue.replace("-", "") + "results"


def pointer_name(queue: str, job_id: str) -> str:
    """Name the blob that holds a job's record."""
    return f"{queue}/{job_id}/pointer.json"


def unreadable_name(queue: str, job_id: str) -> str:
    """Name the copy of a record that could not be read."""
    return f"{queue}/{job_id}/pointer.unreadable"


def message_name(queue: str, job_id: str) -> str:
    """Name the copy of a message that is too large to stand in the poison queue beside its reason."""
    return f"{queue}/{job_id}/message.txt"


def checkpoint_name(queue: str, job_id: str, attempt: int, number: int, sha256: str) -> str:
    """Name a checkpoint's blob. No two that differ have one name, so none is ever written over."""
    return f"{queue}/{job_id}/attempt-{attempt}-{number}-{sha256[:16]}"


def lists_name(queue: str, job_id: str, attempt: int, number: int, sha256: str) -> str:
    """Name the blob of what was listed up to a checkpoint, like that of the checkpoint."""
    return f"{checkpoint_name(queue, job_id, attempt, number, sha256)}-lists"


def output_name(queue: str, job_id: str, attempt: int, name: str) -> str:
    """Name an output's blob: under its attempt, so that an older attempt cannot write over a newer one's."""
    return f"{queue}/{job_id}/attempt-{attempt}/{name}"


def output_after(queue: str, job_id: str, attempt: int, number: int, name: str) -> str:
    """Name the blob of an output that a checkpoint has already: that one must stay as it was, for the next attempt."""
    return f"{queue}/{job_id}/attempt-{attempt}-{number}/{name}"


def output_called(queue: str, job_id: str, blob: str) -> str:
    """Give the name that the function gave to the output in this blob."""
    return blob[len(f"{queue}/{job_id}/") :].partition("/")[2]


def submitted_id(queue: str, job_id: str, index: int) -> str:
    """Give the id of the job that a job submits as its ``index``-th: each attempt gives the same."""
    return str(uuid.uuid5(_OF_SUBMITTED, f"{queue}/{job_id}/{index}"))
