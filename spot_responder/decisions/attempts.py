"""Start requests: what is known of each, and what came of it. Pure.

A recovery has its latest one; ``recoveries.py`` changes it, and ``responder/act.py`` sends it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from spot_responder.intake.azure_errors import Failure


class AttemptState(StrEnum):
    """What is known of one start request."""

    ASKED = "asked"
    ACCEPTED = "accepted"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One start request and what came of it.

    ``operation_url`` is the address of Azure's long-running operation: signed, over 4 KB, to be kept whole and never
    logged (docs/azure-facts.md arm-6).
    """

    number: int
    asked_at: datetime
    state: AttemptState = AttemptState.ASKED
    operation_url: str | None = field(default=None, repr=False)
    failure: Failure | None = None

    @property
    def is_under_way(self) -> bool:
        """Whether Azure may still be working on it."""
        return self.state in {AttemptState.ASKED, AttemptState.ACCEPTED}
