"""What comes of what the agents in the VMs tell, as stories: an early look, and notes. No start rests on it alone."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from localazure.virtual.wire import RequestKind
from localazure.world.azure_errors import Refused
from localazure.world.happenings import ActionSucceeded, Annotated
from localazure.world.world import OWNER
from spot_responder.decisions.agents_word import agent_is_silent
from spot_responder.decisions.app_health.event_path import EventPathState, event_path
from spot_responder.decisions.outcomes import Outcome
from spot_responder.decisions.policy import Policy, RestartWhen
from spot_responder.decisions.publishing.published_events import CLOSED_TYPE, WORKLOAD_READY_TYPE
from spot_responder.decisions.recovery_times import notice_lead, ready_after
from spot_responder.intake.signals import Inbox, SignalKind
from tests.harness.agents import agent_tells, maintenance, notice, ready
from tests.harness.makers import TEN, at
from tests.harness.stories import notices, outcomes, refused, starts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from localazure.world.machines import Machine
    from tests.harness.stories import NewAzure, StoryAzure

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
EVICTED_ONLY = Policy(restart_when=RestartWhen.EVICTED)


def tell(azure: StoryAzure, message: dict[str, Any], when: datetime | None = None) -> None:
    """Let the agent's message be on its queue at a time."""
    agent_tells(azure, message, (when or azure.now) - azure.now)


def untold(azure: StoryAzure) -> None:
    """Let no event come of anything, and no annotation of an eviction: nobody but the agent tells of it."""
    azure.script.lost = lambda _: True
    azure.world.eviction_annotations = ()


def evict_at(azure: StoryAzure, when: datetime) -> None:
    """Let time pass until Azure evicts the VM."""
    azure.run_until(when)
    azure.world.evict("render-1")


def closing(azure: StoryAzure) -> Mapping[str, Any]:
    """Give the data of the one outcome that was published."""
    (event,) = (each for each in azure.storage.heard if each.type == CLOSED_TYPE)
    return event.data or {}


@pytest.mark.parametrize("policy", [Policy(), EVICTED_ONLY], ids=["unless stopped", "evicted"])
def test_an_eviction_that_only_the_agent_told_of_is_one_start(policy: Policy, new_azure: NewAzure) -> None:
    """Noticed at 10:00:01, evicted at 10:00:30 with no event at all, started a minute after it was seen going down."""
    azure = new_azure(policy)
    vm = azure.add_vm()
    untold(azure)
    tell(azure, notice(vm.vm_id, at("10:00:01")), at("10:00:01"))
    evict_at(azure, at("10:00:30"))
    tell(azure, ready(vm.vm_id, at("10:02:30")), at("10:02:31"))
    azure.run_until(at("10:10"))
    assert vm.power_state == "running"
    assert starts(azure) == ["10:01:31"]
    assert outcomes(azure) == [Outcome.RESTORED]
    (ended,) = azure.history
    assert ended.opened_by is SignalKind.AGENT_NOTICED
    assert ended.down_since == at("10:00:31")
    assert notice_lead(ended) == 30 * SECOND
    assert ready_after(ended) == 119 * SECOND


def test_a_notice_that_comes_twice_opens_one_recovery_and_another_one_the_next(new_azure: NewAzure) -> None:
    """Told by the agent alone: restored by 10:02, the same message again at 10:02:30; evicted once more at 10:20:30."""
    azure = new_azure()
    vm = azure.add_vm()
    untold(azure)
    for when in ("10:00:01", "10:02:30"):
        tell(azure, notice(vm.vm_id, at("10:00:01")), at(when))
    evict_at(azure, at("10:00:30"))
    azure.run_until(at("10:10"))
    assert outcomes(azure) == [Outcome.RESTORED]
    tell(azure, notice(vm.vm_id, at("10:20:01"), event_id="another"), at("10:20:01"))
    evict_at(azure, at("10:20:30"))
    azure.run_until(at("10:24"))
    assert outcomes(azure) == [Outcome.RESTORED] * 2


