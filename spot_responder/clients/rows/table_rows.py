"""How recoveries, pools and health notes are written into table rows, and read from them. Called by ``tables.py``.

Every column may be shown to an operator, except the operation's address, which is signed.
"""

from __future__ import annotations

import dataclasses
import json
from os.path import commonprefix
from typing import TYPE_CHECKING, Any, Final

from spot_responder.clients.rows.recovery_cells import (
    agent_cell,
    agent_of,
    attempt_cell,
    attempt_of,
    evidence_cell,
    evidence_of,
    sizes_cell,
    sizes_of,
)
from spot_responder.clients.rows.row_times import read_time, time_or_none, written
from spot_responder.decisions.app_health.app_failures import Activity, Failing
from spot_responder.decisions.failure_counts import FailureCounts
from spot_responder.decisions.outcomes import Outcome
from spot_responder.decisions.pools import FIRST_STARTS, PoolGate, PoolId
from spot_responder.decisions.recoveries import Absence, Notice, Recovery
from spot_responder.intake.azure_errors import FailureKind
from spot_responder.intake.signals import SignalKind
from spot_responder.intake.vms import VmId

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

type Key = tuple[str, str]
type Row = dict[str, Any]

_NOT_SPOT: Final = "regular"


def recovery_key(vm_id: VmId) -> Key:
    """Give partition and row key of a VM: by subscription; a key must not hold slashes.

    No name has a bar in it: an instance of a scale set, with its set's name between, has a key of its own.
    """
    within = (vm_id.resource_group, *([vm_id.scale_set] if vm_id.scale_set else []), vm_id.name)
    return vm_id.subscription_id.lower(), "|".join(within).lower()


def recovery_row(recovery: Recovery) -> Row:
    """Write a recovery."""
    partition, row = recovery_key(recovery.vm_id)
    return {
        "PartitionKey": partition,
        "RowKey": row,
        "vm_id": str(recovery.vm_id),
        "recovery_id": recovery.recovery_id,
        "opened_at": written(recovery.opened_at),
        "opened_by": str(recovery.opened_by),
        "outcome": str(recovery.outcome or ""),
        "closed_at": written(recovery.closed_at),
        "sequence": recovery.sequence,
        "wake_at": written(recovery.wake_at),
        "not_before": written(recovery.not_before),
        "slow_down_until": written(recovery.slow_down_until),
        "attempts": recovery.attempts,
        "failing_with": str(recovery.failures.kind or ""),
        "failures_in_a_row": recovery.failures.in_a_row,
        "failing_since": written(recovery.failures.since),
        "failures": json.dumps({str(kind): count for kind, count in recovery.failures.by_kind.items()}),
        "published_notices": json.dumps(sorted(recovery.published_notices)),
        "notice": str(recovery.notice or ""),
        "reason": recovery.reason,
        "evidence": evidence_cell(recovery.evidence),
        "attempt": attempt_cell(recovery.attempt),
        "restarts": json.dumps([written(time) for time in recovery.restarts]),
        "down_since": written(recovery.down_since),
        "starts": json.dumps([written(time) for time in recovery.starts]),
        "recorded": recovery.recorded,
        "seen_queued_at": written(recovery.seen_queued_at),
        "held_at": written(recovery.held_at),
        "obstacle_since": written(recovery.obstacle_since),
        "absent_since": written(recovery.absence.since if recovery.absence else None),
        "unseen_since": written(recovery.absence.unseen_since if recovery.absence else None),
        "pool": json.dumps(dataclasses.asdict(recovery.pool) if recovery.pool else None),
        "agent": agent_cell(recovery.agent),
        "sizes": sizes_cell(recovery.sizes),
    }


