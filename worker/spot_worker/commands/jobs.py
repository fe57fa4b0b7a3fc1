"""``jobs``: how many messages the queue holds, and what the records say of each job that was ever claimed."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import asdict
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from spot_worker.commands.options import account_of, places_of
from spot_worker.commands.showing import show
from spot_worker.deciding.names import WORKERS_TABLE
from spot_worker.deciding.record.pointer_text import UnreadablePointerError, read_pointer
from spot_worker.deciding.record.pointers import Poison
from spot_worker.deciding.slots_shown import SILENT, is_silent
from spot_worker.deciding.times import iso
from spot_worker.deciding.words import counted
from spot_worker.edges.reading import message_count, records
from spot_worker.edges.reading import rows as rows_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from spot_worker.deciding.record.pointers import Pointer


def jobs(given: argparse.Namespace) -> int:
    """Show them; people see those that are not done, and how many are. Exit code 1 if there is no such queue."""
    account, places = account_of(given), places_of(given)
    messages = message_count(account, places.queue)
    if messages is None:
        sys.stderr.write(f"spot-worker: there is no queue {places.queue}; `submit` and `run` make it\n")
        return 1
    found = records(account, places)
    workers, now = rows_of(account, WORKERS_TABLE, places.queue), iso(datetime.now(timezone.utc))
    rows = [_row(places.queue, job_id, content, lambda one: is_silent(one, workers, now)) for job_id, content in found]
    rows.sort(key=lambda row: str(row.get("claimed_at", "")))
    if given.json:
        sys.stdout.write(json.dumps({"queue": places.queue, "messages": messages, "jobs": rows}, indent=2) + "\n")
        return 0
    states = ", ".join(f"{count} {state}" for state, count in sorted(Counter(row["state"] for row in rows).items()))
    sys.stdout.write(
        f"{counted(messages, 'message')} in {places.queue}; of the jobs claimed so far: {states or 'none'}\n"
    )
    columns = (
        "job_id",
        "state",
        "attempt",
        "failures",
        "evictions",
        "silent_claims",
        "checkpoints",
        "vm",
        "claimed_at",
    )
    unfinished = [row for row in rows if row["state"] != "done"]
    if unfinished:
        show(unfinished, columns, as_json=False)
    return 0


def _row(queue: str, job_id: str, content: bytes, is_silent: Callable[[Pointer], bool]) -> dict[str, Any]:
    try:
        pointer = read_pointer(content, queue, job_id)
    except UnreadablePointerError as error:
        return {"job_id": job_id, "state": "unreadable", "why": str(error)}
    return {
        "job_id": job_id,
        "state": _state(pointer, is_silent),
        "attempt": pointer.attempt,
        **asdict(pointer.counters),
        "checkpoints": len(pointer.checkpoints),
        "vm": pointer.claim.vm,
        "claimed_at": pointer.claim.at,
        "reason": pointer.outcome.reason if isinstance(pointer.outcome, Poison) else None,
    }


def _state(pointer: Pointer, is_silent: Callable[[Pointer], bool]) -> str:
    if pointer.outcome:
        return "poison" if isinstance(pointer.outcome, Poison) else "done"
    if pointer.claim.ended:
        return "waiting"
    # If its worker was killed, its message comes back when the lease has ended.
    return SILENT if is_silent(pointer) else "claimed"
