"""The findings of ``doctor`` about work queues: whether each can be counted, and its workers' words read. Pure.

Called by ``operators/work_queues.py``; ``commands/doctor.py`` writes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spot_responder.demand.looks import Backlog
from spot_responder.intake.azure_errors import NO_ANSWER, Failure, FailureKind
from spot_responder.operators.views.findings import Finding, Health
from spot_responder.text import count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spot_responder.demand.looks import Word
    from spot_responder.demand.work_queues import WorkQueue


def queue_finding(queue: WorkQueue, seen: Backlog | Failure) -> Finding:
    """Say how many messages lie in a work queue, or why they could not be counted."""
    what = f"work queue {queue.name}"
    if isinstance(seen, Backlog):
        return Finding(what, Health.GOOD, f"reachable, {seen.told}")
    return _unread(what, seen, "Storage Queue Data Reader", f"is {queue.queue_endpoint} right, in WORK_QUEUES?")


def workers_finding(queue: WorkQueue, seen: Sequence[Word] | Failure) -> Finding:
    """Say whether the words of a queue's workers can be read. Before the first worker there may be no table."""
    what = f"table workers of {queue.name}"
    if isinstance(seen, Failure):
        return _unread(what, seen, "Storage Table Data Reader", f"is {queue.table_endpoint} right, in WORK_QUEUES?")
    names = {word.vm_name for word in seen}
    told = f"workers of {count(len(names), 'VM')} have written there" if names else "no worker has written there yet"
    return Finding(what, Health.GOOD, f"reachable, {told}")


def _unread(what: str, failure: Failure, role: str, is_it_right: str) -> Finding:
    if failure.kind is FailureKind.DENIED:
        return Finding(what, Health.UNSEEN, failure.said, f"have {role} assigned to your login there")
    if failure.code == NO_ANSWER:
        return Finding(what, Health.BAD, failure.said, f"{is_it_right} And is the network there?")
    return Finding(what, Health.BAD, failure.said, f"{is_it_right} What WORK_QUEUES makes: azd provision")
