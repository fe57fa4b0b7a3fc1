"""How the parts of a recovery are written as JSON into cells of its row, and read again. Called by ``table_rows.py``.

A row of an earlier release lacks what was added since.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from spot_responder.clients.rows.row_times import read_time, time_or_none, written
from spot_responder.decisions.agent_notes import AgentNotes
from spot_responder.decisions.attempts import Attempt, AttemptState, SizeNotes, UnfitSize, WeighedSize
from spot_responder.decisions.evidence import Evidence
from spot_responder.intake.azure_errors import Failure, FailureKind

if TYPE_CHECKING:
    from collections.abc import Mapping


def evidence_cell(evidence: Evidence) -> str:
    """Write what a recovery rests on."""
    cell = {
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
    return json.dumps(cell)


def evidence_of(text: str) -> Evidence:
    """Read the fields of the evidence that this release knows: a newer one may have written more."""
    cell = json.loads(text)
    times = {each.name for each in fields(Evidence)} - {"starts_asked", "stopped_by"}
    return Evidence(
        **{name: time_or_none(text) for name, text in cell.items() if name in times},
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


def agent_of(text: str) -> AgentNotes:
    """Read it."""
    cell = json.loads(text)
    return AgentNotes(
        notice_id=cell.get("notice_id", ""),
        noticed_at=time_or_none(cell.get("noticed_at", "")),
        down_at=time_or_none(cell.get("down_at", "")),
        is_told_by_azure=cell.get("is_told_by_azure", False),
        ready_at=time_or_none(cell.get("ready_at", "")),
        ready_heard_at=time_or_none(cell.get("ready_heard_at", "")),
        reported_at=time_or_none(cell.get("reported_at", "")),
        maintenance=cell.get("maintenance", ""),
        maintenance_at=time_or_none(cell.get("maintenance_at", "")),
        is_notice_late=cell.get("is_notice_late", False),
    )


def sizes_cell(notes: SizeNotes) -> str:
    """Write what is kept of a VM's sizes."""
    cell = {
        "first": notes.first,
        "given": list(notes.given),
        "resizes": [written(time) for time in notes.resizes],
        "unfit": [{"size": each.size, "words": each.words, "until": written(each.until)} for each in notes.unfit],
        "tried": list(notes.tried),
        "weighed": [dataclasses.asdict(each) | {"at": written(each.at)} for each in notes.weighed],
        "out": list(notes.out),
        "of_vm": notes.of_vm,
    }
    return json.dumps(cell)


def sizes_of(text: str) -> SizeNotes:
    """Read it."""
    cell = json.loads(text)
    return SizeNotes(
        first=cell.get("first", ""),
        given=tuple(cell.get("given", [])),
        resizes=tuple(read_time(text) for text in cell.get("resizes", [])),
        unfit=tuple(UnfitSize(each["size"], each["words"], read_time(each["until"])) for each in cell.get("unfit", [])),
        tried=tuple(cell.get("tried", [])),
        weighed=tuple(_weighed_of(each) for each in cell.get("weighed", [])),
        out=tuple(cell.get("out", [])),
        of_vm=cell.get("of_vm", ""),
    )


def _weighed_of(cell: Mapping[str, Any]) -> WeighedSize:
    return WeighedSize(cell["size"], cell["told"], cell["price"], time_or_none(cell.get("at", "")))


def attempt_cell(attempt: Attempt | None) -> str:
    """Write the latest request."""
    if attempt is None:
        return json.dumps(None)
    cell = {
        "number": attempt.number,
        "asked_at": written(attempt.asked_at),
        "state": str(attempt.state),
        "operation_url": attempt.operation_url,
        "failure": _failure(attempt.failure) if attempt.failure else None,
        "resize_to": attempt.resize_to,
        "size": attempt.size,
        "evicted_at": written(attempt.evicted_at),
    }
    return json.dumps(cell)


def attempt_of(text: str) -> Attempt | None:
    """Read it."""
    cell = json.loads(text)
    if cell is None:
        return None
    return Attempt(
        number=cell["number"],
        asked_at=read_time(cell["asked_at"]),
        state=AttemptState(cell["state"]),
        operation_url=cell["operation_url"],
        failure=_failure_of(cell["failure"]) if cell["failure"] else None,
        resize_to=cell.get("resize_to", ""),
        size=cell.get("size", ""),
        evicted_at=time_or_none(cell.get("evicted_at", "")),
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
