"""The one record of a job: who works on it, its checkpoints, its counters, and what came of it at last.

It is one blob with one ETag, so whoever has claimed the job later makes every write of an earlier attempt fail.
``claims.py`` and ``endings.py`` change it; ``pointer_text.py`` writes it as JSON and reads it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Union


class Ending(str, Enum):
    """How a claim ended.

    ``EVICTED``: by a notice, of an eviction or of what else takes the VM down. ``SILENT``: its process ended without a
    word, or was never heard of again.
    """

    RETURNED = "returned"
    FAILED = "failed"
    EVICTED = "evicted"
    STOPPED = "stopped"
    STORAGE = "storage"
    SILENT = "silent"


class Kind(str, Enum):
    """What a checkpoint is: a JSON value, or a file."""

    STATE = "state"
    FILE = "file"


class Cause(str, Enum):
    """Why a job was given up."""

    FAILURES = "failures"
    SILENT_CLAIMS = "silent claims"
    EVICTIONS = "evictions"
    CHECKPOINTS = "checkpoints"
    PERMANENT = "permanent"
    UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Claim:
    """Who works on the job, or did last. ``ended``: ``None`` as long as it has not said how it ended.

    ``id`` is new for each claim: it tells a write of ours, whose answer was lost, from one of somebody else.
    ``message_id``: of the message that it came with; by a doubled submit a job may have several.
    ``has_progressed``: it has saved a checkpoint that was not there before.
    """

    id: str
    vm: str
    slot: int
    boot_id: str
    message_id: str
    at: str
    ended: Ending | None = None
    has_progressed: bool = False


@dataclass(frozen=True)
class Counters:
    """What happened to the job so far. ``evictions_in_vain`` and ``silent_in_vain``: since the last progress.

    ``unusable``: attempts in a row that found the newest checkpoint gone or damaged.
    """

    failures: int = 0
    evictions: int = 0
    evictions_in_vain: int = 0
    silent_claims: int = 0
    silent_in_vain: int = 0
    unusable: int = 0
    seconds_worked: float = 0.0
    seconds_repeated: float = 0.0


@dataclass(frozen=True)
class Saved:
    """A checkpoint. ``name`` is its blob; ``lists`` that of what was listed up to then (``listed.py``), if anything."""

    name: str
    sha256: str
    size: int
    kind: Kind
    attempt: int
    at: str
    lists: str = ""
    lists_sha256: str = ""


@dataclass(frozen=True)
class Submitted:
    """A job that is to be put on a queue now that this one has its result."""

    queue: str
    id: str
    body: Any = field(hash=False)


@dataclass(frozen=True)
class Result:
    """What the function returned. ``value`` is JSON text; ``inputs`` are blobs that may be deleted now."""

    value: str
    attempt: int
    vm: str
    at: str
    outputs: tuple[str, ...] = ()
    submitted: tuple[Submitted, ...] = ()
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Poison:
    """That, why and by which attempt the job was given up."""

    cause: Cause
    reason: str
    attempt: int
    at: str


Outcome = Union[Result, Poison]


@dataclass(frozen=True)
class Pointer:
    """The record. ``attempt`` is the fencing token: it is counted up by each claim, before any work.

    ``seconds_waited``: from when its message was put on the queue until the first claim; ``None`` if that is not known.
    """

    queue: str
    job_id: str
    attempt: int
    claim: Claim
    counters: Counters = Counters()
    checkpoints: tuple[Saved, ...] = ()
    outcome: Outcome | None = None
    seconds_waited: float | None = None

    def with_outcome(self, outcome: Outcome) -> Pointer:
        """Write down what came of the job."""
        return replace(self, outcome=outcome)
