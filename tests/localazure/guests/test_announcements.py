"""What Azure announces to the VMs of a world, and when they go down. In virtual time."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localazure.guests.announcements import Announcements, Progress, UnknownEventError
from localazure.guests.guest_power import Power, power_and_boot
from localazure.guests.notices import CALLED_OFF, STARTED_AT_ONCE, Notice, NoticeError, read_notice
from localazure.guests.scheduled_events import EventStatus, EventType
from localazure.world.azure_errors import Refused
from localazure.world.machines import Machine, PowerState
from localazure.world.world import OWNER, World
from tests.harness.makers import TEN

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from localazure.guests.scheduled_events import ScheduledEvent

SECOND = timedelta(seconds=1)


@dataclass
class Story:
    """A world with one Spot VM, and what was announced in it."""

    world: World = field(default_factory=lambda: World(TEN))
    told: list[tuple[float, Progress]] = field(default_factory=list)
    heard: list[tuple[str, Progress]] = field(default_factory=list)
    boots: dict[str, tuple[Power, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin."""
        self.announcements = Announcements(self.world)
        self.vm = self.world.add_vm("vm-1")
        self.announcements.listen(self._hear)

    def _hear(self, at: datetime, event: ScheduledEvent, progress: Progress) -> None:
        self.told.append(((at - TEN).total_seconds(), progress))
        self.heard.append((event.event_id, progress))
        self.boots.setdefault(event.event_id, power_and_boot(self.vm))

    def cancel_all(self) -> None:
        """Take back what can be taken back."""
        for event_id in self.ids():
            self.announcements.cancel(event_id)

    def ids(self) -> list[str]:
        """Give the ids of the events that the VM reads of."""
        return [event.event_id for event in self.announcements.document(self.vm).events]

    def told_of(self, *progress: Progress) -> list[str]:
        """Give the events that have come so far."""
        return [event_id for event_id, reached in self.heard if reached in progress]

    def at(self, seconds: float) -> None:
        """Let it be so many seconds after ten."""
        self.world.advance(TEN + seconds * SECOND)

    def seen(self, machine: Machine | None = None) -> list[str]:
        """Say what a VM reads: type and status of each event."""
        events = self.announcements.document(machine or self.vm).events
        return [f"{event.event_type} {event.status}" for event in events]

    def down_at(self) -> float | None:
        """Say when the VM went down."""
        at, state = self.vm.power_history[1] if len(self.vm.power_history) > 1 else (None, None)
        assert state in {None, PowerState.DEALLOCATING}
        return (at - TEN).total_seconds() if at else None


@pytest.mark.parametrize("lead", [3, 10, 30])
def test_a_vm_is_told_before_it_is_evicted(lead: int) -> None:
    """It reads Preempt, with the time, goes down at that time, and the event is over when it is deallocated."""
    story = Story()
    story.announcements.evict("vm-1", Notice(lead * SECOND))
    (event,) = story.announcements.document(story.vm).events
    assert (event.event_type, event.resources) == (EventType.PREEMPT, ("vm-1",))
    assert event.not_before == TEN + lead * SECOND
    story.at(lead - 0.001)
    assert (story.seen(), story.down_at()) == (["Preempt Scheduled"], None)
    story.at(lead)
    assert (story.seen(), story.down_at()) == (["Preempt Started"], lead)
    story.at(lead + 15)
    assert (story.seen(), story.vm.power_state) == ([], PowerState.DEALLOCATED)
    assert story.told == [(0, Progress.ANNOUNCED), (lead, Progress.STARTED), (lead + 15, Progress.OVER)]


def test_without_notice_it_just_goes_down() -> None:
    """Nothing is announced, before or after."""
    story = Story()
    story.announcements.evict("vm-1", None)
    assert (story.seen(), story.down_at(), story.told) == ([], 0, [])


def test_an_eviction_may_be_seen_as_started_at_once() -> None:
    """A moment before the VM goes down; an acknowledgment is too late to matter."""
    story = Story()
    event_id = story.announcements.evict("vm-1", STARTED_AT_ONCE)
    assert event_id is not None
    assert story.seen() == ["Preempt Started"]
    story.announcements.acknowledge(story.vm, [event_id])
    story.at(1.9)
    assert (story.seen(), story.down_at()) == (["Preempt Started"], None)
    story.at(2)
    assert (story.seen(), story.down_at()) == (["Preempt Started"], 2)


def test_an_eviction_may_be_called_off() -> None:
    """The event goes before its time, and the VM stays."""
    story = Story()
    story.announcements.evict("vm-1", CALLED_OFF)
    story.at(9.9)
    assert story.seen() == ["Preempt Scheduled"]
    story.at(120)
    assert (story.seen(), story.down_at()) == ([], None)
    assert story.told == [(0, Progress.ANNOUNCED), (10, Progress.CANCELLED)]


