"""What keeps the app for long from looking, starting, sweeping or telling is named; what passes is not."""

from __future__ import annotations

import zlib
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from localazure.virtual.wire import Fate, RequestKind
from localazure.world.azure_errors import Refused
from localazure.world.durations import Durations
from localazure.world.happenings import ActionSucceeded
from localazure.world.vm_lifecycle import DEALLOCATE
from localazure.world.world import OWNER
from spot_responder.decisions.app_health.app_failures import Activity, Failing
from spot_responder.decisions.outcomes import Outcome
from spot_responder.intake.signals import SignalKind
from spot_responder.intake.vms import VmId
from spot_responder.operators.act import hold
from spot_responder.operators.gather import gather_explanation
from spot_responder.operators.views.dead_letters import QueueCounts
from spot_responder.operators.views.status import Overview, overview
from tests.harness.log_analytics import Logbook
from tests.harness.makers import at
from tests.harness.stories import (
    DEATH_BEFORE,
    DENIED,
    NO_ANSWER,
    annotated,
    notices,
    outcomes,
    preempted,
    refused,
    starts,
)

if TYPE_CHECKING:
    from tests.harness.stories import NewAzure, StoryAzure

FOR_EVER = 10**6
LASTING: dict[str, Fate] = {
    "a request that is wrong": refused(Refused(400, "InvalidParameter", "The request is invalid.")),
    "a 404 of another kind": refused(Refused(404, "InvalidResourceType", "The resource type could not be found.")),
    "a subscription that is not found": refused(Refused(404, "SubscriptionNotFound", "Could not be found.")),
    "a broken service": refused(Refused(500, "InternalServerError", "Encountered internal server error.")),
    "a missing right": refused(DENIED),
    "throttled": refused(Refused(429, "ResourceRequestsThrottled", "Too many requests.", {"Retry-After": "60"})),
    "silence": NO_ANSWER,
}


def seen(azure: StoryAzure) -> Overview:
    """Give what status and page show."""
    store = azure.ports().store
    rows = [stored.value for stored in azure.do(store.all_recoveries())]
    failing = azure.do(store.failing())
    return overview(rows, azure.history, [], QueueCounts(0, 0, 0, 0, 0), azure.now, failing=failing)


def problems(azure: StoryAzure) -> str:
    """Give what somebody should mend."""
    return "\n".join(problem.what for problem in seen(azure).problems)


