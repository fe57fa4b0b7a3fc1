"""The record of a job as JSON. A person may look at it and even change it; so what is read is not trusted."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import Any, Final, TypeVar

from spot_worker.deciding.record.pointers import (
    Cause,
    Claim,
    Counters,
    Ending,
    Kind,
    Outcome,
    Pointer,
    Poison,
    Result,
    Saved,
    Submitted,
)

MOST_RECORD_BYTES: Final = 8 * 1024 * 1024
"""More is not read. What a job may ask for is bounded (``results.py``), so that no record of ours is so large."""
_FORMAT: Final = 1
_WITH_LISTS: Final = 2
"""Who knows the first format only would go on from the checkpoint without its lists."""
_Record = TypeVar("_Record")


class UnreadablePointerError(ValueError):
    """The blob holds no record that we wrote."""


class NewerPointerError(UnreadablePointerError):
    """A newer version of the worker wrote it: nothing is wrong with the job, but it is not for us."""


def write_pointer(pointer: Pointer) -> bytes:
    """Write a record: in lines for people, if it does not become too large by that."""
    outcome = pointer.outcome and {"kind": type(pointer.outcome).__name__.lower(), **asdict(pointer.outcome)}
    has_lists = any(saved.lists for saved in pointer.checkpoints)
    members = {"format": _WITH_LISTS if has_lists else _FORMAT, **asdict(pointer), "outcome": outcome}
    content = json.dumps(members, indent=1).encode()
    return content if len(content) <= MOST_RECORD_BYTES else json.dumps(members, separators=(",", ":")).encode()


def read_pointer(content: bytes, queue: str, job_id: str) -> Pointer:
    """Read what ``write_pointer`` wrote. Raises ``UnreadablePointerError``."""
    if len(content) > MOST_RECORD_BYTES:
        message = f"it has more than {MOST_RECORD_BYTES} bytes"
        raise UnreadablePointerError(message)
    try:
        pointer = _read(json.loads(content))
    except NewerPointerError:
        raise
    except Exception as error:
        message = f"it is no record of this worker ({error!r:.200})"
        raise UnreadablePointerError(message) from error
    if (pointer.queue, pointer.job_id) != (queue, job_id):
        message = f"it is the record of job {pointer.job_id!r:.150} of queue {pointer.queue!r:.80}"
        raise UnreadablePointerError(message)
    return pointer


def _read(written: dict[str, Any]) -> Pointer:
    form = written["format"]
    if isinstance(form, int) and form > _WITH_LISTS:
        message = f"it has format {form}, and this version knows {_WITH_LISTS}: a newer version of the worker wrote it"
        raise NewerPointerError(message)
    if form not in {_FORMAT, _WITH_LISTS}:
        message = f"format {form!r}"
        raise ValueError(message)
    claim = written["claim"]
    ended = claim.get("ended")
    members = {
        **written,
        "claim": _made(Claim, {**claim, "ended": None if ended is None else Ending(ended)}),
        "counters": _made(Counters, written.get("counters", {})),
        "checkpoints": tuple(_made(Saved, {**one, "kind": Kind(one["kind"])}) for one in written["checkpoints"]),
        "outcome": _read_outcome(written.get("outcome")),
    }
    return _made(Pointer, members)


def _read_outcome(written: dict[str, Any] | None) -> Outcome | None:
    if written is None:
        return None
    if written["kind"] == "poison":
        return _made(Poison, {**written, "cause": Cause(written["cause"])})
    if written["kind"] != "result":
        message = f"an outcome of kind {written['kind']!r}"
        raise ValueError(message)
    submitted = tuple(_made(Submitted, one) for one in written.get("submitted", ()))
    lists = {name: tuple(_words(written.get(name, []))) for name in ("outputs", "inputs")}
    result = _made(Result, {**written, "submitted": submitted, **lists})
    json.loads(result.value)
    return result


_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "float | None": (int, float, type(None)),
}


def _made(kind: type[_Record], written: dict[str, Any]) -> _Record:
    """Make a record. Of another version's it may have more members, which are left out, or fewer."""
    known = {member.name for member in fields(kind)}  # type: ignore[arg-type] # each is a dataclass
    return _checked(kind(**{name: value for name, value in written.items() if name in known}))


def _checked(record: _Record) -> _Record:
    """Give the record back. Raises ``TypeError`` where a plain member is not what it should be."""
    for member in fields(record):  # type: ignore[arg-type] # each is a dataclass
        allowed, value = _TYPES.get(str(member.type)), getattr(record, member.name)
        is_number_that_is_none = isinstance(value, bool) and allowed != (bool,)
        if allowed and (not isinstance(value, allowed) or is_number_that_is_none):
            message = f"{member.name} is {value!r:.80}"
            raise TypeError(message)
        if allowed in {(int,), (int, float)} and not 0 <= value < _MOST:
            message = f"{member.name} is {value!r:.80}"
            raise ValueError(message)
    return record


_MOST: Final = 10**15


def _words(written: list[Any]) -> list[str]:
    if not all(isinstance(word, str) for word in written):
        message = f"{written!r:.80} where words should be"
        raise TypeError(message)
    return written