def test_an_acknowledged_eviction_comes_at_once() -> None:
    """As Azure may: who acknowledges shortens what is left."""
    story = Story()
    event_id = story.announcements.evict("vm-1", Notice(30 * SECOND))
    assert event_id is not None
    story.at(4)
    story.announcements.acknowledge(story.vm, [event_id.lower()])
    assert (story.seen(), story.down_at()) == (["Preempt Started"], 4)
    story.announcements.acknowledge(story.vm, [event_id])
    story.at(60)
    assert (len(story.vm.evictions), story.told[1:]) == (1, [(4, Progress.STARTED), (19, Progress.OVER)])


def test_unknown_events_are_not_acknowledged_nor_what_is_named_with_them() -> None:
    """A bad id among good ones: nothing starts."""
    story = Story()
    event_id = story.announcements.evict("vm-1", Notice(30 * SECOND))
    with pytest.raises(UnknownEventError, match="nobody"):
        story.announcements.acknowledge(story.vm, [event_id or "", "nobody"])
    assert story.seen() == ["Preempt Scheduled"]


def test_siblings_read_each_others_events() -> None:
    """The VMs of a scale set share a document, and each may acknowledge; another VM reads nothing of it."""
    story = Story()
    scale_set = story.world.add_scale_set("workers", restore_policy=False)
    workers = [story.world.add_vm(f"workers_{number}", scale_set_id=scale_set) for number in range(2)]
    event_id = story.announcements.evict("workers_1", Notice(30 * SECOND))
    assert [story.seen(worker) for worker in workers] == [["Preempt Scheduled"]] * 2
    assert story.seen() == []
    with pytest.raises(UnknownEventError):
        story.announcements.acknowledge(story.vm, [event_id or ""])
    story.announcements.acknowledge(workers[0], [event_id or ""])
    assert [worker.power_state for worker in workers] == [PowerState.RUNNING, PowerState.DEALLOCATING]


def test_maintenance_of_several_vms_is_one_event() -> None:
    """It names them all, starts in its time, and is over; the VMs are left to the story."""
    story = Story()
    scale_set = story.world.add_scale_set("workers", restore_policy=False)
    names = [story.world.add_vm(f"workers_{number}", scale_set_id=scale_set).name for number in range(2)]
    worker = story.world.machine(names[0])
    story.announcements.announce(EventType.FREEZE, names, 5 * SECOND, duration_s=7, goes_on_for=7 * SECOND)
    (event,) = story.announcements.document(worker).events
    assert (event.resources, event.duration_s) == (("workers_0", "workers_1"), 7)
    story.at(5)
    assert story.seen(worker) == ["Freeze Started"]
    story.at(12)
    assert story.seen(worker) == []
    with pytest.raises(ValueError, match="share a document"):
        story.announcements.announce(EventType.REBOOT, ["vm-1", "workers_0"], SECOND)


def test_a_rebalance_recommendation_neither_starts_nor_goes_by_itself() -> None:
    """It has no time, an acknowledgment changes nothing, and it goes when Azure takes it back."""
    story = Story()
    event_id = story.announcements.announce(EventType.REBALANCE, ["vm-1"], None)
    story.announcements.acknowledge(story.vm, [event_id])
    story.at(3600)
    assert story.seen() == ["SpotRebalanceRecommendation Scheduled"]
    story.announcements.cancel(event_id)
    assert (story.seen(), story.vm.power_state) == ([], PowerState.RUNNING)


def test_what_has_started_is_not_cancelled() -> None:
    """Too late; and what is over stays over."""
    story = Story()
    event_id = story.announcements.announce(EventType.REBOOT, ["vm-1"], None, as_started=True)
    story.announcements.cancel(event_id)
    assert [event.status for event in story.announcements.document(story.vm).events] == [EventStatus.STARTED]


def test_two_events_at_once() -> None:
    """Each has an id and a time of its own."""
    story = Story()
    story.announcements.announce(EventType.REDEPLOY, ["vm-1"], 60 * SECOND)
    story.announcements.evict("vm-1", Notice(10 * SECOND))
    assert story.seen() == ["Redeploy Scheduled", "Preempt Scheduled"]
    story.at(10)
    assert story.seen() == ["Redeploy Scheduled", "Preempt Started"]


def test_a_vm_that_its_owner_stops_is_not_evicted_later() -> None:
    """The announcement is taken back at once: also where it is started again before the eviction's time."""
    story = Story()
    story.announcements.evict("vm-1", Notice(60 * SECOND))
    story.at(5)
    story.world.stop_by_owner("vm-1")
    assert story.seen() == []
    story.at(25)
    story.world.start(story.vm, OWNER)
    story.at(90)
    assert (story.vm.power_state, story.vm.evictions) == (PowerState.RUNNING, [])


