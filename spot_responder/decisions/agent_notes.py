"""What the agent in a VM told about one recovery, as it is kept in the VM's row. Pure.

It is shown, counted and published; no start rests on it. Made by ``agents_word.py`` and ``recoveries.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class AgentNotes:
    """The notes; each is ``None``, or empty, where nothing is known.

    Attributes:
        notice_id: of the message that opened a recovery last: it may come again.
        noticed_at: when the agent saw the notice of this eviction. Of an open recovery, its evidence has one that came
            in time.
        down_at: when the VM went down, if Azure told it or a look saw it; set when the recovery is closed.
        is_told_by_azure: whether an event of Azure told of it too.
        ready_at: when the workload went on; ``ready_heard_at`` is when the app heard of that.
        reported_at: when the agent reported the workload of an earlier recovery.
        is_notice_late: whether that was told only after the recovery was closed.
        maintenance: the latest maintenance that it told of, and ``maintenance_at`` when.
    """

    notice_id: str = ""
    noticed_at: datetime | None = None
    down_at: datetime | None = None
    is_told_by_azure: bool = False
    ready_at: datetime | None = None
    ready_heard_at: datetime | None = None
    reported_at: datetime | None = None
    maintenance: str = ""
    maintenance_at: datetime | None = None
    is_notice_late: bool = False

    @property
    def last_reported_at(self) -> datetime | None:
        """When the agent reported a workload last, in this recovery or an earlier one."""
        return self.ready_heard_at or self.reported_at

    def for_the_next(self) -> AgentNotes:
        """Give what the VM's next recovery is to know."""
        return AgentNotes(notice_id=self.notice_id, reported_at=self.last_reported_at)
