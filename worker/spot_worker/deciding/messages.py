"""Messages of the queues, read into jobs and written. Whatever stands in a message of somebody else, it is a job.

Ours are JSON: ``{"spot_worker": 1, "id": ..., "body": ...}``. Those given up have more members, see ``write_poison``.
An event that tells of a new blob is a job with the blob's address, see ``blob_events.py``.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import Any, Final

from spot_worker.deciding.blob_events import new_blob
from spot_worker.deciding.json_values import NoJsonError, read_json, write_json, write_json_short
from spot_worker.deciding.names import is_job_id, message_name

MOST_MESSAGE_BYTES: Final = 64 * 1024
"""More the queue does not take in one message (Microsoft's "Scalability targets for Queue storage")."""
_FORMAT: Final = 1


class MessageTooLargeError(ValueError):
    """A job that no message can hold."""


class NewerMessageError(Exception):
    """A newer version of the worker wrote the message: nothing is wrong with the job, but it is not for us."""


@dataclass(frozen=True)
class JobMessage:
    """A job as it stands in the queue. ``text``: the message's own words.

    ``newer``: its format, if only a newer version of the worker knows that; see ``check_known``.
    """

    id: str
    body: Any = field(hash=False)
    text: str
    newer: int | None = None


@dataclass(frozen=True)
class PoisonMessage:
    """A job that was given up: what it was, why, and by which attempt. ``body_in``: the blob with a body too large."""

    job: JobMessage
    reason: str
    attempt: int | None
    counters: dict[str, Any] = field(hash=False)
    body_in: str = ""


def read_message(message_id: str, text: str) -> JobMessage:
    """Read any message. What is not ours: its id is the message's, its body the text, out of base64 if it is text."""
    for plain in (text, _decoded(text)):
        written = _object(plain)
        if _is_ours(written):
            return JobMessage(written["id"], written["body"], text)
        if _is_newer(written):
            job_id = str(written["id"]) if is_job_id(written.get("id")) else message_id
            return JobMessage(job_id, plain, text, written["spot_worker"])
        if blob := new_blob(written):
            return JobMessage(blob.job_id, blob.url, text)
    return JobMessage(message_id, plain, text)


def check_known(job: JobMessage) -> None:
    """Raise ``NewerMessageError`` if we cannot know what the message asks for."""
    if job.newer is not None:
        message = f"the message has format {job.newer}, and this version knows {_FORMAT}: a newer version sent it"
        raise NewerMessageError(message)


def write_message(job_id: str, body: Any) -> str:  # noqa: ANN401 - any JSON value
    """Write a job. Raises ``MessageTooLargeError``; ``NoJsonError`` or ``TypeError`` if the body is none."""
    text = _written({"spot_worker": _FORMAT, "id": job_id, "body": body})
    if not _fits(text):
        message = (
            f"the job has {len(text.encode())} bytes as a message, the queue takes {MOST_MESSAGE_BYTES}: "
            "put the data into a blob and its address into the job"
        )
        raise MessageTooLargeError(message)
    return text


def write_poison(job: JobMessage, queue: str, reason: str, attempt: int, counters: dict[str, Any]) -> str:
    """Write what is known of a job that is given up; without its body if that is too large."""
    known = {"queue": queue, "reason": reason, "attempt": attempt, "counters": counters}
    members = {"spot_worker": _FORMAT, "id": job.id, "body": job.body, **known}
    text = _written(members)
    return text if _fits(text) else _written({**members, "body": None, "body_in": message_name(queue, job.id)})


def read_poison(message_id: str, text: str) -> PoisonMessage:
    """Read a message of a poison queue; without a reason where only the job's own words stand in it."""
    written = _object(text)
    written = written if _is_ours(written) else {}
    body_in = written.get("body_in")
    attempt, reason, counters = written.get("attempt"), written.get("reason"), written.get("counters")
    return PoisonMessage(
        read_message(message_id, text),
        reason if isinstance(reason, str) else "",
        attempt if isinstance(attempt, int) else None,
        counters if isinstance(counters, dict) else {},
        body_in if isinstance(body_in, str) else "",
    )


def write_again(job: JobMessage) -> str:
    """Write a job that was given up for its queue: under its id, so that its record is found; or as it came."""
    try:
        return write_message(job.id, job.body)
    except MessageTooLargeError:
        return job.text


def _object(text: str) -> dict[str, Any]:
    """Read a JSON object; an empty one where there is none."""
    if not text.lstrip().startswith("{"):
        return {}
    try:
        written: dict[str, Any] = read_json(text)
    except NoJsonError:
        return {}
    return written


def _is_ours(written: dict[str, Any]) -> bool:
    return written.get("spot_worker") == _FORMAT and is_job_id(written.get("id")) and "body" in written


def _is_newer(written: dict[str, Any]) -> bool:
    form = written.get("spot_worker")
    return isinstance(form, int) and form > _FORMAT


def _decoded(text: str) -> str:
    """Take a text out of base64, if that gives a text that a person could read; else leave it as it is."""
    try:
        plain = base64.b64decode(text.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return text
    is_text = bool(plain) and all(sign.isprintable() or sign in "\r\n\t" for sign in plain)
    return plain if is_text else text


def _written(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Write a message: in ASCII, which everybody can read, if that is not too long."""
    text = write_json(value)
    return text if _fits(text) else write_json_short(value)


def _fits(text: str) -> bool:
    return len(text.encode()) <= MOST_MESSAGE_BYTES
