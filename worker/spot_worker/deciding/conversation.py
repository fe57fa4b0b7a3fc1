"""What the process of a function and the worker say to each other. Plain values; ``edges`` carries them by a pipe.

A process works on one task after the other. Each word on the pipe has the number of its task, and a question and its
answer a number of their own: what is left over from an earlier task or an interrupted question is never taken for
another's (``wire.py``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Union

if TYPE_CHECKING:
    from spot_worker.deciding.record.pointers import Kind


@dataclass(frozen=True)
class Task:
    """A job for the process. ``Done`` answers it before the function runs, or ``Refused``. ``workdir`` is new.

    ``blobs_at``: the address of the blobs of the worker's storage account; "" where that is not known.
    """

    queue: str
    job_id: str
    attempt: int
    body: Any = field(hash=False)
    workdir: str = ""
    blobs_at: str = ""


@dataclass(frozen=True)
class LoadAsked:
    """The newest checkpoint that is whole; a file goes to ``path``. Answered by ``Loaded``."""

    path: str


@dataclass(frozen=True)
class SubmitAsked:
    """A job to be put on a queue once this one has its result."""

    queue: str
    body: Any = field(hash=False)


@dataclass(frozen=True)
class StateSaved:
    """A JSON value is to be made durable; ``text`` is its JSON. Answered by ``Done``.

    With what is to follow from the result, as far as the function has said it.
    """

    text: str
    submitted: tuple[SubmitAsked, ...] = ()
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class FileSaved:
    """A file is to be made durable, as a state is. Answered by ``Done``."""

    path: str
    sha256: str
    size: int
    submitted: tuple[SubmitAsked, ...] = ()
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class FetchAsked:
    """What is at an address is to be put into a file. Answered by ``Done``."""

    url: str
    path: str


@dataclass(frozen=True)
class OutputGiven:
    """A file is to be uploaded as an output of this attempt. Answered by ``Done``, with the blob's address."""

    path: str
    name: str


@dataclass(frozen=True)
class Returned:
    """The function returned; ``text`` is its value as JSON. With what is to follow from the result."""

    text: str
    submitted: tuple[SubmitAsked, ...] = ()
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Failed:
    """The function raised. ``is_permanent``: to try again would not help."""

    error: str
    traceback: str = ""
    is_permanent: bool = False


@dataclass(frozen=True)
class StoppedAtSafePoint:
    """The function ended at a safe point because it was asked to stop."""


@dataclass(frozen=True)
class Died:
    """The process is no more; ``how`` says by which signal or exit code."""

    how: str


LastWord = Union[Returned, Failed, StoppedAtSafePoint]
"""How a function ended, in its process's own words."""
Ended = Union[LastWord, Died]
Spoken = Union[LoadAsked, StateSaved, FileSaved, FetchAsked, OutputGiven, LastWord]
"""What a process itself can say."""
Said = Union[Spoken, Died]


@dataclass(frozen=True)
class Loaded:
    """A checkpoint: a state as JSON ``text``, or a file that is at the path asked for; ``kind`` is ``None``: none.

    ``has_lists``: the function goes on from it, so what is to follow from the result is what was saved with it.
    """

    kind: Kind | None
    text: str = ""
    has_lists: bool = False
    submitted: tuple[SubmitAsked, ...] = ()
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Done:
    """It is done. ``stops``: the function is at a safe point, and is to stop there."""

    value: str = ""
    stops: bool = False


@dataclass(frozen=True)
class Refused:
    """It cannot be done; the function gets an error that says why."""

    why: str


Answer = Union[Loaded, Done, Refused]
