"""Which VMs a sweep takes up, by the rows that are kept.

Called by ``responder/sweep.py``, and by ``operators/gather.py``, which foretells a sweep for ``plan``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from spot_responder.decisions.recoveries import Recovery
    from spot_responder.intake.vms import VmId


@dataclass(frozen=True, slots=True)
class SweepFinds:
    """``overdue``: VMs whose follow-up counts as lost; ``busy``: VMs whose open recovery goes on by itself."""

    overdue: frozenset[VmId]
    busy: frozenset[VmId]

    def among(self, deallocated: Iterable[VmId]) -> frozenset[VmId]:
        """Give those of the deallocated VMs that have no open recovery."""
        return frozenset(deallocated) - self.overdue - self.busy


def sweep_finds(rows: Iterable[Recovery], now: datetime) -> SweepFinds:
    """Sort the open recoveries into overdue and busy."""
    open_rows = [row for row in rows if row.is_open]
    overdue = frozenset(row.vm_id for row in open_rows if row.is_overdue(now))
    return SweepFinds(overdue, frozenset(row.vm_id for row in open_rows) - overdue)