@pytest.mark.parametrize("request_kind", [RequestKind.VM_READ, RequestKind.GRAPH])
@pytest.mark.parametrize("why", LASTING)
def test_a_vm_that_cannot_be_looked_at_is_named_within_the_hour_and_comes_back_once_it_can(
    why: str, request_kind: RequestKind, new_azure: NewAzure
) -> None:
    """Evicted at 10:00; from then on each look is refused. Named at 10:31, mended at 13:00, running by 14:15."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.script.next(request_kind, LASTING[why], times=FOR_EVER)
    azure.world.evict("render-1")
    azure.run_until(at("10:29"))
    assert "blocked" not in str(notices(azure))
    azure.run_until(at("10:32"))
    assert "render-1: it could not be looked at since 2026-03-02 10:" in problems(azure)
    assert notices(azure).count("render-1 blocked") == 1
    azure.run_until(at("13:00"))
    assert azure.app.handled < 60
    azure.script.forget()
    azure.run_until(at("14:15"))
    assert vm.power_state == "running"
    assert len(starts(azure)) == 1
    assert outcomes(azure) == [Outcome.RESTORED]
    assert problems(azure) == ""
    assert notices(azure).count("render-1 blocked") == 1


def test_a_vm_that_only_the_sweep_found_and_nobody_may_look_at_has_a_recovery(new_azure: NewAzure) -> None:
    """All events lost, ARM refuses each look: found by the sweep of 10:15, named by 10:46."""
    azure = new_azure()
    azure.add_vm()
    azure.script.lost = lambda _: True
    azure.script.next(RequestKind.VM_READ, LASTING["a request that is wrong"], times=FOR_EVER)
    azure.world.evict("render-1")
    azure.run_until(at("10:46"))
    assert azure.recovery().opened_by is SignalKind.SWEEP_FOUND
    assert "InvalidParameter" in problems(azure)
    azure.run_until(at("12:16"))
    assert len(azure.messages) == 1


def test_what_its_owner_stopped_is_no_find_that_waits_for_a_look(new_azure: NewAzure) -> None:
    """Stopped at 10:00, and then no look is let through: no recovery is opened for it, ever."""
    azure = new_azure()
    azure.add_vm()
    azure.world.stop_by_owner("render-1")
    azure.run_until(at("10:05"))
    azure.script.next(RequestKind.VM_READ, LASTING["a request that is wrong"], times=FOR_EVER)
    azure.run_until(at("16:00"))
    assert not azure.recovery().is_open
    assert starts(azure) == []


def test_starts_that_are_never_answered_are_counted_and_told(new_azure: NewAzure) -> None:
    """None reaches Azure: after three somebody is told, the budget holds, and it runs once Azure answers."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.script.next(RequestKind.VM_START, Fate(arrives=False), times=FOR_EVER)
    azure.world.evict("render-1")
    azure.run_until(at("10:04"))
    assert notices(azure) == ["render-1 opened"]
    azure.run_until(at("10:09"))
    assert notices(azure) == ["render-1 opened", "render-1 unknown"]
    assert "was not answered" in problems(azure)
    azure.run_until(at("12:00"))
    assert 12 <= azure.recovery().attempts <= 24
    assert starts(azure) == []
    azure.script.forget()
    azure.run_until(at("13:00"))
    assert vm.power_state == "running"
    assert outcomes(azure) == [Outcome.RESTORED]
    assert problems(azure) == ""


