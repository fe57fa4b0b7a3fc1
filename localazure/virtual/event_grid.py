"""Event Grid in virtual time: what happens in the world becomes messages, which may be late, doubled or lost."""

from __future__ import annotations

import json
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from localazure.event_grid.azure_events import DeliverySchema, azure_event
from localazure.event_grid.event_filters import read_topics
from localazure.world.happenings import ActionSucceeded, Annotated

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from localazure.event_grid.azure_events import AzureEvent
    from localazure.event_grid.event_filters import SystemTopic
    from localazure.virtual.storage import Mailbox
    from localazure.world.happenings import Happening

_FILTERS: Final = Path(__file__).resolve().parents[2] / "infra" / "event-filters.json"


class EventFaultPlan(Protocol):
    """Decides how events fare."""

    def delays(self, happening: Happening) -> Sequence[timedelta]:
        """Give one delay for each time that the event is delivered; none, and it is lost."""


class NoEventFaults:
    """Every event arrives once, a second after it happened."""

    def delays(self, _happening: Happening) -> Sequence[timedelta]:
        """Deliver it."""
        return (timedelta(seconds=1),)


def event_grid(queue: Mailbox, event_fault_plan: EventFaultPlan) -> Callable[[Happening], None]:
    """Give what listens to the world, and puts what passes ``infra/event-filters.json`` on the queue."""
    topics = read_topics(_FILTERS)
    numbers = count(1)
    passing: dict[tuple[str, ...], bool] = {}

    def publish(happening: Happening) -> None:
        look = _look(happening)
        if look not in passing:
            passing[look] = _passes(azure_event(happening, "look", happening.occurred_at), topics)
        delays = event_fault_plan.delays(happening) if passing[look] else ()
        if delays:
            event = azure_event(happening, f"event-{next(numbers)}", happening.occurred_at)
            body = json.dumps(event.written(DeliverySchema.CLOUD_EVENTS))
            for delay in delays:
                queue.put(body, delay, happening)

    return publish


def _look(happening: Happening) -> tuple[str, ...]:
    """Give all that the filters look at, so that each kind of event is filtered once."""
    match happening:
        case Annotated():
            return ("annotation", happening.annotation)
        case ActionSucceeded():
            return ("operation", happening.operation)
        case _:
            return ("availability", happening.current)


def _passes(event: AzureEvent, topics: Sequence[SystemTopic]) -> bool:
    written = event.written(DeliverySchema.CLOUD_EVENTS)
    return any(
        subscription.filter.passes(written)
        for topic in topics
        if topic.topic_type == event.topic_type
        for subscription in topic.subscriptions
    )
