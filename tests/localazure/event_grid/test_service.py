"""Event Grid on a laptop: what is delivered, when, how often, and what becomes of what cannot be."""

from __future__ import annotations

import asyncio
import heapq
import logging
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from localazure.event_grid.azure_events import DeliverySchema, EventKind
from localazure.event_grid.delivery_policy import DeliveryPolicy
from localazure.event_grid.event_faults import NO_FAULT, Fault
from localazure.event_grid.event_filters import Subscription, SystemTopic, read_filter, read_topics
from localazure.event_grid.event_log import Entry, Step
from localazure.event_grid.service import EventGrid, Lags, Wiring
from localazure.world.happenings import ActionSucceeded, Annotated, AvailabilityChanged
from localazure.world.world import World

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from localazure.event_grid.event_delivery import OutgoingEvent


TOPICS = read_topics(Path(__file__).resolve().parents[3] / "infra" / "event-filters.json")
GROUP = "/subscriptions/11111111-2222-4333-8444-555555555555/resourceGroups/rg"
VM = f"{GROUP}/providers/Microsoft.Compute/virtualMachines/spot-1"
OTHER_VM = VM.replace("spot-1", "spot-2")
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
EVICTED = Annotated(VM, START, "VirtualMachinePreempted")
UNAVAILABLE = AvailabilityChanged(VM, START, "Available", "Unavailable")
EVICT_OPERATION = ActionSucceeded(VM, START, "Microsoft.Compute/virtualMachines/evictSpotVM/action", "")
AT_ONCE = Lags(timedelta(), timedelta(), timedelta())


class VirtualClock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        """Begin at the start of the story."""
        self._now = START
        self._order = count()
        self._sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        """Give the time of the story."""
        return self._now

    async def sleep_until(self, moment: datetime) -> None:
        """Come back when the story has reached a moment."""
        if moment > self._now:
            woken = asyncio.get_running_loop().create_future()
            heapq.heappush(self._sleepers, (moment, next(self._order), woken))
            await woken

    async def advance(self, by: timedelta) -> None:
        """Let time pass, waking each sleeper at its own moment."""
        until = self._now + by
        await self._settle()
        while self._sleepers and self._sleepers[0][0] <= until:
            self._now, _, woken = heapq.heappop(self._sleepers)
            woken.set_result(None)
            await self._settle()
        self._now = until

    @staticmethod
    async def _settle() -> None:
        """Let everything run that can."""
        for _ in range(30):
            await asyncio.sleep(0)


class Mailbox:
    """A destination that answers as it is told, and keeps what it was given."""

    never_retried: frozenset[int] = frozenset({400, 413})

    def __init__(self, clock: VirtualClock, *answers: int) -> None:
        """Take the answers, in turn; the last holds for ever."""
        self._clock = clock
        self._answers = list(answers) or [200]
        self.times: list[datetime] = []
        self.events: list[OutgoingEvent] = []

    async def deliver(self, event: OutgoingEvent) -> int:
        """Take or refuse an event."""
        self.times.append(self._clock.now())
        self.events.append(event)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    @property
    def types(self) -> list[str]:
        """The last word of each event's type."""
        return [str(event.body["type"]).rpartition(".")[2] for event in self.events]


class Story:
    """An Event Grid of virtual time, its mailbox and its dead letters."""

    def __init__(self, *answers: int, lags: Lags = AT_ONCE, policy: DeliveryPolicy | None = None) -> None:
        """Set the stage."""
        self.clock = VirtualClock()
        self.mailbox = Mailbox(self.clock, *answers)
        self.dead: list[dict[str, object]] = []
        wiring = Wiring(TOPICS, self.mailbox, self.dead.append, policy=policy or DeliveryPolicy())
        self.grid = EventGrid(wiring, self.clock, Random(7), lags)  # noqa: S311 - shuffles a story, guards no secret

    def play(self, scene: Callable[[Story], Awaitable[None]]) -> None:
        """Run a scene inside Event Grid's life."""

        async def run() -> None:
            async with self.grid:
                await scene(self)

        asyncio.run(run())

    @property
    def steps(self) -> list[str]:
        """What became of events, in order."""
        return [entry.step for entry in self.grid.log.entries]

    @property
    def waits(self) -> list[timedelta]:
        """How long it was from one attempt to the next."""
        times = self.mailbox.times
        return [later - earlier for earlier, later in pairwise(times)]


def _publish_and_wait(*happenings: Any, wait: timedelta) -> Callable[[Story], Awaitable[None]]:  # noqa: ANN401
    async def scene(story: Story) -> None:
        for happening in happenings:
            story.grid.publish(happening)
        await story.clock.advance(wait)

    return scene