def test_an_outage_of_twenty_minutes_is_nobodys_business(new_azure: NewAzure) -> None:
    """ARM is out from 10:00 to 10:20: the VM comes back, and nobody is told that anybody is needed."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.script.next(RequestKind.VM_READ, LASTING["a broken service"], times=FOR_EVER)
    azure.world.evict("render-1")
    azure.run_until(at("10:20"))
    azure.script.forget()
    azure.run_until(at("11:00"))
    assert vm.power_state == "running"
    assert "blocked" not in str(notices(azure))
    assert problems(azure) == ""


def test_a_look_that_concerns_no_recovery_is_named_too(new_azure: NewAzure) -> None:
    """Nothing is evicted, but what events tell of other VMs cannot be looked into: named by 11:00, until it can."""
    azure = new_azure(sweep_every=timedelta(days=1))
    azure.add_vm(tags={})
    azure.script.next(RequestKind.GRAPH, LASTING["a request that is wrong"], times=FOR_EVER)
    azure.world.stop_by_owner("render-1")
    azure.run_until(at("11:00"))
    assert "the app is not let look at VMs" in problems(azure)
    azure.script.forget()
    azure.run_until(at("11:40"))
    assert problems(azure) == ""


@pytest.mark.parametrize("why", ["a request that is wrong", "a missing right", "silence"])
def test_a_sweep_that_never_ends_well_is_named(why: str, new_azure: NewAzure) -> None:
    """Resource Graph refuses each sweep from 10:15 on: named by 11:00, and no more once one ended well."""
    azure = new_azure()
    azure.add_vm()
    azure.script.next(RequestKind.GRAPH, LASTING[why], times=FOR_EVER)
    azure.run_until(at("10:40"))
    assert problems(azure) == ""
    azure.run_until(at("11:00"))
    assert "no sweep has come to its end" in problems(azure)
    azure.script.forget()
    azure.run_until(at("11:16"))
    assert problems(azure) == ""


def test_what_the_topic_does_not_take_for_an_hour_is_named(new_azure: NewAzure) -> None:
    """Restored at 10:00:30, of which nobody is told: named by 11:00, and no more once the topic takes it."""
    azure = new_azure()
    azure.add_vm()
    azure.script.next(RequestKind.OUTCOME, refused(DENIED), times=FOR_EVER)
    azure.world.evict("render-1")
    azure.run_until(at("10:20"))
    assert problems(azure) == ""
    azure.run_until(at("11:00"))
    assert "the outcomes topic does not take what is to be told" in problems(azure)
    azure.script.forget()
    azure.run_until(at("11:16"))
    assert problems(azure) == ""
    assert outcomes(azure) == [Outcome.RESTORED]


def test_a_deallocation_that_does_not_end_is_named(new_azure: NewAzure) -> None:
    """Evicted at 10:00 and deallocating ever since: named by 11:00; explain says so as well."""
    azure = new_azure(durations=Durations(deallocation=timedelta(days=1)))
    vm = azure.add_vm()
    azure.world.evict("render-1")
    azure.run_until(at("10:25"))
    assert problems(azure) == ""
    azure.run_until(at("11:00"))
    assert "render-1: it is still deallocating" in problems(azure)
    assert notices(azure).count("render-1 blocked") == 1
    explained = azure.do(gather_explanation(VmId.parse(vm.vm_id), azure.ports(), azure.settings, azure.now))
    assert explained.needs_you
    assert any("spot-responder doctor" in line for line in explained.advice)


def test_a_vm_that_an_operator_holds_needs_nobody_else(new_azure: NewAzure) -> None:
    """Held, and its deallocation does not end: the operator knows."""
    azure = new_azure(durations=Durations(deallocation=timedelta(days=1)))
    vm = azure.add_vm()
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    azure.do(hold(azure.ports().store, VmId.parse(vm.vm_id), azure.now, lambda: "hold"))
    azure.run_until(at("11:30"))
    assert problems(azure) == ""
    assert "render-1 blocked" not in notices(azure)


def test_the_alarm_finds_each_of_them_and_nothing_of_a_quiet_day(new_azure: NewAzure) -> None:
    """A look, a sweep, a topic that fail for an hour: three rows of the alarm; before that, and without them, none."""
    azure = new_azure()
    azure.add_vm()
    logbook = Logbook()
    with logbook.written_by_the_app(lambda: azure.now):
        azure.run_until(at("10:10"))
        assert logbook.ask("alarm-lasting", azure.now) == []
        for request_kind in (RequestKind.VM_READ, RequestKind.OUTCOME):
            azure.script.next(request_kind, LASTING["a request that is wrong"], times=FOR_EVER)
        azure.world.evict("render-1")
        azure.run_until(at("11:10"))
        azure.script.next(RequestKind.GRAPH, LASTING["a request that is wrong"], times=FOR_EVER)
        azure.run_until(at("12:30"))
        found = {row["needs"] for row in logbook.ask("alarm-lasting", azure.now)}
    assert found >= {"blocked", "sweep", "publish"}


def test_a_sweep_that_dies_each_time_is_named(new_azure: NewAzure) -> None:
    """Nothing is raised, for the process is gone before: no sweep has come to its end since 10:15."""
    azure = new_azure()
    azure.add_vm()
    azure.script.next(RequestKind.GRAPH, DEATH_BEFORE, times=FOR_EVER)
    azure.run_until(at("11:00"))
    assert "no sweep has come to its end: the latest one did not come to its end" in problems(azure)


def test_a_table_of_notes_that_fails_keeps_no_sweep_from_its_work(new_azure: NewAzure) -> None:
    """The table health cannot be read or written: what no event told of is found and started all the same."""
    azure = new_azure()
    azure.add_vm()
    azure.script.lost = lambda _: True
    no_table = refused(Refused(404, "TableNotFound", "The table specified does not exist."))
    for request_kind in (RequestKind.ROW_READ, RequestKind.ROW_WRITE):
        azure.script.next(request_kind, no_table, about="health/", times=FOR_EVER)
    azure.world.evict("render-1")
    azure.run_until(at("10:20"))
    assert len(starts(azure)) == 1


def slow_looks(azure: StoryAzure) -> None:
    """Let each look take 40 s: too long for a start to rest on it."""
    azure.script.forget()
    for request_kind in (RequestKind.GRAPH, RequestKind.VM_READ):
        azure.script.next(request_kind, Fate(20.0), times=FOR_EVER)


@pytest.mark.parametrize("is_one_sent", [False, True])
def test_starts_that_are_not_sent_since_looks_take_too_long_are_named(
    is_one_sent: bool,  # noqa: FBT001 - a parameter of the test
    new_azure: NewAzure,
) -> None:
    """Resource Graph and ARM take 20 s each from 10:00 on, but once, when the start got no answer: named by 10:35."""
    azure = new_azure()
    azure.add_vm(power_state="deallocated")
    slow_looks(azure)
    azure.put(preempted("render-1"))
    azure.run_until(at("10:20"))
    if is_one_sent:
        azure.script.forget()
        azure.script.next(RequestKind.VM_START, Fate(arrives=False))
        azure.run_until(at("10:22"))
        slow_looks(azure)
        assert azure.recovery().attempts == 1
    azure.run_until(at("10:29"))
    assert notices(azure) == ["render-1 opened"]
    azure.run_until(at("10:35"))
    assert notices(azure) == ["render-1 opened", "render-1 blocked"]
    assert starts(azure) == []


@pytest.mark.parametrize("why", LASTING)
def test_a_stop_that_cannot_be_looked_into_is_not_overtaken_by_a_find_of_the_sweep(
    why: str, new_azure: NewAzure
) -> None:
    """Its owner's stop is told at 10:00, ARM refuses looks till 10:14: the sweep of 10:15 finds it, and lets it be."""
    azure = new_azure()
    vm = azure.add_vm(power_state="deallocated")
    azure.script.next(RequestKind.VM_READ, LASTING[why], times=FOR_EVER)
    azure.tell(ActionSucceeded(vm.vm_id, azure.now, DEALLOCATE, "owner@example.com"))
    azure.run_until(at("10:14"))
    azure.script.forget()
    azure.run_until(at("13:00"))
    assert starts(azure) == []
    assert outcomes(azure) == []