def test_a_notice_that_comes_after_azures_own_word_is_noted(new_azure: NewAzure) -> None:
    """Noticed at 10:00:01, which arrives when the recovery is open: how long before is in the history."""
    azure = new_azure()
    vm = azure.add_vm()
    tell(azure, notice(vm.vm_id, at("10:00:01")), at("10:00:35"))
    evict_at(azure, at("10:00:30"))
    azure.run_until(at("10:05"))
    assert [notice_lead(ended) for ended in azure.history] == [29 * SECOND]


def test_that_it_is_unavailable_is_news_where_only_the_agent_told_of_it(new_azure: NewAzure) -> None:
    """Evicted at 10:00:35 without a word of why: read at 10:00:39, when it is told, and started a minute later."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.world.eviction_annotations = ()
    tell(azure, notice(vm.vm_id, at("10:00:01")), at("10:00:01"))
    evict_at(azure, at("10:00:35"))
    azure.run_until(at("10:05"))
    assert starts(azure) == ["10:01:39"]


def test_with_azures_own_word_it_is_started_as_soon_as_it_is_down(new_azure: NewAzure) -> None:
    """The notice opened the recovery, the event tells the rest: no minute is waited for, and nothing is doubled."""
    azure = new_azure()
    vm = azure.add_vm()
    tell(azure, notice(vm.vm_id, at("10:00:01")), at("10:00:01"))
    evict_at(azure, at("10:00:30"))
    azure.run_until(at("10:05"))
    assert starts(azure) == ["10:00:46"]
    assert outcomes(azure) == [Outcome.RESTORED]
    (ended,) = azure.history
    assert (ended.down_since, notice_lead(ended)) == (at("10:00:30"), 29 * SECOND)
    assert closing(azure)["noticeLeadSeconds"] == 29
    assert event_path(azure.history, azure.now).state is EventPathState.WORKS


@pytest.mark.parametrize("policy", [Policy(), EVICTED_ONLY], ids=["unless stopped", "evicted"])
@pytest.mark.parametrize("is_firm", [True, False], ids=["by ARM", "by an annotation only"])
def test_its_owner_stops_it_after_the_notice(policy: Policy, is_firm: bool, new_azure: NewAzure) -> None:  # noqa: FBT001
    """Noticed at 10:00, stopped at 10:00:20: it stays down, however weak the word of the stop is."""
    azure = new_azure(policy)
    vm = azure.add_vm()
    azure.script.lost = lambda told: isinstance(told, ActionSucceeded) is not is_firm
    tell(azure, notice(vm.vm_id, TEN))
    azure.run_until(at("10:00:20"))
    azure.world.stop_by_owner("render-1")
    azure.run_until(at("12:00"))
    assert starts(azure) == []
    assert outcomes(azure) == [Outcome.STOPPED_BY_OWNER]
    assert notice_lead(azure.history[0]) is None


@pytest.mark.parametrize("policy", [Policy(), EVICTED_ONLY], ids=["unless stopped", "evicted"])
@pytest.mark.parametrize("is_firm", [True, False], ids=["by ARM", "by an annotation only"])
def test_a_forged_notice_after_its_owners_stop(policy: Policy, is_firm: bool, new_azure: NewAzure) -> None:  # noqa: FBT001
    """Stopped at 9, forged notices from 10 on, of any time: it stays down, and no recovery is opened."""
    azure = new_azure(policy)
    vm = azure.add_vm()
    azure.script.lost = lambda told: isinstance(told, ActionSucceeded) is not is_firm
    azure.world.stop_by_owner("render-1")
    azure.run_until(at("11:00"))
    for number, when in enumerate((TEN, at("10:59:59"), at("11:00"), at("11:10"), at("23:00"))):
        tell(azure, notice(vm.vm_id, when, event_id=f"forged-{number}"))
        azure.run_until(azure.now + 10 * MINUTE)
    azure.run_until(at("13:00"))
    assert starts(azure) == []
    assert outcomes(azure) == []


@pytest.mark.parametrize("minutes", range(0, 12, 2))
def test_a_notice_lets_no_annotation_of_a_stop_be_ignored(minutes: int, new_azure: NewAzure) -> None:
    """Azure's word of an eviction does, for ten minutes; the agent's does for none, before or after the stop."""
    azure = new_azure(EVICTED_ONLY)
    vm = azure.add_vm()
    untold(azure)
    stopped_at = TEN + minutes * MINUTE
    azure.world.evict("render-1")
    azure.tell(Annotated(vm.vm_id, stopped_at, "VirtualMachineDeallocationInitiated"))
    tell(azure, notice(vm.vm_id, TEN - SECOND))
    azure.run_until(at("11:00"))
    assert starts(azure) == []


def test_noticed_and_cancelled(new_azure: NewAzure) -> None:
    """Nothing is started, nobody is told of an opening, and after some minutes it is over."""
    azure = new_azure()
    vm = azure.add_vm()
    tell(azure, notice(vm.vm_id, TEN))
    azure.run_until(at("10:04"))
    assert azure.recovery().is_open
    azure.run_until(at("10:06"))
    assert (starts(azure), outcomes(azure), notices(azure)) == ([], [Outcome.RUNS_WITHOUT_US], [])
    assert azure.messages == []
    told = closing(azure)
    assert (told["noticedAt"], told["noticeLeadSeconds"]) == ("2026-03-02T10:00:00+00:00", None)


def test_the_same_notice_once_more_opens_nothing(new_azure: NewAzure) -> None:
    """A queue delivers at least once: after the recovery, within the five minutes that a notice holds."""
    azure = new_azure()
    vm = azure.add_vm()
    tell(azure, notice(vm.vm_id, at("10:00:01")), at("10:00:01"))
    evict_at(azure, at("10:00:10"))
    for second in (12, 70, 130):
        tell(azure, notice(vm.vm_id, at("10:00:01")), TEN + second * SECOND)
    azure.run_until(at("10:30"))
    assert outcomes(azure) == [Outcome.RESTORED]
    assert len(starts(azure)) == 1


@pytest.mark.parametrize("fields", [{"tags": {}}, {"priority": "Regular"}])
def test_a_notice_of_a_vm_that_is_not_covered(fields: dict[str, Any], new_azure: NewAzure) -> None:
    """Azure says so, and nothing is kept."""
    azure = new_azure()
    vm = azure.add_vm(**fields, power_state="deallocated")
    tell(azure, notice(vm.vm_id, TEN))
    azure.run_until(at("10:30"))
    assert starts(azure) == []
    assert azure.storage.recoveries.rows == {}


def test_a_clock_that_is_ahead_does_not_make_the_app_wait_for_longer(new_azure: NewAzure) -> None:
    """Detected in ten minutes, as the VM says: five minutes from now it counts no more."""
    azure = new_azure()
    vm = azure.add_vm()
    tell(azure, notice(vm.vm_id, at("10:10")))
    azure.run_until(at("10:06"))
    assert outcomes(azure) == [Outcome.RUNS_WITHOUT_US]


def test_an_old_notice_is_no_more_than_a_reason_to_look(new_azure: NewAzure) -> None:
    """Of a VM that is down, an hour after: with RESTART_WHEN=evicted nothing says that it was evicted."""
    azure = new_azure(EVICTED_ONLY)
    vm = azure.add_vm()
    untold(azure)
    azure.world.evict("render-1")
    azure.run_until(at("11:00"))
    tell(azure, notice(vm.vm_id, TEN))
    azure.run_until(at("12:00"))
    assert starts(azure) == []


def test_a_workload_that_goes_on_before_the_app_saw_the_vm_run_is_in_the_outcome(new_azure: NewAzure) -> None:
    """It was quick: the outcome says it, and no event of its own does."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.world.evict("render-1")
    tell(azure, ready(vm.vm_id, at("10:00:37")), at("10:00:37"))
    azure.run_until(at("10:05"))
    assert (closing(azure)["readyAt"], closing(azure)["readyAfterSeconds"]) == ("2026-03-02T10:00:37+00:00", 37)
    assert [event for event in azure.storage.heard if event.type == WORKLOAD_READY_TYPE] == []