def test_an_eviction_reaches_its_subscription_as_a_cloud_event() -> None:
    """An eviction is delivered once, to the subscription that is there for it."""
    story = Story()
    story.play(_publish_and_wait(EVICTED, wait=SECOND))
    (event,) = story.mailbox.events
    assert (event.subscription, event.schema, event.attempt) == ("evicted", DeliverySchema.CLOUD_EVENTS, 1)
    assert event.body["subject"] == VM
    assert story.steps == [Step.EMITTED, Step.DELIVERED]


def test_a_subscription_gets_the_schema_it_asks_for() -> None:
    """One subscription in Event Grid schema leaves the others with CloudEvents."""
    story = Story()
    story.grid.wiring = Wiring(TOPICS, story.mailbox, story.dead.append, schemas={"evicted": DeliverySchema.EVENT_GRID})
    story.play(_publish_and_wait(EVICTED, UNAVAILABLE, wait=SECOND))
    written = {event.subscription: event.body.keys() for event in story.mailbox.events}
    assert "eventType" in written["evicted"]
    assert "specversion" in written["unavailable"]


def test_what_nobody_subscribed_to_is_dropped_and_logged() -> None:
    """A VM that becomes available again wakes nobody, and the log says that the filters held it back."""
    story = Story()
    story.play(_publish_and_wait(AvailabilityChanged(VM, START, "Unavailable", "Available"), wait=HOUR))
    assert story.mailbox.events == []
    assert story.steps == [Step.EMITTED, Step.FILTERED]


def test_a_topic_has_the_events_of_its_own_source_only() -> None:
    """A subscription that filters nothing still hears nothing of another topic."""
    everything = Subscription("everything", read_filter({}, "test"))
    story = Story()
    arm = SystemTopic("microsoft.resources.subscriptions", (everything,))
    story.grid.wiring = Wiring((arm,), story.mailbox, story.dead.append)
    story.play(_publish_and_wait(EVICTED, EVICT_OPERATION, wait=SECOND))
    assert story.mailbox.types == ["ResourceActionSuccess"]


def test_events_leave_azure_some_time_after_what_they_tell() -> None:
    """The annotation comes first, then the operation, then the availability, each after its own lag."""
    story = Story(lags=Lags(annotation=SECOND, availability=30 * SECOND, operation=5 * SECOND))
    story.play(_publish_and_wait(UNAVAILABLE, EVICT_OPERATION, EVICTED, wait=MINUTE))
    assert story.mailbox.types == ["ResourceAnnotated", "ResourceActionSuccess", "AvailabilityStatusChanged"]
    assert story.mailbox.times == [START + SECOND, START + 5 * SECOND, START + 30 * SECOND]
    assert str(story.mailbox.events[2].body["time"]).startswith("2026-03-01T12:00:30.0")


def test_each_event_has_an_id_of_its_own_and_keeps_it_in_every_copy() -> None:
    """Two evictions told at one moment are two events; a duplicate is the same event again."""
    story = Story()
    story.grid.faults.set(Fault(copies=2))
    story.play(_publish_and_wait(EVICTED, EVICTED, wait=SECOND))
    ids = [str(event.body["id"]) for event in story.mailbox.events]
    assert sorted(ids.count(one) for one in set(ids)) == [3, 3]


def test_an_event_can_be_lost() -> None:
    """A lost event never arrives, while those of another VM do."""
    story = Story()
    story.grid.faults.set(Fault(lose=True), vm="SPOT-1")
    story.play(_publish_and_wait(EVICTED, Annotated(OTHER_VM, START, "VirtualMachinePreempted"), wait=HOUR))
    assert [event.body["subject"] for event in story.mailbox.events] == [OTHER_VM]
    assert [entry.step for entry in story.grid.log.of(VM.upper())] == [Step.EMITTED, Step.LOST]


def test_one_kind_of_event_can_be_delayed() -> None:
    """Only the annotations of a VM are held back; its other events arrive as ever."""
    story = Story()
    story.grid.faults.set(Fault(delay=10 * MINUTE), vm=VM, kind=EventKind.ANNOTATION)
    story.play(_publish_and_wait(EVICTED, UNAVAILABLE, wait=HOUR))
    assert story.mailbox.types == ["AvailabilityStatusChanged", "ResourceAnnotated"]
    assert story.mailbox.times == [START, START + 10 * MINUTE]


