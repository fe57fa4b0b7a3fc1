"""Which of the events that Azure announces means that this worker is to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spot_agent.deciding.documents import EventType
from spot_agent.deciding.plans import names, seconds_left
from spot_agent.deciding.state import Stage

from spot_worker.deciding.stops.stop_notice import Notice

if TYPE_CHECKING:
    from collections.abc import Collection

    from spot_agent.deciding.documents import Document, ScheduledEvent
    from spot_agent.deciding.state import State
    from spot_agent.deciding.times import Now

STOPS: Final = frozenset(
    (*(each for each in EventType if each.is_eviction), EventType.TERMINATE, EventType.REBOOT, EventType.REDEPLOY)
)
_HITS_AT_ONCE: Final = frozenset({EventType.REBOOT, EventType.REDEPLOY})
_ENDED: Final = frozenset({Stage.UNDOING, Stage.CLOSED})


def in_document(document: Document, name: str | None, passed: Collection[str], now: Now) -> Notice | None:
    """Find what the metadata service announces. While our name is not known, an eviction of anybody may be ours."""
    found = [event for event in document.events if event.type in STOPS and event.id not in passed]
    ours = [one for one in found if (names(one, name) if name else one.type.is_eviction)]
    return _soonest(ours, now)


def in_agents_state(state: State, boot_id: str, now: Now) -> Notice | None:
    """Find what the agent of this VM has seen; what it saw in an earlier boot is over."""
    found = [one for one in state.notices if one.boot_id == boot_id and one.stage not in _ENDED]
    ours = [one.event for one in found if one.event.type in STOPS]
    return _soonest([one for one in ours if state.machine or one.type.is_eviction], now)


def passed_at_start(document: Document) -> frozenset[str]:
    """Say which events have hit the VM before we began: what took it down is shown until long after its return."""
    return frozenset(one.id for one in document.events if one.is_started and one.type in _HITS_AT_ONCE)


def _soonest(events: list[ScheduledEvent], now: Now) -> Notice | None:
    notices = [Notice(one.type_name, one.id, seconds_left(one, now)) for one in events]
    return min(notices, key=lambda one: float("inf") if one.seconds_left is None else one.seconds_left, default=None)