def recovery_from_row(row: Mapping[str, Any]) -> Recovery:
    """Read a recovery."""
    pool = json.loads(row.get("pool", "null"))
    return Recovery(
        vm_id=VmId.parse_kept(row["vm_id"]),
        recovery_id=row["recovery_id"],
        opened_at=read_time(row["opened_at"]),
        opened_by=SignalKind(row["opened_by"]),
        evidence=evidence_of(row["evidence"]),
        outcome=Outcome(row["outcome"]) if row["outcome"] else None,
        closed_at=time_or_none(row["closed_at"]),
        sequence=row["sequence"],
        wake_at=time_or_none(row["wake_at"]),
        not_before=time_or_none(row.get("not_before", "")),
        slow_down_until=time_or_none(row.get("slow_down_until", "")),
        attempts=row["attempts"],
        attempt=attempt_of(row["attempt"]),
        failures=FailureCounts(
            FailureKind(row["failing_with"]) if row["failing_with"] else None,
            row["failures_in_a_row"],
            time_or_none(row.get("failing_since", "")),
            {FailureKind(kind): count for kind, count in json.loads(row.get("failures", "{}")).items()},
        ),
        published_notices=frozenset(Notice(notice) for notice in json.loads(row.get("published_notices", "[]"))),
        notice=Notice(row["notice"]) if row.get("notice") else None,
        restarts=tuple(read_time(text) for text in json.loads(row["restarts"])),
        reason=row["reason"],
        down_since=time_or_none(row["down_since"]),
        starts=tuple(read_time(text) for text in json.loads(row.get("starts", "[]"))),
        recorded=row.get("recorded", False),
        seen_queued_at=time_or_none(row.get("seen_queued_at", "")),
        # Rows that an earlier release wrote lack these, and the two above.
        held_at=time_or_none(row.get("held_at", "")),
        absence=_absence_of(row),
        obstacle_since=time_or_none(row.get("obstacle_since", "")),
        pool=PoolId(**pool) if pool else None,
        agent=agent_of(row.get("agent", "{}")),
        sizes=sizes_of(row.get("sizes", "{}")),
    )


def _absence_of(row: Mapping[str, Any]) -> Absence | None:
    since = time_or_none(row.get("absent_since", ""))
    return Absence(since, time_or_none(row.get("unseen_since", ""))) if since else None


def history_row(recovery: Recovery) -> Row:
    """Write a closed recovery under the day on which it ended; ``published``: whether its outcome was published."""
    partition, row = history_key(recovery)
    return recovery_row(recovery) | {"PartitionKey": partition, "RowKey": row, "published": False}


def history_key(recovery: Recovery) -> Key:
    """Give partition and row key of a closed recovery: the day on which it ended, and its id."""
    return day_of(recovery.closed_at or recovery.opened_at), recovery.recovery_id


def day_of(time: datetime) -> str:
    """Give the partition of the history for a time."""
    return f"{time:%Y-%m-%d}"


def pool_key(pool_id: PoolId) -> Key:
    """Give partition and row key of a pool."""
    key = f"{pool_id.location}|{pool_id.zone}|{pool_id.size}"
    return pool_id.subscription_id, key if pool_id.is_spot else f"{key}|{_NOT_SPOT}"


def pool_row(pool: PoolGate) -> Row:
    """Write a pool's gate."""
    partition, row = pool_key(pool.pool_id)
    return {
        "PartitionKey": partition,
        "RowKey": row,
        "refusals": pool.refusals,
        "closed_until": written(pool.closed_until),
        "width": pool.width,
        "trickles": pool.trickles,
        "round_of": pool.round_of,
        "refused_last": pool.refused_last,
        "proven_at": written(pool.proven_at),
        "under_way": json.dumps(_places(pool.under_way)),
    }


def pool_from_row(row: Mapping[str, Any]) -> PoolGate:
    """Read a pool's gate. A number of 0 stands for none."""
    location, zone, size, *others = row["RowKey"].split("|")
    return PoolGate(
        PoolId(row["PartitionKey"], location, zone, size, is_spot=_NOT_SPOT not in others),
        refusals=row["refusals"],
        closed_until=time_or_none(row["closed_until"]),
        width=row["width"] or FIRST_STARTS,
        trickles=row["trickles"],
        round_of=row["round_of"],
        refused_last=row["refused_last"],
        proven_at=time_or_none(row["proven_at"]),
        under_way=_places_of(json.loads(row["under_way"])),
    )


def health_key(activity: Activity) -> Key:
    """Give partition and row key of an activity."""
    return "app", str(activity)


def failing_row(failing: Failing) -> Row:
    """Write that an activity fails."""
    partition, row = health_key(failing.activity)
    return {
        "PartitionKey": partition,
        "RowKey": row,
        "since": written(failing.since),
        "latest_at": written(failing.latest_at),
        "reason": failing.reason,
    }


def failing_from_row(row: Mapping[str, Any]) -> Failing:
    """Read that an activity fails."""
    times = read_time(row["since"]), read_time(row["latest_at"])
    return Failing(Activity(row["RowKey"]), *times, row["reason"])


def _places(under_way: Mapping[str, datetime]) -> dict[str, Any]:
    """Write the common beginning of the keys once: a cell holds 32,768 characters."""
    shared = commonprefix(list(under_way))  # noqa: RUF071 - any common beginning will do
    return {"of": shared, "until": {key.removeprefix(shared): written(until) for key, until in under_way.items()}}


def _places_of(cell: Mapping[str, Any]) -> dict[str, datetime]:
    return {f"{cell['of']}{rest}": read_time(text) for rest, text in cell["until"].items()}
