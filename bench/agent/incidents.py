"""What befalls a VM in the bench: its own notices, those of its siblings, and notices that are cancelled.

``contest.py`` plays them. Each is shown at a random moment of the agents' polls.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import TYPE_CHECKING, Any, Final

from virtual_vm.event import event
from virtual_vm.vm import MACHINE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from virtual_vm.virtual_time import VirtualTime

NOTICES_S: Final = (3.0, 10.0, 30.0)
EVICTIONS: Final = 300
"""For each length of notice."""

OTHERS: Final = 100
"""Incidents of each other kind."""

CANCELLED_AFTER_S: Final = 12.0
"""By then everybody has seen the notice; the VM would have had 18 seconds more."""

_SETTLED_S: Final = 10.0
_WITHIN_S: Final = 60.0
_SIBLING: Final = "render-2"


class Kind(Enum):
    """What comes of what is shown."""

    EVICTED = "evicted"
    CANCELLED = "cancelled"
    SIBLING_EVICTED = "a sibling is evicted"


@dataclass(frozen=True, slots=True)
class Incident:
    """``shown_at_s`` counts from the start of the agent, ``notice_s`` from then until ``NotBefore``."""

    kind: Kind
    shown_at_s: float
    notice_s: float

    def events(self, time: VirtualTime) -> list[dict[str, Any]]:
        """Write the document's events as they are shown now."""
        resources = (_SIBLING,) if self.kind is Kind.SIBLING_EVICTED else (MACHINE.name,)
        return [event(time, notice_s=self.notice_s, resources=resources)]

    @property
    def is_end_of_vm(self) -> bool:
        """Whether the VM is gone after it."""
        return self.kind is Kind.EVICTED

    @property
    def shown_for_s(self) -> float:
        """How long the events are in the document."""
        return CANCELLED_AFTER_S if self.kind is Kind.CANCELLED else self.notice_s


def draw(kind: Kind, notice_s: float, count: int) -> Sequence[Incident]:
    """Draw incidents of a kind, the same ones each time."""
    chance = Random(f"{kind.name} {notice_s}")  # noqa: S311 - no secret
    return [Incident(kind, _SETTLED_S + chance.uniform(0, _WITHIN_S), notice_s) for _ in range(count)]
