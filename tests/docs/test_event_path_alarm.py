"""The alarm of an event path that is silent, as log lines, its query and the status page tell of it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from localazure.world.happenings import ActionSucceeded, Annotated, AvailabilityChanged
from spot_responder.decisions.app_health.event_path import event_path
from spot_responder.intake.signals import SignalKind
from spot_responder.intake.vms import VmId
from spot_responder.operators.act import hold, retry
from spot_responder.operators.views.dead_letters import QueueCounts
from spot_responder.operators.views.status import overview
from spot_responder.responder.log import log_sweep
from tests.docs.logged_stories import answers, lines, out_of_capacity, watched
from tests.harness.log_analytics import REPOSITORY, Logbook
from tests.harness.makers import TEN, VM_ID, at, recovery

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.harness.stories import NewAzure, StoryAzure

PAYLOADS = REPOSITORY / "tests" / "payloads" / "events"


type Act = Callable[[StoryAzure, VmId], None]


def hold_it(azure: StoryAzure, vm_id: VmId) -> None:
    """Hold a VM."""
    azure.do(hold(azure.ports().store, vm_id, azure.now, lambda: "hold-1"))


def ask_for_it(azure: StoryAzure, vm_id: VmId) -> None:
    """Ask for a look at a VM that is down for an unknown reason: a recovery that no event told of, and no sweep."""
    azure.world.stop_by_owner(vm_id.name)
    azure.run_until(azure.now + timedelta(minutes=1))
    azure.do(retry(azure.ports().queue, vm_id, azure.now, lambda: "retry-1"))


def test_the_event_path_is_silent_when_only_the_sweep_finds_evictions(new_azure: NewAzure) -> None:
    """All events are lost; the sweep of 10:15 finds both VMs, and that they were evicted."""
    azure = new_azure()
    subscription = azure.add_vm().subscription_id
    azure.add_vm("render-2")
    azure.script.lost = lambda _: True
    with watched(azure) as logbook:
        azure.world.evict("render-1")
        azure.world.evict("render-2")
        azure.run_until(at("11:00"))
    rows = answers(logbook, "alarm-event-path-silent", at("10:16"), at("10:31"), at("11:01"))
    # The sweep of 10:15 puts the finds on the queue; the next one sees what came of them.
    assert [(row["subscription"], row["vms"]) for row in rows] == [(subscription, 2)] * 2
    assert at("10:30") <= rows[0]["TimeGenerated"] < at("10:30:05")


def silent_path(azure: StoryAzure, logbook: Logbook) -> tuple[int, int, int]:
    """Give in how many subscriptions no events arrive: as the page, the newest sweep and the alarm say it."""
    rows = [stored.value for stored in azure.do(azure.ports().store.all_recoveries())]
    page = overview(rows, azure.history, [], QueueCounts(0, 0, 0, 0, 0), azure.now)
    newest = max(line["TimeGenerated"] for line in logbook.rows["AppTraces"] if '"event": "sweep"' in line["Message"])
    logged = [
        line
        for line in logbook.rows["AppTraces"]
        if '"event path silent"' in line["Message"] and line["TimeGenerated"] >= newest
    ]
    return len(page.event_path.silent), len(logged), len(logbook.ask("alarm-event-path-silent", azure.now))


@pytest.mark.parametrize("act", [hold_it, ask_for_it])
def test_page_log_and_alarm_say_the_same_whatever_an_operator_does(act: Act, new_azure: NewAzure) -> None:
    """A hold or a retry within the day is no event: it silences none of them, and an event ends it for all three."""
    azure = new_azure()
    azure.add_vm()
    other = azure.add_vm("other")
    azure.script.lost = lambda _: True
    with watched(azure) as logbook:
        azure.world.evict("render-1")
        azure.run_until(at("10:20"))
        act(azure, VmId.parse(other.vm_id))
        azure.run_until(at("10:46"))
        assert silent_path(azure, logbook) == (1, 1, 1)
        azure.run_until(TEN + timedelta(hours=20))
        assert silent_path(azure, logbook) == (1, 1, 1)
        azure.script.lost = lambda _: False
        azure.world.evict("render-1")
        azure.run_until(TEN + timedelta(hours=22))
        assert silent_path(azure, logbook) == (0, 0, 0)
        azure.run_until(TEN + timedelta(days=8))
        assert silent_path(azure, logbook) == (0, 0, 0)


def test_a_vm_that_is_still_going_down_when_the_sweep_finds_it_counts_as_well(new_azure: NewAzure) -> None:
    """The sweep's decision is then to wait, not to start."""
    azure = new_azure()
    azure.add_vm()
    azure.script.lost = lambda _: True
    azure.script.tells_power_state = False
    with watched(azure) as logbook:
        azure.world.evict("render-1")
        azure.run_until(at("10:31"))
    assert [line["decision"] for line in lines(logbook, "decision") if line["source"] == "sweep"] == ["wait"]
    assert [row["vms"] for row in logbook.ask("alarm-event-path-silent", at("10:31"))] == [1]


