"""Whether what a function returned can be its job's result, and the result that it becomes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from spot_worker.deciding.json_values import NoJsonError, read_json, write_json
from spot_worker.deciding.messages import MOST_MESSAGE_BYTES, MessageTooLargeError, write_message
from spot_worker.deciding.names import BadNameError, check_queue, submitted_id
from spot_worker.deciding.record.pointers import Result, Submitted
from spot_worker.deciding.rows import MOST_RESULT_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spot_worker.deciding.conversation import FileSaved, Returned, StateSaved
    from spot_worker.deciding.record.pointers import Pointer

MOST_LISTED: Final = 2000
"""So many outputs, and inputs to be deleted, a job may have: its record lists them."""
_MOST_LISTED_BYTES: Final = 1024 * 1024
MOST_SUBMITTED: Final = 1000
_SUBMITTED_BESIDE_BODY: Final = 200
_MOST_SUBMITTED_BYTES: Final = 64 * MOST_MESSAGE_BYTES


class ImpossibleResultError(ValueError):
    """What the function returned cannot be kept; to run it again would not help."""


def check_value(text: str) -> None:
    """Raise ``ImpossibleResultError`` if a result is too large, or nested too deep, to be kept as JSON."""
    if len(text) > MOST_RESULT_CHARACTERS:
        message = (
            f"the result has {len(text)} characters as JSON, a row of the results holds "
            f"{MOST_RESULT_CHARACTERS}: give large results by job.output"
        )
        raise ImpossibleResultError(message)
    try:
        read_json(text)
    except NoJsonError as error:
        message = f"the result cannot be kept: {error}"
        raise ImpossibleResultError(message) from error


def check_submitted(count: int, size: int) -> None:
    """Raise ``ImpossibleResultError`` if a job submits more than its record can hold."""
    if count > MOST_SUBMITTED or size > _MOST_SUBMITTED_BYTES:
        message = (
            f"the job submits {count} jobs of {size} bytes; one job may submit {MOST_SUBMITTED} "
            f"of {_MOST_SUBMITTED_BYTES} bytes: let a job submit jobs that submit the rest"
        )
        raise ImpossibleResultError(message)


def size_in_record(body: Any) -> int:  # noqa: ANN401 - any JSON value
    """Say how many bytes a submitted job takes in the record."""
    return len(write_json(body)) + _SUBMITTED_BESIDE_BODY


def check_listed(names: Sequence[str], what: str) -> None:
    """Raise ``ImpossibleResultError`` if a job's record cannot list so many outputs or inputs."""
    size = sum(len(json.dumps(name)) for name in names) if len(names) <= MOST_LISTED else 0
    if len(names) > MOST_LISTED or size > _MOST_LISTED_BYTES:
        message = (
            f"{len(names)} {what} of {size} bytes are too many: a job's record lists at most {MOST_LISTED} "
            f"with {_MOST_LISTED_BYTES} bytes of names: pack many into one"
        )
        raise ImpossibleResultError(message)


def result_of(returned: Returned, pointer: Pointer, at: str, outputs: tuple[str, ...]) -> Result:
    """Make the result of what a function returned. Raises ``ImpossibleResultError``.

    The function's process has checked the same, to tell the function where it asks; it is checked again since that
    process runs code of others, and no word of it may make a record that cannot be read.
    """
    check_value(returned.text)
    submitted = checked_follow(returned, pointer)
    return Result(returned.text, pointer.attempt, pointer.claim.vm, at, outputs, submitted, returned.inputs)


def checked_follow(said: Returned | StateSaved | FileSaved, pointer: Pointer) -> tuple[Submitted, ...]:
    """Give the jobs that are to follow from the result. Raises ``ImpossibleResultError``."""
    submitted = tuple(
        Submitted(asked.queue, submitted_id(pointer.queue, pointer.job_id, index), asked.body)
        for index, asked in enumerate(said.submitted)
    )
    _check(submitted)
    check_listed(said.inputs, "inputs")
    return submitted


def _check(submitted: tuple[Submitted, ...]) -> None:
    try:
        for one in submitted:
            check_queue(one.queue)
            write_message(one.id, one.body)
    except (BadNameError, MessageTooLargeError, NoJsonError) as error:
        message = f"the job submits what cannot be submitted: {error}"
        raise ImpossibleResultError(message) from error
    check_submitted(len(submitted), sum(size_in_record(one.body) for one in submitted))
