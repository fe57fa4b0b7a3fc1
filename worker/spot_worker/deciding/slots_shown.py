"""How a slot or a claim is shown to people: by what it wrote last, and how long ago that was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from spot_worker.deciding.record.claims import is_heard_of
from spot_worker.deciding.rows import Doing
from spot_worker.deciding.times import are_within

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from spot_worker.deciding.record.pointers import Pointer

SILENT: Final = "silent"
ENDED: Final = "ended"
_LEASE_S: Final = 30
"""Of a row of an earlier version, which does not say."""
_IDLE_S: Final = 150
"""A slot without a job, which holds no lease, writes each minute; with storage in trouble a little later."""


def shown_state(row: Mapping[str, Any], now: str) -> str:
    """Say how a slot stands: as it wrote, if that is true still."""
    doing, has_job = str(row.get("state", "")), bool(row.get("job_id"))
    if doing == Doing.STOPPING.value and not has_job:
        return ENDED  # its last word
    within_s = _lease_s(row) if has_job else max(_lease_s(row), _IDLE_S)
    return doing if are_within(str(row.get("renewed_at", "")), now, within_s) else SILENT


def is_silent(pointer: Pointer, rows: Iterable[Mapping[str, Any]], now: str) -> bool:
    """Whether nobody was heard of who works on a claimed job, for longer than the lease. ``rows``: of the workers."""
    own = [row for row in rows if row.get("job_id") == pointer.job_id]
    lease_s = max((_lease_s(row) for row in own), default=_LEASE_S)
    return not is_heard_of(pointer, now, lease_s, [str(row.get("renewed_at", "")) for row in own])


def _lease_s(row: Mapping[str, Any]) -> int:
    lease_s = row.get("lease_s")
    return lease_s if isinstance(lease_s, int) else _LEASE_S