def test_a_workload_that_goes_on_later_is_published_once(new_azure: NewAzure) -> None:
    """In the row, in the history, and an event of its own; the message once more changes nothing."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.world.evict("render-1")
    for minute in (2, 3, 4):
        tell(azure, ready(vm.vm_id, at("10:01:30")), TEN + minute * MINUTE)
    azure.run_until(at("10:30"))
    (event,) = (each for each in azure.storage.heard if each.type == WORKLOAD_READY_TYPE)
    assert event.id == f"{azure.history[0].recovery_id}/workload-ready"
    assert (event.data or {})["readyAfterSeconds"] == 90
    assert closing(azure)["readyAfterSeconds"] is None
    assert ready_after(azure.recovery()) == ready_after(azure.history[0]) == 90 * SECOND


def test_a_topic_or_a_table_that_fails_loses_no_word_of_a_workload(new_azure: NewAzure) -> None:
    """The message comes back through the agents' inbox until all of it is done."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.world.evict("render-1")
    azure.run_until(at("10:01"))
    azure.script.next(RequestKind.ROW_READ, refused(Refused(503, "ServerBusy", "busy")), about="recoveries", times=2)
    azure.script.next(RequestKind.OUTCOME, refused(Refused(403, "AuthorizationFailed", "no")), times=1)
    tell(azure, ready(vm.vm_id, at("10:01:30")))
    azure.run_until(at("10:01:31"))
    assert Inbox.AGENTS in {message.inbox for message in azure.messages}
    azure.run_until(at("11:00"))
    assert ready_after(azure.history[0]) == 90 * SECOND
    assert [event.type for event in azure.storage.heard].count(WORKLOAD_READY_TYPE) == 1
    assert azure.storage.poison == []


