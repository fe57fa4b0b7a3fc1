"""``results`` and ``workers``: what stands in the tables."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final

from spot_worker.commands.options import UsageError, account_of
from spot_worker.commands.showing import show
from spot_worker.deciding.names import WORKERS_TABLE, check_queue, check_table, results_table
from spot_worker.deciding.slots_shown import ENDED, SILENT, shown_state
from spot_worker.deciding.times import iso, read_iso
from spot_worker.edges.reading import rows

if TYPE_CHECKING:
    import argparse

_SEEN_S: Final = 24 * 3600.0


def results(given: argparse.Namespace) -> int:
    """Show the results of a table, of one queue or of all."""
    if not (given.results or given.queue):
        message = "which results? Give --queue NAME, or --results TABLE"
        raise UsageError(message)
    if given.queue:
        check_queue(given.queue)
    table = given.results or results_table(given.queue)
    found = [_result(row) for row in _rows(given, table)]
    if any("result" not in row for row in found):
        message = f"the table {table} holds something else than results"
        raise UsageError(message)
    found.sort(key=lambda row: str(row.get("finished_at", "")))
    columns = (
        "job_id",
        "result",
        "attempts",
        "failures",
        "evictions",
        "silent_claims",
        "seconds_worked",
        "seconds_repeated",
        "vm",
        "finished_at",
    )
    show(found, columns, as_json=given.json)
    return 0


def workers(given: argparse.Namespace) -> int:
    """Show what each slot of each VM does; people see for a day those that are no more."""
    if given.queue:
        check_queue(given.queue)
    found = [_worker(row) for row in _rows(given, WORKERS_TABLE)]
    if not given.json:  # a worker that is no more leaves its last word behind
        found = [row for row in found if row["state"] not in {ENDED, SILENT} or (row["age_s"] or 0.0) < _SEEN_S]
    columns = ("queue", "vm", "slot", "state", "job_id", "claimed_at", "renewed_at", "age_s")
    show(found, columns, as_json=given.json)
    return 0


def _rows(given: argparse.Namespace, table: str) -> list[Any]:
    check_table(table)
    return rows(account_of(given), table, given.queue)


def _result(row: Any) -> dict[str, Any]:  # noqa: ANN401 - an entity of the library
    read = {name: value for name, value in row.items() if name not in {"PartitionKey", "RowKey"}}
    for name in ("result", "outputs", "submitted"):
        if name in read:
            read[name] = json.loads(read[name] or "null")
    return {"queue": row["PartitionKey"], "job_id": row["RowKey"], **read}


def _worker(row: Any) -> dict[str, Any]:  # noqa: ANN401 - an entity of the library
    vm, _, slot = row["RowKey"].rpartition(":")
    read = {name: value for name, value in row.items() if name not in {"PartitionKey", "RowKey"}}
    return {
        "queue": row["PartitionKey"],
        "vm": vm,
        "slot": slot,
        **read,
        "state": shown_state(read, iso(datetime.now(timezone.utc))),
        "age_s": _age_s(str(row.get("renewed_at", ""))),
    }


def _age_s(told_at: str) -> float | None:
    try:
        told = read_iso(told_at)
    except ValueError:
        return None
    return round((datetime.now(timezone.utc) - told).total_seconds(), 1)
