"""The conversation of worker and process as lines of JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final, Union, get_args

from spot_worker.deciding.conversation import Answer, Loaded, Spoken, SubmitAsked, Task
from spot_worker.deciding.record.pointers import Kind

MOST_LINE_BYTES: Final = 64 * 1024 * 1024
"""No line is longer: what is larger goes by files."""
Word = Union[Task, Spoken, Answer]
_BY_NAME: Final[dict[str, Any]] = {word.__name__: word for word in get_args(Word)}


class UnreadableLineError(ValueError):
    """A line that is no word of the conversation."""


@dataclass(frozen=True)
class Told:
    """A word, the number of the task that it belongs to, and that of the question that it asks or answers."""

    task: int
    question: int
    word: Word


def write_line(told: Told) -> bytes:
    """Write a word."""
    members = {"task": told.task, "question": told.question, "say": type(told.word).__name__, **vars(told.word)}
    return json.dumps(members, default=vars).encode() + b"\n"


def read_line(line: bytes) -> Told:
    """Read a word. Raises ``UnreadableLineError``."""
    try:
        members = json.loads(line)
        task, question = int(members.pop("task")), int(members.pop("question"))
        word = _BY_NAME[members.pop("say")]
        if "submitted" in members:
            members["submitted"] = tuple(SubmitAsked(**one) for one in members["submitted"])
            members["inputs"] = tuple(members["inputs"])
        if word is Loaded:
            members["kind"] = None if members["kind"] is None else Kind(members["kind"])
        read = Told(task, question, word(**members))
    except Exception as error:
        message = f"no word of the conversation: {line[:80]!r}"
        raise UnreadableLineError(message) from error
    return read
