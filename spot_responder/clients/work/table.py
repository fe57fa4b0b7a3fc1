"""The port to the table ``work``: what is kept of each work queue between two looks. Opened by ``connections.py``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import count, takewhile
from typing import TYPE_CHECKING, Any, Final

from spot_responder.clients.rows.row_times import written
from spot_responder.clients.tables import ODD, etag_of, read_row, told, write_row
from spot_responder.demand.looks import Backlog, Trouble, UpTime, VmWatch, Watch
from spot_responder.intake.payloads import moment
from spot_responder.intake.work_queue_names import WorkQueueName
from spot_responder.responder.log import log_odd_row
from spot_responder.responder.ports import Stored

if TYPE_CHECKING:
    from collections.abc import Mapping

    from azure.data.tables.aio import TableClient

    from spot_responder.clients.rows.table_rows import Row


LARGEST_CELL: Final = 30_000
"""Characters of a column; Azure allows 32,768."""


@dataclass(frozen=True, slots=True)
class WorkTable:
    """The port to the table ``work``, which the deployment creates."""

    client: TableClient

    async def load(self, name: WorkQueueName) -> Stored[Watch]:
        """Load what is kept of a work queue. An odd row is written anew: a look finds out all but the past again."""
        with told("load what is kept of a work queue"):
            entity = await read_row(self.client, (name.account, name.queue))
        if entity is None:
            return Stored(Watch(name), None)
        try:
            return Stored(watch_from_row(entity), etag_of(entity))
        except ODD as error:
            log_odd_row(f"table work, {name.account}, {name.queue}", repr(error))
            return Stored(Watch(name), etag_of(entity))

    async def save(self, watch: Watch, etag: str | None) -> str:
        """Save what is kept of a work queue, if it still is what was loaded; give its new ETag.

        Raises:
            ChangedMeanwhileError: if it is not.
        """
        with told("save what is kept of a work queue"):
            return await write_row(self.client, watch_row(watch), etag)


def watch_row(watch: Watch) -> Row:
    """Write what is kept of a work queue."""
    return {
        "PartitionKey": watch.name.account,
        "RowKey": watch.name.queue,
        "began_at": written(watch.began_at),
        "under_way": watch.under_way,
        "looked_at": written(watch.looked_at),
        "due_at": written(watch.due_at),
        "follow_up": watch.follow_up,
        "asked_for": json.dumps(sorted(watch.asked_for)),
        **_in_cells(json.dumps({key: _vm_cell(vm) for key, vm in watch.vms.items()})),
        "backlog": json.dumps([watch.backlog.visible, watch.backlog.total] if watch.backlog else None),
        "waiting_since": written(watch.waiting_since),
        "unserved_since": written(watch.unserved_since),
        "failing_since": written(watch.failing_since),
        "joins_at": written(watch.joins_at),
        "up_times": json.dumps([_up_time_cell(each) for each in watch.up_times]),
        "reason": watch.reason,
    }


def watch_from_row(row: Mapping[str, Any]) -> Watch:
    """Read what is kept of a work queue."""
    backlog = json.loads(row["backlog"])
    return Watch(
        name=WorkQueueName.parse(f"{row['PartitionKey']}/{row['RowKey']}"),
        began_at=moment(row["began_at"]),
        under_way=row.get("under_way", False),
        looked_at=moment(row["looked_at"]),
        due_at=moment(row["due_at"]),
        follow_up=row.get("follow_up", 0),
        asked_for=frozenset(json.loads(row["asked_for"])),
        vms={key: _vm_watch(cell) for key, cell in json.loads(_of_cells(row)).items()},
        backlog=Backlog(*backlog) if backlog else None,
        waiting_since=moment(row["waiting_since"]),
        unserved_since=moment(row["unserved_since"]),
        failing_since=moment(row["failing_since"]),
        joins_at=moment(row["joins_at"]),
        # A row of an earlier version has none.
        up_times=tuple(map(_up_time, json.loads(row.get("up_times", "[]")))),
        reason=row["reason"],
    )


def _in_cells(text: str) -> dict[str, object]:
    """Write a long text into as many columns as it takes: a hundred VMs do not fit into one."""
    parts = [text[begin : begin + LARGEST_CELL] for begin in range(0, len(text), LARGEST_CELL)]
    return {f"vms_{number}": part for number, part in enumerate(parts)}


def _of_cells(row: Mapping[str, Any]) -> str:
    parts = (str(row.get(f"vms_{number}", "")) for number in count())
    return "".join(takewhile(bool, parts))


def _up_time_cell(each: UpTime) -> list[str | float]:
    return [each.day.isoformat(), each.up.total_seconds(), each.idle.total_seconds()]


def _up_time(cell: list[Any]) -> UpTime:
    day, up_s, idle_s = cell
    return UpTime(date.fromisoformat(day), timedelta(seconds=up_s), timedelta(seconds=idle_s))


def _vm_cell(vm: VmWatch) -> dict[str, object]:
    """Write what is kept of a VM, without what is nothing."""
    cell = {
        "up_since": written(vm.up_since),
        "seen_up_at": written(vm.seen_up_at),
        "ran_at": written(vm.ran_at),
        "idle_since": written(vm.idle_since),
        "stopped_since": written(vm.stopped_since),
        "asked_at": written(vm.asked_at),
        "asks_in_vain": vm.asks_in_vain,
        "left_out_since": written(vm.left_out_since),
        "let_go_at": written(vm.let_go_at),
        "own_stops": [written(at) for at in vm.own_stops],
        "boot_failures": vm.boot_failures,
        "told": str(vm.told or ""),
    }
    return {name: value for name, value in cell.items() if value}


def _vm_watch(cell: Mapping[str, Any]) -> VmWatch:
    return VmWatch(
        up_since=moment(cell.get("up_since", "")),
        seen_up_at=moment(cell.get("seen_up_at", "")),
        ran_at=moment(cell.get("ran_at", "")),
        idle_since=moment(cell.get("idle_since", "")),
        stopped_since=moment(cell.get("stopped_since", "")),
        asked_at=moment(cell.get("asked_at", "")),
        asks_in_vain=cell.get("asks_in_vain", 0),
        left_out_since=moment(cell.get("left_out_since", "")),
        let_go_at=moment(cell.get("let_go_at", "")),
        own_stops=tuple(filter(None, map(moment, cell.get("own_stops", [])))),
        boot_failures=cell.get("boot_failures", 0),
        told=Trouble(cell["told"]) if cell.get("told") else None,
    )