def test_the_note_of_a_stop_of_a_vm_that_is_not_covered_is_forgotten(new_azure: NewAzure) -> None:
    """It was written while nobody could look; the first look shows a VM without the tag."""
    azure = new_azure()
    vm = azure.add_vm(power_state="deallocated", tags={})
    azure.script.next(RequestKind.GRAPH, LASTING["a broken service"])
    azure.tell(ActionSucceeded(vm.vm_id, azure.now, DEALLOCATE, "owner@example.com"))
    azure.run_until(at("10:00:10"))
    assert azure.recovery().is_note_of_an_unseen_vm
    azure.run_until(at("10:10"))
    assert azure.storage.recoveries.rows == {}


def test_a_stop_that_was_noted_before_the_first_look_outlives_a_tag_that_was_off_for_a_while(
    new_azure: NewAzure,
) -> None:
    """Stopped at 10:00, when nobody could look; without its tag from 10:10, when it was seen, to 10:40: not started."""
    azure = new_azure()
    vm = azure.add_vm(power_state="deallocated")
    azure.script.next(RequestKind.GRAPH, LASTING["a broken service"])
    azure.tell(ActionSucceeded(vm.vm_id, azure.now, DEALLOCATE, "owner@example.com"))
    azure.run_until(at("10:00:10"))
    assert azure.recovery().is_note_of_an_unseen_vm
    azure.run_until(at("10:10"))
    azure.world.retag(vm.vm_id, {})
    azure.put(annotated("render-1", "VirtualMachinePreempted", at("09:58")))
    azure.run_until(at("10:40"))
    azure.world.retag(vm.vm_id, {"AttemptRestartAfterEviction": "true"})
    azure.run_until(at("12:00"))
    assert starts(azure) == []