def test_events_can_overtake_each_other() -> None:
    """Shuffled events all arrive within the given time, in another order than they were told."""
    story = Story()
    story.grid.faults.set(Fault(shuffle=MINUTE))
    told = [Annotated(VM.replace("spot-1", f"spot-{n}"), START, "VirtualMachinePreempted") for n in range(10)]
    story.play(_publish_and_wait(*told, wait=MINUTE))
    subjects = [str(event.body["subject"]) for event in story.mailbox.events]
    assert sorted(subjects) == sorted(one.vm_id for one in told)
    assert subjects != [one.vm_id for one in told]


def test_the_narrowest_fault_holds_and_can_be_taken_back() -> None:
    """VM and kind go before VM, VM before kind, kind before everything; after clearing nothing goes wrong."""
    faults = Story().grid.faults
    everything, kind, vm, both = (Fault(copies=number) for number in range(1, 5))
    faults.set(everything)
    faults.set(kind, kind=EventKind.ANNOTATION)
    faults.set(vm, vm="spot-1")
    assert faults.of(VM, EventKind.ANNOTATION) == vm
    faults.set(both, vm="spot-1", kind=EventKind.ANNOTATION)
    assert faults.of(VM, EventKind.ANNOTATION) == both
    assert faults.of(VM, EventKind.OPERATION) == vm
    assert faults.of(OTHER_VM, EventKind.ANNOTATION) == kind
    assert faults.of(OTHER_VM, EventKind.OPERATION) == everything
    faults.clear()
    assert faults.of(VM, EventKind.ANNOTATION) == NO_FAULT


def test_a_refused_event_is_tried_again_on_azures_schedule() -> None:
    """Ten seconds, thirty, a minute, five, ten, thirty, an hour, three, six, and then twelve hours lie between."""
    story = Story(500, policy=DeliveryPolicy(event_time_to_live=timedelta(days=9)))
    story.play(_publish_and_wait(EVICTED, wait=timedelta(days=2)))
    assert story.waits[:11] == [
        10 * SECOND,
        30 * SECOND,
        MINUTE,
        5 * MINUTE,
        10 * MINUTE,
        30 * MINUTE,
        HOUR,
        3 * HOUR,
        6 * HOUR,
        12 * HOUR,
        12 * HOUR,
    ]
    assert [event.attempt for event in story.mailbox.events[:3]] == [1, 2, 3]


@pytest.mark.parametrize(
    ("status", "pause"), [(404, 5 * MINUTE), (408, 2 * MINUTE), (503, 30 * SECOND), (500, 10 * SECOND)]
)
def test_some_answers_make_event_grid_wait_longer(status: int, pause: timedelta) -> None:
    """An endpoint that is not there, slow or busy is left alone for longer than the schedule says."""
    story = Story(status, 200)
    story.play(_publish_and_wait(EVICTED, wait=HOUR))
    assert story.waits == [pause]
    assert story.steps == [Step.EMITTED, Step.REFUSED, Step.DELIVERED]


@pytest.mark.parametrize("status", [206, 302])
def test_only_five_statuses_mean_delivered(status: int) -> None:
    """A success of another kind, or a redirection, is tried again like any failure."""
    story = Story(status, 202)
    story.play(_publish_and_wait(EVICTED, wait=MINUTE))
    assert len(story.mailbox.events) == 2


@pytest.mark.parametrize(("status", "outcome"), [(400, "BadRequest"), (413, "PayloadTooLarge")])
def test_an_event_that_can_never_be_taken_is_not_tried_again(status: int, outcome: str) -> None:
    """A bad request stays one: the event goes to the dead letters five minutes later."""
    story = Story(status)
    story.play(_publish_and_wait(EVICTED, wait=HOUR))
    assert len(story.mailbox.events) == 1
    assert [letter["lastdeliveryoutcome"] for letter in story.dead] == [outcome]
    assert story.grid.log.entries[-1].at == START + 5 * MINUTE


def test_an_event_dies_after_its_last_attempt() -> None:
    """When the attempts are used up, the event becomes a dead letter with what Event Grid adds to it."""
    story = Story(500, policy=DeliveryPolicy(max_delivery_attempts=2))
    story.play(_publish_and_wait(EVICTED, wait=HOUR))
    (letter,) = story.dead
    assert letter["id"] == story.mailbox.events[0].body["id"]
    assert {key: value for key, value in letter.items() if key not in story.mailbox.events[0].body} == {
        "deadletterreason": "MaxDeliveryAttemptsExceeded",
        "deliveryattempts": 2,
        "lastdeliveryoutcome": "GenericError",
        "publishtime": "2026-03-01T12:00:00.0000000Z",
        "lastdeliveryattempttime": "2026-03-01T12:00:10.0000000Z",
    }
    assert story.steps[-1] == Step.DEAD_LETTERED


