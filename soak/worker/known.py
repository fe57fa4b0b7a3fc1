"""What the judge of ``promises.py`` knows: of each job, and of the whole schedule."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

POISON: Final = "jobs-poison"
"""The queue of what was given up."""


@dataclass(slots=True)
class Findings:
    """What one schedule came to. ``broken`` has a line for each promise that did not hold."""

    seed: int
    jobs: int = 0
    results: int = 0
    poisoned: int = 0
    attempts: int = 0
    ends: int = 0
    """Of workers: killed, evicted or asked to end."""
    notices: int = 0
    faults: int = 0
    broken: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Known:
    """What the judge knows of one job."""

    body: dict[str, Any]
    attempt: int = 0
    claim_id: str = ""
    claimed_by: str = ""
    pointer: dict[str, Any] = field(default_factory=dict)
    worked: int = 0
    """The steps that the last attempt had done when it was last heard of."""
    kept: dict[int, int] = field(default_factory=dict)
    """By attempt, the steps for which ``save`` returned."""
    reached: dict[int, int] = field(default_factory=dict)
    """By attempt, the steps for which ``save`` may have saved."""
    failures: int = 0
    in_vain: int = 0
    """The claims before the newest that came no further, since the last one that did."""
    claims: dict[int, tuple[str, str]] = field(default_factory=dict)
    """By attempt, which process claimed, and with which message."""
    lost_at: dict[int, float] = field(default_factory=dict)
    """By attempt, when its worker was told that its lease is lost."""
    is_corrupted: bool = False
    """Whether a checkpoint of it was spoiled in storage: then there may be one before only."""
    submitted: set[str] = field(default_factory=set)

    was_requeued: bool = False

    def is_requeued(self) -> None:
        """Know that an operator lets the job be tried again, with whole budgets."""
        self.was_requeued = True
        self.failures = self.in_vain = 0
        self.submitted.discard(POISON)

    @property
    def is_poison(self) -> bool:
        """Whether the record and the poison queue say that the job was given up."""
        outcome = self.pointer.get("outcome") or {}
        return outcome.get("kind") == "poison" and POISON in self.submitted

    @property
    def in_vain_with_newest(self) -> int:
        """The claims since the last one that came further than all before it, with the newest."""
        before = max((steps for attempt, steps in self.reached.items() if attempt < self.attempt), default=0)
        return 0 if self.kept.get(self.attempt, 0) > before or not self.attempt else self.in_vain + 1
