"""What the app saw of a pool's capacity: by its gate, by the recoveries that are open, and by the history. Pure.

Called by ``sizes.py``. A VM that tried several sizes met several pools: each refusal counts for its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from spot_responder.decisions.recovery_times import restored_after
from spot_responder.intake.azure_errors import FailureKind

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from spot_responder.decisions.pools import PoolGate, PoolId
    from spot_responder.decisions.recoveries import Recovery


@dataclass(frozen=True, slots=True)
class PoolRecord:
    """What the app saw of a pool; all ``None`` and 0 where it never started a VM there.

    ``closed_until``: the end of the pause after its latest refusal. ``came_up_at``: when a VM last came up there, as
    its gate knows. ``under_way``: how many VMs are being started there. ``restored``: how many recoveries ended with
    the VM running there, and ``refused``: how many met no capacity there, open ones too, as far back as the history
    was read.
    """

    closed_until: datetime | None
    came_up_at: datetime | None
    under_way: int
    restored: int
    restored_at: datetime | None
    refused: int


def pool_record(pool_id: PoolId, gates: Iterable[PoolGate], rows: Iterable[Recovery], now: datetime) -> PoolRecord:
    """Tell it. ``rows``: recoveries of the history, and those that are open."""
    gate = next((each for each in gates if each.pool_id == pool_id), None)
    there = [row for row in rows if row.pool is not None and replace(row.pool, size=pool_id.size) == pool_id]
    restored = [row.closed_at for row in there if row.pool == pool_id and restored_after(row) is not None]
    return PoolRecord(
        closed_until=gate.closed_until if gate else None,
        came_up_at=gate.proven_at if gate else None,
        under_way=sum(until > now for until in gate.under_way.values()) if gate else 0,
        restored=len(restored),
        restored_at=max((at for at in restored if at), default=None),
        refused=sum(pool_id.size in _out(row) for row in there),
    )


def _out(row: Recovery) -> frozenset[str]:
    """Name the sizes that had no capacity in a recovery, in lower case.

    A row of an earlier release does not say which: of several that were tried, all but the one that came up.
    """
    known = frozenset(size.lower() for size in row.sizes.out)
    if known or row.pool is None or FailureKind.CAPACITY not in row.failures.by_kind:
        return known
    tried = frozenset(size.lower() for size in row.sizes.tried) or frozenset({row.pool.size})
    came_up = {row.pool.size} if restored_after(row) is not None and len(tried) > 1 else set()
    return tried - came_up
