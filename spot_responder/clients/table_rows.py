"""How recoveries, pools and health notes are written into table rows, and read from them. Called by ``tables.py``.

Every column may be shown to an operator, except the operation's address, which is signed.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import fields
from datetime import datetime, timedelta
from os.path import commonprefix
from typing import TYPE_CHECKING, Any, Final

from spot_responder.clients.row_times import read_time, written
from spot_responder.decisions.agent_notes import AgentNotes
from spot_responder.decisions.app_health.app_failures import Activity, Failing
from spot_responder.decisions.attempts import Attempt, AttemptState, SizeNotes, UnfitSize, WeighedSize
from spot_responder.decisions.evidence import Evidence
from spot_responder.decisions.failures import Failures
from spot_responder.decisions.outcomes import Outcome
from spot_responder.decisions.pools import FIRST_STARTS, PoolGate, PoolId
from spot_responder.decisions.recoveries import Absence, Notice, Recovery
from spot_responder.intake.azure_errors import Failure, FailureKind
from spot_responder.intake.signals import SignalKind
from spot_responder.intake.vms import VmId

if TYPE_CHECKING:
    from collections.abc import Mapping

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
        "evidence": json.dumps(_evidence(recovery.evidence)),
        "attempt": json.dumps(_attempt(recovery.attempt) if recovery.attempt else None),
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
        "sizes": json.dumps(_sizes(recovery.sizes)),
    }


def recovery_from_row(row: Mapping[str, Any]) -> Recovery:
    """Read a recovery."""
    attempt = json.loads(row["attempt"])
    pool = json.loads(row.get("pool", "null"))
    return Recovery(
        vm_id=VmId.parse_kept(row["vm_id"]),
        recovery_id=row["recovery_id"],
        opened_at=read_time(row["opened_at"]),
        opened_by=SignalKind(row["opened_by"]),
        evidence=_evidence_of(json.loads(row["evidence"])),
        outcome=Outcome(row["outcome"]) if row["outcome"] else None,
        closed_at=_time(row["closed_at"]),
        sequence=row["sequence"],
        wake_at=_time(row["wake_at"]),
        not_before=_time(row.get("not_before", "")),
        slow_down_until=_time(row.get("slow_down_until", "")),
        attempts=row["attempts"],
        attempt=_attempt_of(attempt) if attempt else None,
        failures=Failures(
            FailureKind(row["failing_with"]) if row["failing_with"] else None,
            row["failures_in_a_row"],
            _time(row.get("failing_since", "")),
            {FailureKind(kind): count for kind, count in json.loads(row.get("failures", "{}")).items()},
        ),
        published_notices=frozenset(Notice(notice) for notice in json.loads(row.get("published_notices", "[]"))),
        notice=Notice(row["notice"]) if row.get("notice") else None,
        restarts=tuple(read_time(text) for text in json.loads(row["restarts"])),
        reason=row["reason"],
        down_since=_time(row["down_since"]),
        starts=tuple(read_time(text) for text in json.loads(row.get("starts", "[]"))),
        recorded=row.get("recorded", False),
        seen_queued_at=_time(row.get("seen_queued_at", "")),
        # Rows that an earlier release wrote lack these, and the two above.
        held_at=_time(row.get("held_at", "")),
        absence=_absence_of(row),
        obstacle_since=_time(row.get("obstacle_since", "")),
        pool=PoolId(**pool) if pool else None,
        agent=_agent_of(json.loads(row.get("agent", "{}"))),
        sizes=_sizes_of(json.loads(row.get("sizes", "{}"))),
    )


def _absence_of(row: Mapping[str, Any]) -> Absence | None:
    since = _time(row.get("absent_since", ""))
    return Absence(since, _time(row.get("unseen_since", ""))) if since else None


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
        closed_until=_time(row["closed_until"]),
        width=row["width"] or FIRST_STARTS,
        trickles=row["trickles"],
        round_of=row["round_of"],
        refused_last=row["refused_last"],
        proven_at=_time(row["proven_at"]),
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


def _evidence(evidence: Evidence) -> dict[str, str | list[str]]:
    return {
        "evicted_at": written(evidence.evicted_at),
        "stopped_firmly_at": written(evidence.stopped_firmly_at),
        "stopped_by": evidence.stopped_by or "",
        "stopped_weakly_at": written(evidence.stopped_weakly_at),
        "started_at": written(evidence.started_at),
        "settled_at": written(evidence.settled_at),
        "own_stop_at": written(evidence.own_stop_at),
        "starts_asked": [written(time) for time in evidence.starts_asked],
        "noticed_at": written(evidence.noticed_at),
        "seen_down_at": written(evidence.seen_down_at),
    }


def _evidence_of(cell: Mapping[str, Any]) -> Evidence:
    """Read the fields of the evidence that this release knows: a newer one may have written more."""
    times = {each.name for each in fields(Evidence)} - {"starts_asked", "stopped_by"}
    return Evidence(
        **{name: _time(text) for name, text in cell.items() if name in times},
        starts_asked=tuple(read_time(text) for text in cell.get("starts_asked", [])),
        stopped_by=cell.get("stopped_by") or None,
    )


def agent_cell(notes: AgentNotes) -> str:
    """Write what an agent told."""
    cell = {
        "notice_id": notes.notice_id,
        "noticed_at": written(notes.noticed_at),
        "down_at": written(notes.down_at),
        "is_told_by_azure": notes.is_told_by_azure,
        "ready_at": written(notes.ready_at),
        "ready_heard_at": written(notes.ready_heard_at),
        "reported_at": written(notes.reported_at),
        "maintenance": notes.maintenance,
        "maintenance_at": written(notes.maintenance_at),
        "is_notice_late": notes.is_notice_late,
    }
    return json.dumps(cell)


def _agent_of(cell: Mapping[str, Any]) -> AgentNotes:
    """Read it; a row of an earlier release lacks it."""
    return AgentNotes(
        notice_id=cell.get("notice_id", ""),
        noticed_at=_time(cell.get("noticed_at", "")),
        down_at=_time(cell.get("down_at", "")),
        is_told_by_azure=cell.get("is_told_by_azure", False),
        ready_at=_time(cell.get("ready_at", "")),
        ready_heard_at=_time(cell.get("ready_heard_at", "")),
        reported_at=_time(cell.get("reported_at", "")),
        maintenance=cell.get("maintenance", ""),
        maintenance_at=_time(cell.get("maintenance_at", "")),
        is_notice_late=cell.get("is_notice_late", False),
    )


def _sizes(notes: SizeNotes) -> dict[str, Any]:
    return {
        "first": notes.first,
        "given": list(notes.given),
        "resizes": [written(time) for time in notes.resizes],
        "unfit": [{"size": each.size, "words": each.words, "until": written(each.until)} for each in notes.unfit],
        "tried": list(notes.tried),
        "weighed": [dataclasses.asdict(each) | {"at": written(each.at)} for each in notes.weighed],
    }


def _sizes_of(cell: Mapping[str, Any]) -> SizeNotes:
    """Read them; a row of an earlier release lacks them."""
    return SizeNotes(
        first=cell.get("first", ""),
        given=tuple(cell.get("given", [])),
        resizes=tuple(read_time(text) for text in cell.get("resizes", [])),
        unfit=tuple(UnfitSize(each["size"], each["words"], read_time(each["until"])) for each in cell.get("unfit", [])),
        tried=tuple(cell.get("tried", [])),
        weighed=tuple(_weighed_of(each) for each in cell.get("weighed", [])),
    )


def _weighed_of(cell: Mapping[str, Any]) -> WeighedSize:
    return WeighedSize(cell["size"], cell["told"], cell["price"], _time(cell.get("at", "")))


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "asked_at": written(attempt.asked_at),
        "state": str(attempt.state),
        "operation_url": attempt.operation_url,
        "failure": _failure(attempt.failure) if attempt.failure else None,
        "resize_to": attempt.resize_to,
        "size": attempt.size,
    }


def _attempt_of(cell: Mapping[str, Any]) -> Attempt:
    return Attempt(
        number=cell["number"],
        asked_at=read_time(cell["asked_at"]),
        state=AttemptState(cell["state"]),
        operation_url=cell["operation_url"],
        failure=_failure_of(cell["failure"]) if cell["failure"] else None,
        resize_to=cell.get("resize_to", ""),
        size=cell.get("size", ""),
    )


def _failure(failure: Failure) -> dict[str, Any]:
    retry_after = failure.retry_after
    return {
        "kind": str(failure.kind),
        "code": failure.code,
        "message": failure.message,
        "retry_after_s": retry_after.total_seconds() if retry_after is not None else None,
    }


def _failure_of(cell: Mapping[str, Any]) -> Failure:
    seconds = cell["retry_after_s"]
    retry_after = timedelta(seconds=seconds) if seconds is not None else None
    return Failure(FailureKind(cell["kind"]), cell["code"], cell["message"], retry_after)


def _time(text: str) -> datetime | None:
    return read_time(text) if text else None
