"""``submit``: puts jobs on a queue, one for each line of files."""

from __future__ import annotations

import json
import signal
import sys
import time
import uuid
from functools import partial
from itertools import chain, count, islice, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from spot_worker.commands.options import UsageError, account_of, places_of
from spot_worker.deciding.json_values import NoJsonError, read_json
from spot_worker.deciding.messages import MessageTooLargeError, write_message
from spot_worker.deciding.words import counted
from spot_worker.edges.account import make_queue, sender
from spot_worker.edges.clock import SystemClock
from spot_worker.edges.progress import Progress
from spot_worker.running.ports import StorageError
from spot_worker.running.storage_retries import persist_for

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

_ASKED_S: Final = 60.0
"""So long a message is sent again; one try may wait for an answer beyond that."""


def submit(given: argparse.Namespace) -> int:
    """Submit all jobs, or none if a line is no job. Exit code 1: storage failed on the way; 130: Ctrl-C or SIGTERM."""
    places_of(given)  # what `run` would refuse nobody could work on
    messages = _messages(given)
    account = account_of(given)
    make_queue(account, given.queue)
    send = sender(account, given.queue)
    progress, done, code, why = Progress("submitted", len(messages)), 0, 0, ""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # it is told as Ctrl-C is: by ``KeyboardInterrupt``
    clock = SystemClock()
    try:
        for _, text in messages:
            # Again where it is not answered: two messages that have one id are one job.
            persist_for(_ASKED_S, partial(send, text), clock.monotonic, time.sleep)
            done += 1
            progress.show(done)
    except StorageError as error:
        code, why = 1, str(error)
    except KeyboardInterrupt:
        code, why = 130, "stopped"
    progress.end()
    if given.json:
        submitted = [job_id for job_id, _ in messages[:done]]
        sys.stdout.write(json.dumps({"queue": given.queue, "submitted": submitted}) + "\n")
    elif not code:
        sys.stdout.write(f"{counted(done, 'job')} submitted to {given.queue}\n")
    if code:
        there = f"submitted: the first {done} of {counted(len(messages), 'job')}"
        sys.stderr.write(f"spot-worker: {why}; {there}; the next one may be in the queue as well\n")
    return code


def _messages(given: argparse.Namespace) -> list[tuple[str, str]]:
    messages = []
    for where, body in _bodies(given):
        job_id = str(uuid.uuid4())
        try:
            messages.append((job_id, write_message(job_id, body)))
        except (MessageTooLargeError, NoJsonError) as error:
            message = f"{where}: {error}; nothing is submitted"
            raise UsageError(message) from error
    if not messages:
        message = f"there is no job in {', '.join(_name(file) for file in given.files)}; nothing is submitted"
        raise UsageError(message)
    return messages


def _bodies(given: argparse.Namespace) -> Iterator[tuple[str, Any]]:
    """Give each job's body, and where it stands. Without files: as many numbered jobs as were asked for."""
    if not given.files:
        if given.count is None:
            message = "what is to be submitted? Give FILE, - for standard input, or --count N for numbered jobs"
            raise UsageError(message)
        return ((f"job {number}", {"number": number}) for number in islice(count(1), given.count))
    lines = chain.from_iterable(_lines(file) for file in given.files)
    return chain.from_iterable(repeat(line, given.count or 1) for line in lines)


def _lines(file: str) -> Iterator[tuple[str, Any]]:
    name = _name(file)
    try:
        text = sys.stdin.read().lstrip("\ufeff") if file == "-" else Path(file).read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"{name} is no text of UTF-8: {error}"
        raise UsageError(message) from error
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield f"{name}, line {number}", _body(line, f"{name}, line {number}")


def _name(file: str) -> str:
    return "standard input" if file == "-" else file


def _body(line: str, where: str) -> Any:  # noqa: ANN401 - any JSON value
    """Read a line: JSON, or a text as it is, with its spaces. What begins like JSON and is none is a mistake."""
    stripped = line.strip()
    try:
        return read_json(stripped)
    except NoJsonError as error:
        if stripped.startswith(("{", "[", '"')) or _is_number(stripped):
            message = f"{where} is no JSON: {error}; nothing is submitted"
            raise UsageError(message) from error
        return line


def _is_number(line: str) -> bool:
    try:
        float(line)
    except ValueError:
        return False
    return True
