"""The count of a VM's start requests that came to nothing, in one recovery. Pure.

``recoveries.py`` adds to it; the delays of ``pauses.py`` and the notices rest on it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from spot_responder.intake.azure_errors import FailureKind


@dataclass(frozen=True, slots=True)
class FailureCounts:
    """How often requests failed, and why.

    Attributes:
        kind: the kind of the latest failure, and ``in_a_row`` how often it came in a row: for growing delays.
        since: when the first request of the present run of one kind was asked.
        by_kind: how many start requests came to nothing, by the kind of failure; throttled ones as well.
    """

    kind: FailureKind | None = None
    in_a_row: int = 0
    since: datetime | None = None
    by_kind: Mapping[FailureKind, int] = field(default_factory=dict)

    def in_a_row_of(self, kind: FailureKind) -> int:
        """Give how many times in a row start requests have failed for this reason."""
        return self.in_a_row if self.kind is kind else 0

    def since_of(self, kind: FailureKind, latest_asked_at: datetime | None) -> datetime | None:
        """Give since when every request has failed for this reason; ``None`` where the latest did not."""
        if self.kind is not kind:
            return None
        # Where the kind is kept of the recovery before, its time is not.
        return self.since or latest_asked_at

    def with_another(self, kind: FailureKind, asked_at: datetime | None) -> FailureCounts:
        """Count a failure of a request that was asked at ``asked_at``."""
        return FailureCounts(
            kind,
            self.in_a_row_of(kind) + 1,
            self.since_of(kind, asked_at) or asked_at,
            {**self.by_kind, kind: self.by_kind.get(kind, 0) + 1},
        )
