"""The log's lines about work queues. Called by ``looks.py``; read by ``queries/logs/alarm-work.kql``."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from spot_responder.responder.log import write_line

if TYPE_CHECKING:
    from datetime import datetime

    from spot_responder.demand.looks import Trouble, Watch
    from spot_responder.intake.vms import VmId
    from spot_responder.intake.work_queue_names import WorkQueueName


def log_odd_wake(problem: str) -> None:
    """Log that a message of the queue ``wakes`` names no work queue of ours; it is dropped."""
    what_to_do = (
        "see who writes such messages to the queue wakes; a wake is the text <account>/<queue>, "
        "or an event of Event Grid about a blob in that queue's container"
    )
    write_line(logging.WARNING, "odd wake", {"reason": problem, "what_to_do": what_to_do})


def log_work_look(watch: Watch, starts: int) -> None:
    """Log what a look at a work queue saw, and why it asks for these VMs."""
    backlog = watch.backlog
    fields: dict[str, object] = {
        "queue": str(watch.name),
        "visible": backlog.visible if backlog else None,
        "messages": backlog.total if backlog else None,
        "starts": starts,
        "waiting_since": watch.waiting_since.isoformat() if watch.waiting_since else None,
        "reason": watch.reason,
    }
    write_line(logging.INFO, "work queue", fields)


def log_work_queue_not_read(name: WorkQueueName, problem: str, lasts_since: datetime | None = None) -> None:
    """Log that a look at a work queue could not read it, its VMs or its workers: nothing is decided meanwhile."""
    fields: dict[str, object] = {"queue": str(name), "reason": problem}
    if lasts_since is None:
        write_line(logging.WARNING, "work queue not read", fields)
        return
    about = {"activity": f"work queue {name}", "since": lasts_since.isoformat()}
    write_line(logging.ERROR, "lasting failure", about | fields)


def log_work_trouble(name: WorkQueueName, vm_id: VmId, trouble: Trouble) -> None:
    """Log what somebody has to see to at a VM that serves a work queue. The alarm ``work`` reads it."""
    about: dict[str, object] = {"queue": str(name), "vm": str(vm_id), "needs": str(trouble)}
    write_line(logging.ERROR, "work trouble", about | {"reason": trouble.says})


def log_work_waits(watch: Watch, since: datetime) -> None:
    """Log that nobody works on what a work queue has, for so long that somebody has to see to it, and what is known."""
    about: dict[str, object] = {"queue": str(watch.name), "needs": "waits", "since": since.isoformat()}
    write_line(logging.ERROR, "work trouble", about | {"reason": watch.reason})
