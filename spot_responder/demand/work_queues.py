"""A work queue of this deployment, as the setting ``WORK_QUEUES`` describes it. Pure; ``settings.py`` reads it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from spot_responder.intake.work_queue_names import NotAWorkQueueError, WorkQueueName

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_VMS: Final = 100
"""The most VMs that may be up for one work queue. What is kept of them all stands in one row of the table ``work``."""

IDLE_MINUTES: Final = 5
MINIMUM_MINUTES: Final = 10
"""How long a worker is idle before it stops its VM, and the VM is up at least, where nobody says otherwise. A test
holds them against the defaults of the worker and of ``infra``."""

_MOST_MESSAGES: Final = 1_000_000
_MOST_MINUTES: Final = 7 * 24 * 60
_FIELDS: Final = frozenset(
    {"name", "queueEndpoint", "tableEndpoint", "messagesPerVm", "maxVms", "idleMinutes", "minimumMinutes", "container"}
)
# Microsoft's "Naming and referencing containers, blobs, and metadata".
_CONTAINER: Final = re.compile(r"[a-z0-9](?!.*--)[a-z0-9-]{1,61}[a-z0-9]")


class NoWorkQueuesError(ValueError):
    """The setting is not as expected; the message says where, and what is."""


@dataclass(frozen=True, slots=True)
class WorkQueue:
    """A work queue, where it is, and how many VMs it may ask for.

    ``messages_per_vm``: one VM is started for so many messages; ``max_vms``: so many may be up. ``idle``: how long a
    worker has nothing to do before it stops its VM, and ``minimum``: how long the VM is up at least; the worker keeps
    to them (``spot-worker run --stop-vm-after-idle``), here they say when a VM has stayed up too long.
    ``container``: each new blob in that container of the account is a job, by way of Event Grid; ``""`` for none.
    """

    name: WorkQueueName
    queue_endpoint: str
    table_endpoint: str
    messages_per_vm: int = 1
    max_vms: int = 10
    idle: timedelta = timedelta(minutes=IDLE_MINUTES)
    minimum: timedelta = timedelta(minutes=MINIMUM_MINUTES)
    container: str = ""


def read_work_queues(text: str) -> tuple[WorkQueue, ...]:
    """Read a JSON list of work queues; an empty text is none.

    [{"name": "farm/frames", "queueEndpoint": "https://farm.queue.core.windows.net",
      "tableEndpoint": "https://farm.table.core.windows.net", "messagesPerVm": 5, "maxVms": 10,
      "idleMinutes": 5, "minimumMinutes": 10, "container": "frames-in"}]

    Raises:
        NoWorkQueuesError: naming the entry and the field.
    """
    try:
        entries: object = json.loads(text) if text.strip() else []
    except (ValueError, RecursionError) as error:
        message = "a JSON list of work queues"
        raise NoWorkQueuesError(message) from error
    if not isinstance(entries, list):
        message = "a JSON list of work queues"
        raise NoWorkQueuesError(message)
    queues = tuple(_work_queue(entry, f"entry {number}") for number, entry in enumerate(entries, start=1))
    if len({queue.name for queue in queues}) < len(queues):
        message = "each work queue once"
        raise NoWorkQueuesError(message)
    containers = [(queue.name.account, queue.container) for queue in queues if queue.container]
    if len(set(containers)) < len(containers):
        message = "each container once"
        raise NoWorkQueuesError(message)
    return queues


def _work_queue(entry: object, where: str) -> WorkQueue:
    if not isinstance(entry, dict):
        message = f"an object as {where}"
        raise NoWorkQueuesError(message)
    odd = sorted(set(map(str, entry)) - _FIELDS)
    if odd:
        message = f"{where} to have no field {odd[0]!r}"
        raise NoWorkQueuesError(message)
    try:
        name = WorkQueueName.parse(str(entry.get("name", "")))
    except NotAWorkQueueError as error:
        message = f"the name of {where} as <account>/<queue>"
        raise NoWorkQueuesError(message) from error
    return WorkQueue(
        name=name,
        queue_endpoint=_endpoint(entry, "queueEndpoint", where),
        table_endpoint=_endpoint(entry, "tableEndpoint", where),
        messages_per_vm=_whole(entry, "messagesPerVm", 1, (1, _MOST_MESSAGES), where),
        max_vms=_whole(entry, "maxVms", 10, (1, MOST_VMS), where),
        idle=timedelta(minutes=_whole(entry, "idleMinutes", IDLE_MINUTES, (0, _MOST_MINUTES), where)),
        minimum=timedelta(minutes=_whole(entry, "minimumMinutes", MINIMUM_MINUTES, (0, _MOST_MINUTES), where)),
        container=_container(entry, where),
    )


def _container(entry: Mapping[str, object], where: str) -> str:
    """Read the container. The worker keeps checkpoints in ``<queue>-checkpoints``: each would be a job, without end."""
    value = entry.get("container", "")
    if isinstance(value, str) and (not value or (_CONTAINER.fullmatch(value) and not value.endswith("-checkpoints"))):
        return value
    message = f"container of {where} to be the name of a container, and none of checkpoints"
    raise NoWorkQueuesError(message)


def _endpoint(entry: Mapping[str, object], field: str, where: str) -> str:
    value = str(entry.get(field, ""))
    message = f"{field} of {where} to be an https address"
    try:
        parts = urlsplit(value)
    except ValueError as error:
        raise NoWorkQueuesError(message) from error
    # A token is sent there, so over TLS only; an address with credentials or a query is some other thing.
    if parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment or "@" in parts.netloc:
        raise NoWorkQueuesError(message)
    return value.rstrip("/")


def _whole(entry: Mapping[str, object], field: str, default: int, within: tuple[int, int], where: str) -> int:
    value = entry.get(field, default)
    least, most = within
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        message = f"{field} of {where} to be a whole number from {least} to {most}"
        raise NoWorkQueuesError(message)
    return value
