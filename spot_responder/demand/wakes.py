"""What a message of the queue ``wakes`` names: a work queue, and of the app's own follow-ups the number. Pure.

Called by ``responder/work/looks.py``. A wake is the text ``<account>/<queue>``, or an event of Event Grid that tells of
a new blob in the container of a work queue; a follow-up is ``<account>/<queue> <number>``. Who submits work may write
there: a forged number costs one look, and whatever else stands in a message is not read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from spot_responder.intake.payloads import UnreadableEvent, parse_body
from spot_responder.intake.work_queue_names import NotAWorkQueueError, WorkQueueName
from spot_responder.text import shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spot_responder.demand.work_queues import WorkQueue

# The source of a CloudEvent of storage, and its subject (docs/azure-facts.md blobs-1).
_ACCOUNT: Final = re.compile(r"/.*/providers/microsoft\.storage/storageaccounts/([a-z0-9]{3,24})", re.IGNORECASE)
_CONTAINER: Final = re.compile(r"/blobServices/default/containers/([a-z0-9-]{3,63})/blobs/.*", re.DOTALL)


_FOLLOW_UP: Final = re.compile(r"(\S+) (\d{1,9})")


@dataclass(frozen=True, slots=True)
class Wake:
    """Asks for a look at a work queue. ``follow_up``: its number, where the app itself put it after a look."""

    queue: WorkQueueName
    follow_up: int | None = None

    def __str__(self) -> str:
        """Write it as the text of a message."""
        return str(self.queue) if self.follow_up is None else f"{self.queue} {self.follow_up}"


class NotAWakeError(ValueError):
    """The message names no work queue of this deployment; the text quotes what it names, and says what is expected."""


def read_wake(body: str | bytes, queues: Sequence[WorkQueue]) -> Wake:
    """Read a wake.

    Raises:
        NotAWakeError: if it names none of ``queues``.
    """
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    if text.lstrip().startswith("{"):
        return Wake(_of_new_blob(text, queues))
    numbered = _FOLLOW_UP.fullmatch(text.strip())
    try:
        name = WorkQueueName.parse(numbered[1] if numbered else text.strip())
    except NotAWorkQueueError as problem:
        raise NotAWakeError(str(problem)) from problem
    if all(queue.name != name for queue in queues):
        message = f"{name} is no work queue of this deployment: see WORK_QUEUES"
        raise NotAWakeError(message)
    return Wake(name, int(numbered[2]) if numbered else None)


def _of_new_blob(text: str, queues: Sequence[WorkQueue]) -> WorkQueueName:
    try:
        event = parse_body(text)
    except UnreadableEvent as problem:
        raise NotAWakeError(str(problem)) from problem
    account = _ACCOUNT.fullmatch(str(event.get("source", "")))
    container = _CONTAINER.fullmatch(str(event.get("subject", "")))
    found = [
        queue.name
        for queue in queues
        if account and container and (queue.name.account, queue.container) == (account[1].lower(), container[1])
    ]
    if not found:
        where = shortened(f"{event.get('source')} {event.get('subject')}", 200)
        message = f"{where!r} is no blob in the container of a work queue: see WORK_QUEUES"
        raise NotAWakeError(message)
    return found[0]
