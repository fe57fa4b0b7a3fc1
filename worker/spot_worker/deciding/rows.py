"""Rows of the tables: results (a copy of what the records say), and what each slot of each VM does."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, Union

if TYPE_CHECKING:
    from spot_worker.deciding.record.pointers import Pointer, Result

MOST_RESULT_CHARACTERS: Final = 32_000
"""A property of a table's row holds 64 KiB of UTF-16 (Microsoft's "Understanding the Table service data model")."""

Row = dict[str, Union[str, int, float]]


class Doing(str, Enum):
    """What a slot does."""

    IDLE = "idle"
    BUSY = "busy"
    STOPPING = "stopping"


@dataclass(frozen=True)
class SlotState:
    """What one slot of one VM does, for how long already, and for how long it holds a message if it is not renewed."""

    queue: str
    vm: str
    slot: str
    boot_id: str
    doing: Doing
    job_id: str
    claimed_at: str
    renewed_at: str
    lease_s: int


def slot_label(name: str, slot: int) -> str:
    """Call a slot: by its number, and by its worker's name where a VM has several."""
    return f"{name}.{slot}" if name else str(slot)


def slot_row(state: SlotState) -> Row:
    """Write what a slot does; empty words where it has no job."""
    return {
        "PartitionKey": state.queue,
        "RowKey": f"{state.vm}:{state.slot}",
        "boot_id": state.boot_id,
        "state": state.doing.value,
        "job_id": state.job_id,
        "claimed_at": state.claimed_at,
        "renewed_at": state.renewed_at,
        "lease_s": state.lease_s,
    }


def result_row(pointer: Pointer, result: Result) -> Row:
    """Write a job's result. The same record gives the same row, whoever writes it."""
    counters = pointer.counters
    submitted = [{"queue": one.queue, "id": one.id} for one in result.submitted]
    # Known of jobs whose first claim was made by a worker that writes it down.
    waited: Row = {} if pointer.seconds_waited is None else {"seconds_waited": pointer.seconds_waited}
    return {
        "PartitionKey": pointer.queue,
        "RowKey": pointer.job_id,
        "result": result.value,
        "attempt": result.attempt,
        "attempts": pointer.attempt,
        "vm": result.vm,
        "finished_at": result.at,
        "failures": counters.failures,
        "evictions": counters.evictions,
        "silent_claims": counters.silent_claims,
        "seconds_worked": counters.seconds_worked,
        "seconds_repeated": counters.seconds_repeated,
        "outputs": _list(list(result.outputs)),
        "submitted": _list(submitted),
        **waited,
    }


def _list(entries: list[str] | list[dict[str, str]]) -> str:
    """Write a list; the record alone has it where it is longer than a row can hold."""
    text = json.dumps(entries)
    return text if len(text) <= MOST_RESULT_CHARACTERS else json.dumps([f"{len(entries)}: see the job's pointer.json"])
