"""Event Grid: system topics take what happens in the world, event subscriptions deliver it, with faults on the way.

Started by ``laptop.py``; ``event_filters.py`` and ``event_delivery.py`` go on.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Final, Protocol, Self

from localazure.event_grid.azure_events import DeliverySchema, EventKind, azure_event, kind_of
from localazure.event_grid.blob_events import blob_event
from localazure.event_grid.delivery_policy import (
    TOO_OLD,
    DeliveryPolicy,
    is_delivered,
    outcome_of,
    pause_after,
)
from localazure.event_grid.event_delivery import OutgoingEvent
from localazure.event_grid.event_faults import Faults
from localazure.event_grid.event_log import Entry, EventLog, Step
from localazure.world.happenings import ActionSucceeded, Annotated
from localazure.world.timestamps import guid, zulu_time

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from datetime import datetime
    from random import Random
    from types import TracebackType

    from localazure.event_grid.azure_events import AzureEvent, JsonObject
    from localazure.event_grid.blob_events import WrittenBlob
    from localazure.event_grid.event_delivery import Delivery
    from localazure.event_grid.event_faults import Fault
    from localazure.event_grid.event_filters import Subscription, SystemTopic
    from localazure.world.happenings import Happening

_LOG: Final = logging.getLogger(__name__)

# "There is a five-minute delay between the last attempt and the delivery to the dead-letter location":
# docs/azure-facts.md delivery-3.
_BEFORE_DEAD_LETTER: Final = timedelta(minutes=5)


class Clock(Protocol):
    """Event Grid's clock. It must be the world's, or events leave before they happened."""

    def now(self) -> datetime:
        """Give the time, aware."""

    async def sleep_until(self, moment: datetime) -> None:
        """Come back at a moment; at once where it has passed."""


@dataclass(frozen=True, slots=True)
class Lags:
    """How long after a happening Azure emits its event. Shorter than in Azure, in the same order.

    In Azure a status event was emitted 27.5 s after the fact (docs/azure-facts.md events-10); nothing is published
    about the others but "within seconds".
    """

    annotation: timedelta = timedelta(seconds=0.2)
    availability: timedelta = timedelta(seconds=2)
    operation: timedelta = timedelta(seconds=1)
    blob: timedelta = timedelta(seconds=0.2)

    def of(self, kind: EventKind) -> timedelta:
        """Give the lag of one kind of event."""
        match kind:
            case EventKind.ANNOTATION:
                return self.annotation
            case EventKind.AVAILABILITY:
                return self.availability
            case EventKind.OPERATION:
                return self.operation
            case EventKind.BLOB:
                return self.blob


@dataclass(frozen=True, slots=True)
class Wiring:
    """How the event subscriptions deliver. ``schemas`` holds those that do not want CloudEvents, by name.

    ``elsewhere``: those that do not deliver to ``delivery``, by name.
    """

    topics: tuple[SystemTopic, ...]
    delivery: Delivery
    dead_letter: Callable[[JsonObject], None]
    schemas: Mapping[str, DeliverySchema] = field(default_factory=dict)
    policy: DeliveryPolicy = field(default_factory=DeliveryPolicy)
    elsewhere: Mapping[str, Delivery] = field(default_factory=dict)

    def delivery_of(self, subscription: Subscription) -> Delivery:
        """Say where a subscription delivers to."""
        return self.elsewhere.get(subscription.name, self.delivery)

    def schema_of(self, subscription: Subscription) -> DeliverySchema:
        """Say in which schema a subscription wants its events."""
        return self.schemas.get(subscription.name, DeliverySchema.CLOUD_EVENTS)


class EventGrid:
    """Passes happenings on as events. Use it as an async context: leaving it drops what is under way.

    ``faults``, ``lags`` and ``wiring`` may be changed at run time, and hold for what is published from then on.
    """

    def __init__(self, wiring: Wiring, clock: Clock, random: Random, lags: Lags | None = None) -> None:
        """Take how to deliver, whose time it is, and the chance that shuffles events."""
        self.wiring = wiring
        self.lags = lags or Lags()
        self.faults = Faults()
        self.log = EventLog()
        self._clock = clock
        self._random = random
        self._numbers = count(1)
        self._under_way: set[asyncio.Task[None]] = set()
        self._broken: list[BaseException] = []

    async def __aenter__(self) -> Self:
        """Begin."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Drop what is under way; raise what broke inside Event Grid itself, which is never the world's doing."""
        under_way = list(self._under_way)
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        if self._broken:
            message = "Event Grid on the laptop is broken"
            raise BaseExceptionGroup(message, self._broken)

    def publish(self, happening: Happening) -> None:
        """Take a happening, and pass it on in time. Give this to ``World.listen``; an event loop must be running."""
        kind = kind_of(happening)
        self._begin(self._emit(happening, self.faults.of(happening.vm_id, kind), self.lags.of(kind)))

    def publish_blob(self, blob: WrittenBlob) -> None:
        """Take the write of a blob, and pass it on in time. A fault is one of the blob, by its name, or its kind."""
        fault = self.faults.of(blob.name, EventKind.BLOB)
        self._begin(self._emit_blob(blob, fault, self.lags.of(EventKind.BLOB)))

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._under_way.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            _LOG.error("Event Grid on the laptop broke, and an event is gone", exc_info=error)
            self._broken.append(error)

    async def _emit(self, happening: Happening, fault: Fault, lag: timedelta) -> None:
        await self._clock.sleep_until(happening.occurred_at + lag)
        event_id = guid("event", happening.vm_id, happening.occurred_at, next(self._numbers))
        event = azure_event(happening, event_id, self._clock.now())
        self._let_go(event, _detail(happening), fault)

    async def _emit_blob(self, blob: WrittenBlob, fault: Fault, lag: timedelta) -> None:
        await self._clock.sleep_until(blob.written_at + lag)
        self._let_go(blob_event(blob), blob.url, fault)

    def _let_go(self, event: AzureEvent, detail: str, fault: Fault) -> None:
        fate = Fate(event, detail, self._clock, self.log)
        fate.note(Step.EMITTED)
        if fault.lose:
            fate.note(Step.LOST)
            return
        self._pass_on(fate, fault)

    def _pass_on(self, fate: Fate, fault: Fault) -> None:
        subscriptions = self._subscriptions_of(fate.event)
        if not subscriptions:
            fate.note(Step.FILTERED)
        for subscription in subscriptions:
            for _ in range(1 + fault.copies):
                hold_back = fault.delay + self._random.random() * fault.shuffle
                self._begin(fate.carry(subscription, self.wiring, hold_back))

    def _subscriptions_of(self, event: AzureEvent) -> list[Subscription]:
        # System topics are filled in Event Grid schema; both schemas have the same `data`
        # (docs/azure-facts.md events-6).
        written = event.written(DeliverySchema.EVENT_GRID)
        return [
            subscription
            for topic in self.wiring.topics
            if topic.topic_type.lower() == event.topic_type.lower()
            for subscription in topic.subscriptions
            if subscription.filter.passes(written)
        ]