def test_a_simulated_eviction_is_announced_too() -> None:
    """At most 30 seconds before, as a real one; and it is one eviction, which the event tells of."""
    story = Story()
    story.world.simulate_eviction("vm-1")
    story.at(29)
    assert story.seen() == []
    story.at(30)
    assert story.seen() == ["Preempt Scheduled"]
    story.at(60)
    assert (story.seen(), story.down_at()) == (["Preempt Started"], 60)
    story.at(120)
    assert (story.seen(), len(story.vm.evictions)) == ([], 1)


def test_a_simulated_eviction_is_announced_where_resource_health_says_nothing_too() -> None:
    """The document does not depend on what is annotated."""
    story = Story()
    story.world.eviction_annotations = ()
    story.world.simulate_eviction("vm-1")
    story.at(60)
    assert (story.seen(), story.down_at()) == (["Preempt Started"], 60)


@pytest.mark.parametrize(("priority", "state"), [("Regular", "running"), ("Spot", "deallocated")])
def test_only_what_azure_evicts_is_told_of_an_eviction(priority: str, state: str) -> None:
    """The same refusal as without notice."""
    story = Story()
    vm = story.world.add_vm("vm-2", priority=priority, power_state=state)
    with pytest.raises(ValueError, match="cannot evict VM 'vm-2'"):
        story.announcements.evict("vm-2", Notice(SECOND))
    assert story.seen(vm) == []


MOVES: Final[dict[str, Callable[[Story], object]]] = {
    "evict in 3 s": lambda story: story.announcements.evict("vm-1", Notice(3 * SECOND)),
    "evict in 120 s": lambda story: story.announcements.evict("vm-1", Notice(120 * SECOND)),
    "evict as started": lambda story: story.announcements.evict("vm-1", STARTED_AT_ONCE),
    "call off": lambda story: story.announcements.evict("vm-1", CALLED_OFF),
    "evict without notice": lambda story: story.announcements.evict("vm-1", None),
    "simulate": lambda story: story.world.simulate_eviction("vm-1"),
    "acknowledge": lambda story: story.announcements.acknowledge(story.vm, story.ids()),
    "cancel": lambda story: story.cancel_all(),
    "reboot in 5 s": lambda story: story.announcements.announce(EventType.REBOOT, ["vm-1"], 5 * SECOND),
    "stop": lambda story: story.world.stop_by_owner("vm-1"),
    "start": lambda story: story.world.start(story.vm, OWNER),
    "restart": lambda story: story.world.restart(story.vm, OWNER),
}


@given(st.lists(st.tuples(st.sampled_from(sorted(MOVES)), st.sampled_from([0, 1, 2, 7, 31])), max_size=12))
def test_whatever_happens_the_document_tells_no_lie(moves: list[tuple[str, int]]) -> None:
    """Incarnation and events only go on, no boot reads of an earlier one's eviction, and all comes to an end."""
    story = Story()
    before, now = story.announcements.document(story.vm), 0
    for move, seconds in [*moves, ("start", 300)]:
        with suppress(ValueError, Refused):
            MOVES[move](story)
        for _ in range(max(seconds, 1)):
            now += min(seconds, 1)
            story.at(now)
            after = story.announcements.document(story.vm)
            assert (after.incarnation > before.incarnation) == (after.events != before.events)
            assert after.incarnation >= before.incarnation
            assert before.past <= after.past
            assert not after.past & {event.event_id.lower() for event in after.events}
            began = {event.event_id for event in before.events if event.status is EventStatus.STARTED}
            assert all(event.status is EventStatus.STARTED for event in after.events if event.event_id in began)
            power, boot = power_and_boot(story.vm)
            preempts = [event.event_id for event in after.events if event.event_type is EventType.PREEMPT]
            assert power is not Power.ON or all(story.boots[event_id][1] == boot for event_id in preempts)
            before = after
    assert story.seen() == []
    assert set(story.told_of(Progress.ANNOUNCED)) == set(story.told_of(Progress.OVER, Progress.CANCELLED))
    assert len(story.told_of(Progress.OVER, Progress.CANCELLED)) == len(story.told_of(Progress.ANNOUNCED))


@pytest.mark.parametrize(
    ("text", "notice"),
    [
        ("none", None),
        ("10", Notice(10 * SECOND)),
        (" Started ", STARTED_AT_ONCE),
        ("cancelled", CALLED_OFF),
    ],
)
def test_a_notice_is_read(text: str, notice: Notice | None) -> None:
    """As it is typed."""
    assert read_notice(text) == notice


@pytest.mark.parametrize("text", ["", "0", "-3", "ten", "1.5", "901", "\u0661"])
def test_what_is_no_notice_is_refused_in_a_line(text: str) -> None:
    """And the line says what one is."""
    with pytest.raises(NoticeError, match=r"give whole seconds \(1 to 900\), none, started, cancelled$"):
        read_notice(text)
