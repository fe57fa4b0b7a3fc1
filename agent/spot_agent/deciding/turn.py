"""One turn of deciding: something was heard, and what follows is gathered.

``step.py`` makes one and hands it around; outside, ``step`` takes values and gives values.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from spot_agent.deciding.actions import Record
from spot_agent.deciding.memory import Acting

if TYPE_CHECKING:
    from spot_agent.deciding.actions import Action
    from spot_agent.deciding.memory import Memory
    from spot_agent.deciding.state import Notice, Recovery
    from spot_agent.deciding.times import Now


@dataclass
class Turn:
    """The memory as it becomes, and the actions that follow, in order."""

    memory: Memory
    now: Now
    actions: list[Action] = field(default_factory=list)

    def do(self, action: Action) -> None:
        """Have something done after the others."""
        self.actions.append(action)

    def put(self, notice: Notice) -> None:
        """Change a notice."""
        self.memory = self.memory.with_notice(notice)

    def acting(self, notice: Notice) -> Acting:
        """Say how far a notice is."""
        left = notice.seconds_left
        deadline = None if left is None else self.now.monotonic + left
        return self.memory.acting.get(notice.event.id, Acting(self.now.monotonic, deadline))

    def put_acting(self, notice: Notice, acting: Acting) -> None:
        """Change how far a notice is."""
        self.memory = self.memory.with_acting(notice.event.id, acting)

    def begin_run(self, notice: Notice, run: str) -> None:
        """Remember that a run of hooks or units is under way for a notice."""
        acting = self.acting(notice)
        self.put_acting(notice, replace(acting, under_way=acting.under_way | {run}))

    def record(self, notice: Notice, phase: str, outcome: str, status: str = "") -> None:
        """Write a line about an event into the history."""
        event = notice.event
        self.do(Record(self.now.wall, event.id, event.type_name, status or event.status, phase, outcome))

    def record_recovery(self, recovery: Recovery, phase: str, outcome: str) -> None:
        """Write a line about a recovery into the history."""
        self.do(Record(self.now.wall, recovery.event_id or "", "Recovery", recovery.id, phase, outcome))
