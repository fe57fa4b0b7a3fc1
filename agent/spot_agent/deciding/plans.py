"""What each type of event asks for, and how much time there is. A table, and the arithmetic of the budget.

A notice of eviction is a bonus of 3 to 30 seconds, and may not come at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from spot_agent.deciding.documents import EventType

if TYPE_CHECKING:
    from spot_agent.deciding.documents import ScheduledEvent
    from spot_agent.deciding.times import Now

ESSENTIAL_BY_S: Final = 5.0
"""What matters most is to be done by then, counted from detection: real evictions often come within 10 seconds."""
ALL_BY_S: Final = 20.0
"""By then hooks are asked to end (SIGTERM)."""
KILL_AFTER_S: Final = 5.0
"""So long after that they are killed: 25 seconds from detection, of at most 30."""
LONGEST_RECOVERY_S: Final = 6 * 3600.0
"""No hook has a longer limit."""
ENOUGH_FOR_ALL_S: Final = 8.0
"""With less than this left, hooks that are not essential are not begun."""
ASSUMED_LEFT_S: Final = 5.0
"""Assumed for an eviction whose NotBefore cannot be right: in the past, or further ahead than an eviction can be."""
LONGEST_PREEMPT_NOTICE_S: Final = 120.0
SHORT_FREEZE_S: Final = 9.0
"""Microsoft's sample approves freezes that are shorter than this."""
LONG_AHEAD: Final = timedelta(minutes=20)
"""Maintenance is announced 15 minutes ahead; only repairs of degraded hardware are further, by days. What is further
and cannot be acknowledged by us is begun so long before: else the VM would stay drained for days."""


class Acknowledge(Enum):
    """When Azure is told that it may go on."""

    NEVER = "never"
    WHEN_FINISHED = "when finished"
    AT_ONCE_IF_SHORT = "at once if short"


@dataclass(frozen=True)
class Plan:
    """What is done about a type of event. ``folder`` has its hooks; ``message`` is what the responder is told."""

    folder: str
    drains: bool
    stops_units: bool
    acknowledge: Acknowledge
    message: str


EVICTION_NOTICE: Final = "SpotAgent.EvictionNotice"
MAINTENANCE: Final = "SpotAgent.Maintenance"

PLANS: Final = MappingProxyType(
    {
        # An acknowledgement could only shorten our time.
        EventType.PREEMPT: Plan("preempt", True, True, Acknowledge.NEVER, EVICTION_NOTICE),  # noqa: FBT003
        # Advice: the VM may live on for hours, so it goes on working. To acknowledge it has no effect.
        EventType.REBALANCE: Plan("rebalance", False, False, Acknowledge.NEVER, MAINTENANCE),  # noqa: FBT003
        EventType.TERMINATE: Plan("terminate", True, True, Acknowledge.WHEN_FINISHED, MAINTENANCE),  # noqa: FBT003
        EventType.REBOOT: Plan("reboot", True, True, Acknowledge.WHEN_FINISHED, MAINTENANCE),  # noqa: FBT003
        EventType.REDEPLOY: Plan("redeploy", True, True, Acknowledge.WHEN_FINISHED, MAINTENANCE),  # noqa: FBT003
        # A pause of seconds, memory is kept: to drain would cost more than the pause.
        EventType.FREEZE: Plan("freeze", False, False, Acknowledge.AT_ONCE_IF_SHORT, MAINTENANCE),  # noqa: FBT003
    }
)
"""No plan for ``UNKNOWN``: such an event is written down, and nothing is done."""


def seconds_left(event: ScheduledEvent, now: Now) -> float | None:
    """Say how long until the event may start; ``None`` where Azure sets no time and none need be assumed."""
    if event.is_started:
        return 0.0
    left = (event.not_before - now.wall).total_seconds() if event.not_before else None
    if not event.type.is_eviction:
        return None if left is None else max(left, 0.0)
    if left is None or not 0 <= left <= LONGEST_PREEMPT_NOTICE_S:
        return ASSUMED_LEFT_S
    return left


def is_short_freeze(event: ScheduledEvent) -> bool:
    """Whether Azure says that the pause is a matter of seconds."""
    return event.type is EventType.FREEZE and 0 <= event.duration_s < SHORT_FREEZE_S


def names_alone(event: ScheduledEvent, name: str) -> bool:
    """Whether the event names this VM and no other: an acknowledgement holds for all that are named."""
    return bool(event.resources) and all(resource.casefold() == name.casefold() for resource in event.resources)


def names(event: ScheduledEvent, name: str) -> bool:
    """Whether the event is about this VM. In a scale set each VM sees its siblings' events too."""
    return any(resource.casefold() == name.casefold() for resource in event.resources)


def is_due(event: ScheduledEvent, name: str, now: Now) -> bool:
    """Whether to begin now: at once, but for what is long ahead and cannot be acknowledged by us."""
    if event.not_before is None or event.type.is_eviction or names_alone(event, name):
        return True
    return event.not_before - now.wall <= LONG_AHEAD