@pytest.mark.parametrize(
    ("code", "need"),
    [("QuotaExceeded", "quota"), ("NeverSeenBefore", "unknown"), ("AnotherOperationInProgress", "conflict")],
)
def test_the_alarm_finds_starts_that_are_refused_at_once(code: str, need: str, new_azure: NewAzure) -> None:
    """Each start is refused by Compute's front, and none of them ever gets to an operation."""
    azure = new_azure()
    azure.add_vm()
    azure.script.next(RequestKind.VM_START, refused(Refused(409, code, "No.")), times=FOR_EVER)
    logbook = Logbook()
    with logbook.written_by_the_app(lambda: azure.now):
        azure.world.evict("render-1")
        azure.run_until(at("12:30"))
        assert need in {row["needs"] for row in logbook.ask("alarm-lasting", azure.now)}


def test_an_hourly_sweep_that_failed_once_is_not_said_to_fail_for_long(new_azure: NewAzure) -> None:
    """Silence at 11:00, none of it at 12:00: nothing is named in between."""
    azure = new_azure(sweep_every=timedelta(hours=1))
    azure.add_vm()
    azure.run_until(at("10:59"))
    azure.script.next(RequestKind.GRAPH, LASTING["silence"])
    azure.run_until(at("11:55"))
    assert problems(azure) == ""
    azure.run_until(at("12:05"))
    assert problems(azure) == ""


def test_what_failed_a_month_ago_is_another_story(new_azure: NewAzure) -> None:
    """A look that was let go a month ago left its note: the next one that is refused counts from its own time."""
    azure = new_azure()
    store, month = azure.ports().store, timedelta(days=30)
    azure.do(store.note_failing(Failing(Activity.LOOK, azure.now - month, azure.now - month, "then")))
    noted = azure.do(store.note_failing(Failing(Activity.LOOK, azure.now, azure.now, "now")))
    assert noted.since == azure.now


def test_an_answer_without_a_look_does_not_say_that_looks_succeed_again(new_azure: NewAzure) -> None:
    """No look is let through from 10:05, when build-1 is started: named from 10:36 on, whatever else is answered.

    render-1 is evicted at 10:12. At 10:42 one of the two events opens its recovery; the other has nothing new to say.
    """
    azure = new_azure()
    azure.add_vm("build-1")
    azure.add_vm("render-1")
    azure.world.stop_by_owner("build-1")
    azure.run_until(at("10:05"))
    azure.script.next(RequestKind.VM_READ, LASTING["a broken service"], times=FOR_EVER)
    azure.world.start(azure.world.machine("build-1"), OWNER)
    azure.run_until(at("10:12"))
    azure.world.evict("render-1")
    azure.run_until(at("10:36"))
    for minute in range(37, 60):
        azure.run_until(at(f"10:{minute}"))
        assert [failing.activity for failing in azure.do(azure.ports().store.failing())] == [Activity.LOOK]
    azure.script.forget()
    azure.run_until(at("12:15"))
    assert azure.do(azure.ports().store.failing()) == []


def test_a_vm_that_nobody_has_seen_is_not_told_as_a_recovery_that_was_opened(new_azure: NewAzure) -> None:
    """Evicted, and never let look at: it may be none that is covered. Only that it is blocked is told."""
    azure = new_azure()
    azure.add_vm(tags={})
    azure.script.next(RequestKind.GRAPH, LASTING["a broken service"], times=FOR_EVER)
    azure.world.evict("render-1")
    azure.run_until(at("10:45"))
    assert notices(azure) == ["render-1 blocked"]


def test_a_slow_down_of_a_day_is_named_at_once(new_azure: NewAzure) -> None:
    """One look is answered "come back in a day": known by 10:15, though nobody asks Azure again before that."""
    azure = new_azure()
    azure.add_vm()
    day = Refused(429, "ResourceRequestsThrottled", "Too many requests.", {"Retry-After": "86400"})
    azure.script.next(RequestKind.VM_READ, refused(day))
    azure.world.evict("render-1")
    azure.run_until(at("10:31"))
    assert "ResourceRequestsThrottled" in problems(azure)
    assert "render-1 blocked" in notices(azure)