@pytest.mark.parametrize(
    ("said_at", "is_late", "after"),
    [
        ("09:55", False, 240 * SECOND),  # the VM's clock is behind: as of now
        ("09:55", True, None),  # of a recovery before this one
        ("09:30", False, None),
        ("10:03", True, 180 * SECOND),
        ("10:09", False, 240 * SECOND),  # the VM's clock is ahead: as of now
    ],
)
def test_to_which_recovery_a_workload_belongs(
    said_at: str, *, is_late: bool, after: timedelta | None, new_azure: NewAzure
) -> None:
    """By the VM's clock, as far as that can be right."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.world.evict("render-1")
    tell(azure, ready(vm.vm_id, at(said_at), late=is_late), at("10:04"))
    azure.run_until(at("10:20"))
    (ended,) = azure.history
    assert ready_after(ended) == (after if after is None or said_at == "10:03" else ready_after(ended))
    if after is not None:
        assert timedelta() <= (ready_after(ended) or timedelta()) - after < SECOND


def test_a_late_notice_is_noted_in_the_recovery_that_it_was_for(new_azure: NewAzure) -> None:
    """It could not be sent before the VM went down: how long before is known now, and nothing is looked at."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    before = len(azure.world.calls)
    tell(azure, notice(vm.vm_id, TEN - 3 * SECOND, late=True))
    tell(azure, notice(vm.vm_id, TEN - HOUR, event_id="older", late=True), at("10:06"))
    azure.run_until(at("10:10"))
    assert notice_lead(azure.history[0]) == 3 * SECOND
    assert len(azure.world.calls) == before
    assert len(starts(azure)) == 1