def test_the_path_of_one_subscription_may_be_silent_while_others_are_heard(new_azure: NewAzure) -> None:
    """Each has topics of its own: that one's events arrive says nothing of the other's."""
    azure = new_azure()
    silent = "22222222-2222-4222-8222-222222222222"
    azure.add_vm("heard-1")
    lost = azure.add_vm("lost-1", subscription_id=silent).vm_id
    azure.script.lost = lambda happening: happening.vm_id == lost
    with watched(azure) as logbook:
        azure.world.evict("heard-1")
        azure.world.evict("lost-1")
        azure.run_until(at("10:40"))
    assert [row["subscription"] for row in logbook.ask("alarm-event-path-silent", at("10:40"))] == [silent]


HEARD = {
    "health_annotation": lambda happening: isinstance(happening, Annotated),
    "availability_status": lambda happening: isinstance(happening, AvailabilityChanged),
    "arm_operation": lambda happening: isinstance(happening, ActionSucceeded),
}


@pytest.mark.parametrize("source", [*HEARD, "scheduled_event"])
def test_an_event_of_any_source_about_a_covered_vm_shows_that_the_path_is_open(
    source: str, new_azure: NewAzure
) -> None:
    """Of another VM, later than the find: one topic is enough to hear."""
    azure = new_azure()
    lost = azure.add_vm().vm_id
    other = azure.add_vm("other")
    azure.script.lost = lambda happening: happening.vm_id == lost or not HEARD.get(source, lambda _: False)(happening)
    with watched(azure) as logbook:
        azure.world.evict("render-1")
        azure.run_until(at("10:31"))
        assert len(logbook.ask("alarm-event-path-silent", at("10:31"))) == 1
        azure.world.stop_by_owner("other")
        if source == "scheduled_event":
            azure.handle(scheduled_event(other.vm_id))
        azure.run_until(at("12:00"))
    assert source in {line["source"] for line in lines(logbook, "decision")}
    assert logbook.ask("alarm-event-path-silent", at("12:00")) == []


def scheduled_event(vm_id: str) -> dict[str, Any]:
    """Give our payload of a scheduled event, about another VM."""
    event = json.loads((PAYLOADS / "scheduled_preempt_completed_cloudevent.json").read_text(encoding="utf-8"))
    event["subject"] = vm_id
    event["data"]["resourceInfo"]["id"] = vm_id
    return dict(event)


def test_ids_are_the_same_in_any_spelling() -> None:
    """A VM that the sweep takes up twice is one VM, and its subscription's events are heard."""
    calm = replace(VM_ID, subscription_id="aaaaaaaa-1111-4111-8111-111111111111")
    loud = VmId(calm.subscription_id.upper(), calm.resource_group.upper(), calm.name.upper())
    case = replace(recovery(), opened_by=SignalKind.SWEEP_FOUND, opened_at=at("10:15"))
    found = [replace(case, vm_id=vm_id, recovery_id=str(vm_id)) for vm_id in (calm, loud)]
    heard = replace(recovery(at("10:20")), vm_id=loud)
    logbook = Logbook()
    with logbook.written_by_the_app(lambda: at("10:30")):
        log_sweep(0, 0, 0, event_path(found, at("10:30")))
    assert [row["vms"] for row in logbook.ask("alarm-event-path-silent", at("10:40"))] == [1]
    assert event_path([*found, heard], at("10:30")).silent == ()


def test_a_recovery_that_events_opened_is_not_one_that_they_missed(new_azure: NewAzure) -> None:
    """Its follow-up was lost, and the sweep takes it up an hour later, when no event has come for long: no alarm."""
    azure = new_azure()
    with watched(azure) as logbook:
        out_of_capacity(azure)
        azure.run_until(at("10:10"))
        azure.script.lost = lambda _: True
        azure.run_until(at("11:40"))
        azure.app.clear_messages()
        azure.run_until(at("12:20"))
    swept = [line for line in lines(logbook, "decision") if line["source"] == "sweep"]
    assert {(line["opened_by"], line["evidence"]) for line in swept} == {("evicted", "evicted")}
    assert logbook.ask("alarm-event-path-silent", at("12:20")) == []


def test_a_vm_down_for_an_unknown_reason_says_nothing_of_the_event_path(new_azure: NewAzure) -> None:
    """Somebody tagged a VM that had long been deallocated: no event was due."""
    azure = new_azure()
    azure.add_vm(power_state="deallocated")
    azure.script.lost = lambda happening: isinstance(happening, Annotated)
    with watched(azure) as logbook:
        azure.run_until(at("10:16"))
    assert azure.recovery().is_open
    assert logbook.ask("alarm-event-path-silent", at("10:16")) == []