def test_a_dead_letter_in_event_grid_schema_has_its_own_spelling() -> None:
    """CloudEvents has lower-case names for what Event Grid adds; its own schema writes camel case."""
    story = Story(400)
    story.grid.wiring = Wiring(TOPICS, story.mailbox, story.dead.append, schemas={"evicted": DeliverySchema.EVENT_GRID})
    story.play(_publish_and_wait(EVICTED, wait=HOUR))
    added = story.dead[0].keys() - story.mailbox.events[0].body.keys()
    assert added == {
        "deadLetterReason",
        "deliveryAttempts",
        "lastDeliveryOutcome",
        "publishTime",
        "lastDeliveryAttemptTime",
    }


def test_an_event_dies_when_its_time_is_over() -> None:
    """The time to live is looked at when the next attempt falls due, so a day is over before the thirtieth attempt."""
    story = Story(0)
    story.play(_publish_and_wait(EVICTED, wait=timedelta(days=3)))
    (letter,) = story.dead
    assert (letter["deadletterreason"], letter["lastdeliveryoutcome"]) == ("TimeToLiveExceeded", "SocketError")
    # Eleven attempts take 22 h 46 min 40 s; the twelfth would be due twelve hours later, when the day is over.
    assert letter["deliveryattempts"] == len(story.mailbox.events) == 11
    assert story.grid.log.entries[-1].at == START + timedelta(hours=34, minutes=46, seconds=40)


def test_the_log_knows_when_the_app_first_heard_of_a_vm() -> None:
    """What was delivered before the eviction does not count as its first signal, nor does an event of another VM."""
    story = Story(lags=Lags(annotation=3 * SECOND))
    before = ActionSucceeded(VM, START, "Microsoft.Compute/virtualMachines/start/action", "owner@example.com")

    async def scene(story: Story) -> None:
        story.grid.publish(before)
        await story.clock.advance(MINUTE)
        story.grid.publish(Annotated(OTHER_VM, START + MINUTE, "VirtualMachinePreempted"))
        story.grid.publish(Annotated(VM, START + MINUTE + SECOND, "VirtualMachinePreempted"))
        await story.clock.advance(MINUTE)

    story.play(scene)
    assert story.grid.log.first_signal_at(VM.lower(), START) == START + SECOND
    assert story.grid.log.first_signal_at(VM, START + MINUTE) == START + MINUTE + 4 * SECOND
    assert story.grid.log.first_signal_at(VM, START + HOUR) is None


def test_a_timeline_hears_every_step_as_it_happens() -> None:
    """A listener is told the same entries that stay in the log, with subscription and Azure's own word."""
    heard: list[Entry] = []
    story = Story()
    story.grid.log.listen(heard.append)
    story.play(_publish_and_wait(EVICTED, wait=SECOND))
    assert heard == story.grid.log.entries
    assert (heard[1].subscription, heard[1].detail, heard[1].kind) == (
        "evicted",
        "VirtualMachinePreempted",
        EventKind.ANNOTATION,
    )


def test_leaving_drops_what_is_under_way() -> None:
    """An event that still waits for its next attempt does not keep the laptop from ending."""
    story = Story(500)
    story.play(_publish_and_wait(EVICTED, wait=SECOND))
    assert len(story.mailbox.events) == 1


def test_a_fault_of_event_grid_itself_is_not_hidden(caplog: pytest.LogCaptureFixture) -> None:
    """An error that no destination should raise is logged at once, and ends the run with an error."""

    class Broken:
        never_retried: frozenset[int] = frozenset()

        async def deliver(self, event: OutgoingEvent) -> int:
            raise LookupError(event.subscription)

    story = Story()
    story.grid.wiring = Wiring(TOPICS, Broken(), story.dead.append)
    with caplog.at_level(logging.ERROR), pytest.raises(BaseExceptionGroup) as broken:
        story.play(_publish_and_wait(EVICTED, wait=SECOND))
    assert broken.group_contains(LookupError, match="evicted")
    assert "broke" in caplog.text


def test_the_worlds_eviction_arrives_as_two_events() -> None:
    """An eviction in the world itself is told by its annotation and, later, by its availability."""
    story = Story(lags=Lags())

    async def scene(story: Story) -> None:
        world = World(START)
        machine = world.add_vm("spot-9", tags={"restart": "true"})
        world.listen(story.grid.publish)
        world.evict("spot-9")
        for _ in range(120):
            world.advance(story.clock.now() + SECOND)
            await story.clock.advance(SECOND)
        assert {str(event.body["subject"]) for event in story.mailbox.events} == {machine.vm_id}

    story.play(scene)
    assert [event.subscription for event in story.mailbox.events] == ["evicted", "unavailable"]