def test_an_agent_that_reported_before_and_does_not_now_is_a_problem_with_a_name(new_azure: NewAzure) -> None:
    """For a quarter of an hour nothing is said; then it is published once, and ends as it reports."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.world.evict("render-1")
    tell(azure, ready(vm.vm_id, at("10:01:30")), at("10:02"))
    evict_at(azure, at("11:00"))
    azure.run_until(at("11:14"))
    assert "render-1 agent-silent" not in notices(azure)
    azure.run_until(at("12:05"))
    assert notices(azure).count("render-1 agent-silent") == 1
    assert agent_is_silent(azure.recovery(), azure.now)
    tell(azure, ready(vm.vm_id, azure.now, recovery_id="boot-2"))
    azure.run_until(at("13:00"))
    assert not agent_is_silent(azure.recovery(), azure.now)


def test_an_agent_that_never_reported_is_no_problem(new_azure: NewAzure) -> None:
    """Most VMs have none."""
    azure = new_azure()
    azure.add_vm()
    azure.world.evict("render-1")
    azure.run_until(at("13:00"))
    assert [told for told in notices(azure) if "silent" in told] == []
    assert not agent_is_silent(azure.recovery(), azure.now)


def test_maintenance_is_noted_and_opens_nothing(new_azure: NewAzure, caplog: pytest.LogCaptureFixture) -> None:
    """In the log, and in the row where there is one."""
    caplog.set_level("INFO", "spot_responder")
    azure = new_azure()
    vm = azure.add_vm()
    tell(azure, maintenance(vm.vm_id, TEN))
    azure.run_until(at("10:01"))
    assert azure.storage.recoveries.rows == {}
    assert [json.loads(line)["detail"] for line in caplog.messages if '"maintenance"' in line] == ["Redeploy"]
    azure.world.evict("render-1")
    tell(azure, maintenance(vm.vm_id, at("10:05"), "Reboot"), at("10:05"))
    azure.run_until(at("10:10"))
    assert (azure.recovery().agent.maintenance, azure.recovery().agent.maintenance_at) == ("Reboot", at("10:05"))
    assert outcomes(azure) == [Outcome.RESTORED]


@pytest.mark.parametrize("inbox", Inbox)
def test_each_door_takes_only_what_may_come_through_it(
    inbox: Inbox, new_azure: NewAzure, caplog: pytest.LogCaptureFixture
) -> None:
    """An eviction through the agents' inbox, a notice through the other: neither is looked at, and the log says so."""
    caplog.set_level("INFO", "spot_responder")
    azure = new_azure()
    vm: Machine = azure.add_vm(power_state="deallocated")
    wrong = {Inbox.SIGNALS: notice(vm.vm_id, TEN), Inbox.AGENTS: preempted_event(vm)}[inbox]
    azure.app.put(json.dumps(wrong), timedelta(), inbox=inbox)
    azure.run_until(at("10:05"))
    assert starts(azure) == []
    assert azure.storage.recoveries.rows == {}
    assert azure.storage.poison == []
    assert any('"event": "not ours"' in line and "agent" in line for line in caplog.messages)


def preempted_event(vm: Machine) -> dict[str, Any]:
    """Make the event of Azure's that tells of an eviction."""
    properties = {"targetResourceId": vm.vm_id, "annotationName": "VirtualMachinePreempted"}
    return {
        "specversion": "1.0",
        "id": "1",
        "source": "/subscriptions/s",
        "type": "Microsoft.ResourceNotifications.HealthResources.ResourceAnnotated",
        "time": "2026-03-02T10:00:00Z",
        "data": {"resourceInfo": {"properties": properties}},
    }


def test_while_azure_refuses_the_look_a_notice_is_kept_for_minutes(new_azure: NewAzure) -> None:
    """On its own queue; then it is let go, and no recovery is blocked by it."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.script.next(RequestKind.GRAPH, refused(Refused(500, "InternalServerError", "broken")), times=100)
    tell(
        azure, notice(vm.vm_id, TEN) | {"requeuedsince": "2026-03-01T10:00:00Z", "unseensince": "2026-03-01T10:00:00Z"}
    )
    azure.run_until(at("10:01"))
    assert [message.inbox for message in azure.messages] == [Inbox.AGENTS]
    azure.run_until(at("10:12"))
    assert azure.messages == []
    assert azure.storage.recoveries.rows == {}
    assert azure.storage.health.rows == {}


def test_its_owner_starts_it_and_says_nothing_of_an_agent(new_azure: NewAzure) -> None:
    """A start by another, told by ARM, settles the notice as it settles all before it."""
    azure = new_azure(EVICTED_ONLY)
    vm = azure.add_vm()
    tell(azure, notice(vm.vm_id, TEN))
    azure.run_until(at("10:01"))
    azure.tell(ActionSucceeded(vm.vm_id, at("10:01"), "Microsoft.Compute/virtualMachines/start/action", OWNER))
    azure.run_until(at("10:02"))
    assert azure.recovery().evidence.noticed_at is None