def test_a_dry_run_that_may_not_look_breeds_no_messages(new_azure: NewAzure) -> None:
    """The role is missing for twelve hours, in which the sweep finds the VM again and again."""
    azure = new_azure(dry_run=True)
    azure.add_vm(power_state="deallocated")
    azure.script.next(RequestKind.VM_READ, LASTING["a missing right"], times=FOR_EVER)
    azure.run_until(at("22:00"))
    assert len(azure.messages) <= 1


def test_neither_looks_nor_rows_for_hours_breed_no_messages(new_azure: NewAzure) -> None:
    """ARM refuses, and no row of a VM can be written: a handful of messages for each VM, however long it takes."""
    azure = new_azure()
    for number in range(5):
        azure.add_vm(f"vm-{number}", power_state="deallocated")
    azure.script.next(RequestKind.VM_READ, LASTING["a broken service"], times=FOR_EVER)
    broken = refused(Refused(503, "ServerBusy", "busy"))
    azure.script.next(RequestKind.ROW_WRITE, broken, about="recoveries/", times=FOR_EVER)
    azure.run_until(at("18:00"))
    assert len(azure.messages) <= 15


def test_only_refusals_in_a_row_say_that_the_topic_fails(new_azure: NewAzure) -> None:
    """Six outcomes are left to the sweep of 10:15; the topic takes each third of them: all six are tried."""
    azure = new_azure()
    azure.script.next(RequestKind.OUTCOME, refused(DENIED), times=12)
    for number in range(6):
        azure.add_vm(f"render-{number}")
        azure.world.evict(f"render-{number}")
    azure.run_until(at("10:10"))
    assert (len(azure.history), azure.storage.heard) == (6, [])
    for _ in range(2):
        azure.script.next(RequestKind.OUTCOME, refused(DENIED), times=2)
        azure.script.next(RequestKind.OUTCOME)
    azure.run_until(at("10:16"))
    assert outcomes(azure) == [Outcome.RESTORED] * 2


def test_what_is_out_for_three_days_is_still_named(new_azure: NewAzure) -> None:
    """Nothing is published any more of an outcome that is older than two days: the topic is out all the same."""
    azure = new_azure()
    azure.add_vm()
    azure.script.next(RequestKind.OUTCOME, refused(DENIED), times=FOR_EVER)
    azure.world.evict("render-1")
    azure.run_until(at("10:00") + timedelta(days=3, hours=12))
    assert "the outcomes topic does not take" in problems(azure)


def unreadable() -> None:
    """Raise what the SDK does at a body that is not what its headers say."""
    message = "Error -3 while decompressing data: incorrect header check"
    raise zlib.error(message)


def test_answers_that_nobody_can_read_are_refusals(new_azure: NewAzure) -> None:
    """Each look brings rubbish: requeued, named by 10:32, and no message is given up."""
    azure = new_azure()
    azure.add_vm()
    azure.script.next(RequestKind.VM_READ, meanwhile=unreadable, times=FOR_EVER)
    azure.world.evict("render-1")
    azure.run_until(at("10:32"))
    assert "UnreadableAnswer" in problems(azure)
    assert azure.storage.poison == []


def test_a_history_that_cannot_be_written_keeps_no_vm_from_the_sweep(new_azure: NewAzure) -> None:
    """One recovery cannot be recorded, and another VM's events are lost: it runs after the sweep of 10:15."""
    azure = new_azure()
    azure.add_vm("render-1")
    other = azure.add_vm("render-2")
    azure.script.next(RequestKind.ROW_WRITE, refused(DENIED), about="history/", times=FOR_EVER)
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    azure.script.lost = lambda happening: "render-2" in repr(happening)
    azure.world.evict("render-2")
    azure.run_until(at("10:20"))
    assert other.power_state == "running"
    azure.run_until(at("11:00"))
    assert "sweep" in problems(azure)