@dataclass(frozen=True, slots=True)
class Fate:
    """The way of one event. ``detail`` is Azure's own word for what happened, for the log."""

    event: AzureEvent
    detail: str
    clock: Clock
    log: EventLog

    def note(self, step: Step, detail: str = "", subscription: str = "") -> None:
        """Write into the log what became of the event now."""
        event = self.event
        what = detail or self.detail
        self.log.add(Entry(self.clock.now(), step, event.event_id, event.subject, event.kind, what, subscription))

    async def carry(self, subscription: Subscription, wiring: Wiring, hold_back: timedelta) -> None:
        """Deliver to one subscription: again and again, until the event is taken or dead."""
        published_at = self.clock.now()
        await self.clock.sleep_until(published_at + hold_back)
        schema, delivery = wiring.schema_of(subscription), wiring.delivery_of(subscription)
        body = self.event.written(schema)
        for attempt in count(1):
            tried_at = self.clock.now()
            status = await delivery.deliver(OutgoingEvent(body, schema, subscription.name, attempt))
            if is_delivered(status):
                self.note(Step.DELIVERED, subscription=subscription.name)
                return
            self.note(Step.REFUSED, outcome_of(status), subscription.name)
            reason = wiring.policy.reason_to_stop(attempt, status, delivery.never_retried)
            if reason is None:
                await self.clock.sleep_until(self.clock.now() + pause_after(attempt, status))
                reason = TOO_OLD if wiring.policy.is_too_old(published_at, self.clock.now()) else None
            if reason is not None:
                await self.clock.sleep_until(tried_at + _BEFORE_DEAD_LETTER)
                failure = _Failure(reason, attempt, outcome_of(status), published_at, tried_at)
                wiring.dead_letter(body | failure.fields(schema))
                self.note(Step.DEAD_LETTERED, reason, subscription.name)
                return


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why an event is dead."""

    reason: str
    attempts: int
    last_outcome: str
    published_at: datetime
    last_attempt_at: datetime

    def fields(self, schema: DeliverySchema) -> JsonObject:
        """Write what Event Grid adds to a dead event; CloudEvents allows lower-case attribute names only."""
        fields: JsonObject = {
            "deadLetterReason": self.reason,
            "deliveryAttempts": self.attempts,
            "lastDeliveryOutcome": self.last_outcome,
            "publishTime": zulu_time(self.published_at),
            "lastDeliveryAttemptTime": zulu_time(self.last_attempt_at),
        }
        if schema is DeliverySchema.CLOUD_EVENTS:
            return {name.lower(): value for name, value in fields.items()}
        return fields


def _detail(happening: Happening) -> str:
    match happening:
        case Annotated():
            return happening.annotation
        case ActionSucceeded():
            return happening.operation
    return happening.current
