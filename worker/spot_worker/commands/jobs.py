"""``jobs``: how many messages the queue holds, and what the records say of each job that was ever claimed."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from spot_worker.commands.options import account_of, places_of
from spot_worker.commands.showing import show
from spot_worker.deciding.pointer_text import UnreadablePointerError, read_pointer
from spot_worker.deciding.pointers import Poison
from spot_worker.deciding.words import counted
from spot_worker.edges.reading import message_count, records

if TYPE_CHECKING:
    import argparse

    from spot_worker.deciding.pointers import Pointer


def jobs(given: argparse.Namespace) -> int:
    """Show them; people see those that are not done, and how many are. Exit code 1 if there is no such queue."""
    account, places = account_of(given), places_of(given)
    messages = message_count(account, places.queue)
    if messages is None:
        sys.stderr.write(f"spot-worker: there is no queue {places.queue}; `submit` and `run` make it\n")
        return 1
    rows = [_row(places.queue, job_id, content) for job_id, content in records(account, places)]
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


def _row(queue: str, job_id: str, content: bytes) -> dict[str, Any]:
    try:
        pointer = read_pointer(content, queue, job_id)
    except UnreadablePointerError as error:
        return {"job_id": job_id, "state": "unreadable", "why": str(error)}
    return {
        "job_id": job_id,
        "state": _state(pointer),
        "attempt": pointer.attempt,
        **asdict(pointer.counters),
        "checkpoints": len(pointer.checkpoints),
        "vm": pointer.claim.vm,
        "claimed_at": pointer.claim.at,
        "reason": pointer.outcome.reason if isinstance(pointer.outcome, Poison) else None,
    }


def _state(pointer: Pointer) -> str:
    if pointer.outcome:
        return "poison" if isinstance(pointer.outcome, Poison) else "done"
    # Whether it still runs only its worker knows; if it was killed, its message comes back when the lease ends.
    return "waiting" if pointer.claim.ended else "claimed"
