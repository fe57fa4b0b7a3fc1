"""The promises' limits as stories: what nobody knows of Azure, a look that grew old, messages that must not breed."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from localazure.virtual.wire import Fate, RequestKind
from localazure.world.azure_errors import Refused
from localazure.world.happenings import ActionSucceeded, AvailabilityChanged
from localazure.world.vm_lifecycle import DEALLOCATE
from spot_responder.decisions.outcomes import Outcome
from spot_responder.decisions.policy import Policy
from spot_responder.decisions.publishing.published_events import CLOSED_TYPE
from spot_responder.intake.own_messages import operator_asked_event
from spot_responder.intake.vms import VmId
from tests.harness.makers import TEN, at
from tests.harness.stories import DENIED, TAG, outcomes, preempted, refused, starts

if TYPE_CHECKING:
    from datetime import datetime

    from tests.harness.stories import NewAzure

DAY = timedelta(days=1)
ALWAYS = 10_000
UNAVAILABLE = refused(Refused(503, "ServerBusy", "The server is busy."))
BOTH = ("VirtualMachinePreempted", "VirtualMachineDeallocationInitiated")


# What Azure annotates an eviction with: nobody has seen it.


@pytest.mark.parametrize("readings", [BOTH, tuple(reversed(BOTH))])
def test_an_eviction_that_is_annotated_as_an_owners_stop_too_is_an_eviction(
    readings: tuple[str, ...], new_azure: NewAzure
) -> None:
    """In whichever order the two are told: it comes back after one start."""
    azure = new_azure()
    azure.world.eviction_annotations = readings
    azure.add_vm()
    azure.world.evict("render-1")
    azure.run_until(at("10:20"))
    assert len(starts(azure)) == 1
    assert outcomes(azure)[-1] is Outcome.RESTORED


def test_where_evictions_look_like_stops_an_owners_own_stop_still_counts(new_azure: NewAzure) -> None:
    """Evicted without capacity at ten, stopped by its owner at 10:20: it stays down when there is capacity again."""
    azure = new_azure()
    azure.world.eviction_annotations = BOTH
    vm = azure.add_vm()
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.world.evict("render-1")
    azure.run_until(at("10:20"))
    azure.world.stop_by_owner("render-1")
    azure.run_until(at("10:21"))
    azure.world.set_capacity(azure.pool_key(), None)
    azure.run_until(at("14:00"))
    assert vm.power_state == "deallocated"
    assert outcomes(azure) == [Outcome.STOPPED_BY_OWNER]


@pytest.mark.parametrize("all_events_lost", [False, True])
def test_an_eviction_that_is_not_annotated_at_all_is_answered(
    all_events_lost: bool,  # noqa: FBT001 - pytest's
    new_azure: NewAzure,
) -> None:
    """Its status event tells that it is down, or the sweep finds it; a minute is left for an owner's word."""
    azure = new_azure()
    azure.world.eviction_annotations = ()
    vm = azure.add_vm()
    azure.script.lost = lambda _: all_events_lost
    azure.world.evict("render-1")
    azure.run_until(at("10:20"))
    assert vm.power_state == "running"
    assert len(starts(azure)) == 1
    assert starts(azure)[0] >= "10:01"


def test_where_evictions_are_not_annotated_an_owners_stop_still_counts(new_azure: NewAzure) -> None:
    """Its owner stops it: nothing starts it, for a day."""
    azure = new_azure()
    azure.world.eviction_annotations = ()
    azure.add_vm()
    azure.world.stop_by_owner("render-1")
    azure.run_until(TEN + DAY)
    assert starts(azure) == []


# Safe.


def test_a_start_whose_look_grew_old_is_not_sent(new_azure: NewAzure) -> None:
    """Storage takes 31 s between look and start, and its owner takes the tag off meanwhile: obeyed."""
    azure = new_azure()
    azure.add_vm(power_state="deallocated")
    slow = Fate(31.0)
    azure.script.next(
        RequestKind.ROW_WRITE, slow, about="recoveries/", meanwhile=lambda: azure.world.retag("render-1", {})
    )
    azure.put(preempted("render-1"))
    azure.run_until(at("10:10"))
    assert starts(azure) == []
    assert outcomes(azure) == [Outcome.OPTED_OUT]


@pytest.mark.parametrize("request_kind", [RequestKind.GRAPH, RequestKind.VM_READ])
def test_a_stop_that_could_not_be_looked_into_at_first_comes_before_a_start(
    request_kind: RequestKind, new_azure: NewAzure
) -> None:
    """Its owner stopped it; the look fails once, and then health tells that it is down: he is heard in time."""
    azure = new_azure()
    machine = azure.add_vm()
    azure.script.lag = timedelta(minutes=5)
    azure.script.lost = lambda happening: not isinstance(happening, ActionSucceeded)
    azure.world.stop_by_owner("render-1")
    azure.run_until(at("10:00:12"))
    azure.script.next(request_kind, UNAVAILABLE)
    azure.run_until(at("10:00:20"))
    azure.tell(AvailabilityChanged(machine.vm_id, azure.now, "Available", "Unavailable"))
    azure.run_until(at("10:30"))
    assert starts(azure) == []


def test_a_stop_is_noted_where_it_cannot_be_looked_into(new_azure: NewAzure) -> None:
    """Evicted, no capacity, stopped by its owner while Resource Graph is out: the next start is not sent."""
    azure = new_azure()
    azure.add_vm()
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.world.evict("render-1")
    azure.run_until(at("10:20"))
    before = starts(azure)
    azure.script.lost = lambda happening: not isinstance(happening, ActionSucceeded)
    azure.script.lag = timedelta(hours=2)
    azure.script.next(RequestKind.GRAPH, UNAVAILABLE)
    azure.world.stop_by_owner("render-1")
    azure.run_until(azure.now + timedelta(seconds=3))
    assert azure.recovery().evidence.owner_stopped_at is not None
    azure.world.set_capacity(azure.pool_key(), None)
    azure.run_until(at("12:00"))
    assert starts(azure) == before


def test_a_start_that_was_withdrawn_is_sent_after_the_next_look(new_azure: NewAzure) -> None:
    """Storage takes 31 s once: the second look is young enough, and one start is counted."""
    azure = new_azure()
    azure.add_vm(power_state="deallocated")
    azure.script.next(RequestKind.ROW_WRITE, Fate(31.0), about="recoveries/")
    azure.put(preempted("render-1"))
    azure.run_until(at("10:10"))
    assert len(starts(azure)) == 1
    assert [closed.attempts for closed in azure.history] == [1]


def test_an_owners_stop_that_we_may_not_look_into_is_kept(new_azure: NewAzure) -> None:
    """Stopped at 10:20 while our right to look is missing; it is back within the hour: the stop is obeyed then."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.world.evict("render-1")
    azure.run_until(at("10:20"))
    azure.script.next(RequestKind.VM_READ, refused(DENIED), times=ALWAYS)
    azure.world.stop_by_owner("render-1")
    azure.run_until(at("10:50"))
    azure.script.forget()
    azure.run_until(at("11:30"))
    azure.world.set_capacity(azure.pool_key(), None)
    azure.run_until(at("16:00"))
    assert vm.power_state == "deallocated"
    assert outcomes(azure) == [Outcome.STOPPED_BY_OWNER]


def test_a_stop_that_we_may_never_look_into_is_let_go_after_a_day(
    caplog: pytest.LogCaptureFixture, new_azure: NewAzure
) -> None:
    """The right is missing for good: the message comes back each hour, and on the second day no more."""
    azure = new_azure(sweep_every=10 * DAY)
    azure.add_vm(power_state="deallocated")
    azure.script.next(RequestKind.VM_READ, refused(DENIED), times=ALWAYS)
    azure.tell(ActionSucceeded(azure.world.machine("render-1").vm_id, TEN, DEALLOCATE, "owner@example.com"))
    azure.run_until(TEN + timedelta(hours=23))
    assert len(azure.messages) == 1
    azure.run_until(TEN + timedelta(hours=26))
    assert azure.messages == []
    assert any('"event": "let go"' in line for line in caplog.messages)


# Polite.


def test_no_mixture_of_failures_gets_a_vm_asked_for_more_often_than_its_budget(new_azure: NewAzure) -> None:
    """Busy, unknown, busy again: each delay is a first one; after twelve requests within an hour it waits."""
    azure = new_azure()
    azure.add_vm(power_state="deallocated")
    for _ in range(100):
        azure.script.next(RequestKind.VM_START, refused(Refused(409, "AnotherOperationInProgress", "no")))
        azure.script.next(RequestKind.VM_START, refused(Refused(500, "NeverSeenBefore", "no")))
    azure.put(preempted("render-1"))
    azure.run_until(at("10:55"))
    assert azure.recovery().reason.startswith("its budget: 12 start requests within an hour")
    assert azure.recovery().attempts == 12
    azure.run_until(at("11:59"))
    assert azure.recovery().attempts <= 24


def test_a_budget_may_be_set(new_azure: NewAzure) -> None:
    """Two an hour: the third waits until an hour after the first."""
    azure = new_azure(Policy(starts_per_hour=2))
    azure.add_vm(power_state="deallocated")
    for _ in range(10):
        azure.script.next(RequestKind.VM_START, refused(Refused(500, "NeverSeenBefore", "no")))
    azure.put(preempted("render-1"))
    azure.run_until(at("10:59"))
    assert azure.recovery().attempts == 2
    azure.run_until(at("11:00:30"))
    assert azure.recovery().attempts == 3


@pytest.mark.parametrize(
    "request_kind", [RequestKind.ROW_WRITE, RequestKind.ROW_READ, RequestKind.GRAPH, RequestKind.VM_READ]
)
def test_messages_do_not_breed_in_an_outage(request_kind: RequestKind, new_azure: NewAzure) -> None:
    """Requests of one kind are refused for two hours: a handful of messages, and then it comes back."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.world.evict("render-1")
    azure.run_until(at("10:03"))
    azure.script.next(request_kind, UNAVAILABLE, times=ALWAYS)
    most = 0
    for minutes in range(0, 120, 5):
        azure.run_until(at("10:03") + timedelta(minutes=minutes))
        most = max(most, len(azure.messages))
    azure.script.forget()
    azure.world.set_capacity(azure.pool_key(), None)
    azure.run_until(at("12:40"))
    assert vm.power_state == "running"
    assert most <= 6


def test_a_stop_that_cannot_be_looked_into_is_no_reason_to_hammer(new_azure: NewAzure) -> None:
    """Resource Graph is throttled for an hour, with "in 5 s" each time: asked every minute or two, not every 5 s."""
    azure = new_azure()
    azure.add_vm()
    slow_down = {"x-ms-user-quota-remaining": "0", "x-ms-user-quota-resets-after": "00:00:05"}
    azure.script.next(
        RequestKind.GRAPH, refused(Refused(429, "RateLimiting", "Too many requests.", slow_down)), times=ALWAYS
    )
    azure.world.stop_by_owner("render-1")
    azure.run_until(at("11:00"))
    assert azure.app.handled <= 100
    azure.script.forget()
    azure.run_until(at("11:30"))
    assert azure.messages == []


@pytest.mark.parametrize(("status", "code"), [(429, "TooManyRequests"), (503, "ServerBusy")])
def test_an_operators_try_does_not_outrun_azures_slow_down(status: int, code: str, new_azure: NewAzure) -> None:
    """Not before 10:20, says Azure; an operator asks for a try at 10:05: the VM is asked for at 10:20."""
    azure = new_azure()
    vm = azure.add_vm(power_state="deallocated")
    azure.script.next(RequestKind.VM_START, refused(Refused(status, code, "no", {"Retry-After": "1200"})))
    azure.put(preempted("render-1"))
    azure.run_until(at("10:05"))
    # Another process, which knows nothing of the pace of the one before.
    azure.redeploy(dry_run=False)
    azure.put(operator_asked_event(VmId.parse(vm.vm_id), azure.now, "retry-1"))
    azure.run_until(at("10:19"))
    assert len(starts(azure)) == 0
    azure.run_until(at("10:30"))
    assert len(starts(azure)) == 1


def test_a_slow_down_outlives_its_recovery(new_azure: NewAzure) -> None:
    """Throttled for an hour at ten; the tag goes, comes back, and the app is deployed anew: asked for at eleven."""
    azure = new_azure()
    azure.add_vm(power_state="deallocated")
    azure.script.next(RequestKind.VM_START, refused(Refused(429, "TooManyRequests", "no", {"Retry-After": "3600"})))
    azure.put(preempted("render-1"))
    azure.run_until(at("10:05"))
    azure.world.retag("render-1", {})
    azure.put(preempted("render-1"))
    azure.run_until(at("10:06"))
    assert outcomes(azure) == [Outcome.OPTED_OUT]
    azure.world.retag("render-1", TAG)
    azure.redeploy(dry_run=False)
    azure.run_until(at("10:59"))
    assert starts(azure) == []
    azure.run_until(at("11:20"))
    assert len(starts(azure)) == 1


def test_the_budget_is_the_vms_and_not_the_recoverys(new_azure: NewAzure) -> None:
    """Two requests an hour: both used up by ten past; the tag goes and comes back, and nothing is asked before 11."""
    azure = new_azure(Policy(starts_per_hour=2))
    azure.add_vm(power_state="deallocated")
    busy = refused(Refused(409, "AnotherOperationInProgress", "no"))
    azure.script.next(RequestKind.VM_START, busy, times=2, meanwhile=lambda: asked.append(azure.now))
    asked: list[datetime] = []
    azure.put(preempted("render-1"))
    azure.run_until(at("10:10"))
    azure.world.retag("render-1", {})
    azure.put(preempted("render-1"))
    azure.run_until(at("10:11"))
    azure.world.retag("render-1", TAG)
    azure.run_until(asked[0] + timedelta(minutes=59))
    assert (len(asked), starts(azure), outcomes(azure)) == (2, [], [Outcome.OPTED_OUT])
    azure.run_until(at("11:30"))
    assert len(starts(azure)) == 1


def test_a_gate_that_hundreds_passed_still_fits_its_row(new_azure: NewAzure) -> None:
    """600 VMs with long names, no capacity for an hour, then for all: the gate is written, and they all come back."""
    azure = new_azure()
    names = [f"render-worker-node-{'n' * 40}-{number:03d}" for number in range(600)]
    for name in names:
        azure.add_vm(name)
    azure.world.set_capacity(azure.pool_key(names[0]), 0)
    for name in names:
        azure.world.evict(name)
    azure.run_until(at("11:00"))
    azure.world.set_capacity(azure.pool_key(names[0]), None)
    azure.run_until(at("11:40"))
    assert {azure.world.machine(name).power_state for name in names} == {"running"}
    assert azure.failures == []


# Told.


def test_an_outcome_that_the_topic_never_takes_holds_up_no_other(new_azure: NewAzure) -> None:
    """Three VMs are back; the outcome of the first is too much for the topic, each time."""
    azure = new_azure()
    for name in ("first", "second", "third"):
        azure.add_vm(name)
        azure.world.evict(name)
    azure.run_until(at("10:00:20"))
    azure.script.next(RequestKind.OUTCOME, UNAVAILABLE, times=3)
    azure.run_until(at("10:02"))
    first = azure.history[0].recovery_id
    azure.script.next(
        RequestKind.OUTCOME, refused(Refused(413, "RequestEntityTooLarge", "no")), about=first, times=ALWAYS
    )
    azure.run_until(at("10:20"))
    assert outcomes(azure) == [Outcome.RESTORED] * 2


def test_a_recovery_that_could_not_be_told_is_told_though_the_next_one_begins(new_azure: NewAzure) -> None:
    """The topic is out when the VM runs again at 10:01; it is evicted once more at 10:02, before any sweep."""
    azure = new_azure()
    azure.add_vm()
    azure.world.evict("render-1")
    azure.run_until(at("10:00:20"))
    azure.script.next(RequestKind.OUTCOME, UNAVAILABLE)
    azure.run_until(at("10:02"))
    assert outcomes(azure) == []
    azure.world.evict("render-1")
    azure.run_until(at("10:20"))
    assert outcomes(azure) == [Outcome.RESTORED, Outcome.RESTORED]
    assert len({event.id for event in azure.storage.heard if event.type == CLOSED_TYPE}) == 2


def test_an_event_path_that_is_silent_is_told(caplog: pytest.LogCaptureFixture, new_azure: NewAzure) -> None:
    """No event arrives any more; three VMs are evicted: the sweep brings them back, and the next one says why."""
    caplog.set_level(logging.INFO)
    azure = new_azure()
    azure.script.lost = lambda _: True
    for number in range(3):
        azure.add_vm(f"vm-{number}")
        azure.world.evict(f"vm-{number}")
    azure.run_until(at("10:31"))
    assert outcomes(azure) == 3 * [Outcome.RESTORED]
    (line,) = [line for line in caplog.messages if '"event path silent"' in line]
    assert '"vms": 3' in line


def test_a_request_in_line_behind_a_throttled_one_is_not_sent_on_an_old_look(new_azure: NewAzure) -> None:
    """Three at once; the first is told 429 and to wait four minutes; their owner untags them after one: obeyed."""
    azure = new_azure()
    names = [f"vm-{number}" for number in range(3)]
    for name in names:
        azure.add_vm(name, power_state="deallocated")
    too_many = Refused(429, "ResourceRequestsThrottled", "Too many requests.", {"Retry-After": "240"})
    azure.script.next(RequestKind.VM_START, Fate(0.05, refusal=too_many))
    for name in names:
        azure.put(preempted(name))
    azure.run_until(at("10:01"))
    for name in names:
        azure.world.retag(name, {})
    azure.run_until(at("10:20"))
    assert [starts(azure, name) for name in names] == [[], [], []]
    assert outcomes(azure) == 3 * [Outcome.OPTED_OUT]


@pytest.mark.parametrize("retry_after_s", [0, 1200], ids=["no Retry-After", "Retry-After of 20 min"])
def test_what_is_told_meanwhile_cuts_no_pause_short(retry_after_s: int, new_azure: NewAzure) -> None:
    """Refused for its price at ten; a doubled event comes while ARM tells no power state: not asked before eleven."""
    azure = new_azure()
    azure.add_vm(power_state="deallocated")
    headers = {"Retry-After": str(retry_after_s)} if retry_after_s else {}
    price = Refused(409, "SpotPriceGreaterThanProvidedMaxPrice", "too high", headers)
    azure.script.next(RequestKind.VM_START, refused(price))
    azure.put(preempted("render-1"))
    azure.run_until(at("10:01"))
    azure.script.tells_power_state = False
    azure.put(preempted("render-1") | {"id": "doubled"})
    azure.run_until(at("10:02"))
    azure.script.tells_power_state = True
    azure.run_until(at("10:59"))
    assert azure.recovery().attempts == 1
    azure.run_until(at("11:10"))
    assert azure.recovery().outcome is Outcome.RESTORED


# What strangers broke.


def test_a_vm_that_is_refused_by_its_own_fault_does_not_keep_its_pool_closed(new_azure: NewAzure) -> None:
    """One VM is told "no capacity" for hours, whatever capacity there is: three others are back within the hour."""
    azure = new_azure()
    bad = azure.add_vm("bad", power_state="deallocated")
    own_fault = Refused(409, "OverconstrainedAllocationRequest", "no")
    azure.script.next(RequestKind.VM_START, refused(own_fault), about=bad.vm_id, times=ALWAYS)
    azure.put(preempted("bad"))
    azure.run_until(at("11:00"))
    others = [azure.add_vm(f"good-{number}") for number in range(3)]
    for vm in others:
        azure.world.evict(vm.name)
    azure.run_until(at("12:00"))
    assert [vm.power_state for vm in others] == 3 * ["running"]


def test_an_owners_stop_told_while_arm_is_out_is_obeyed_when_it_is_back(new_azure: NewAzure) -> None:
    """Stopped at 10:20, while ARM shows no VM until 10:50; then there is capacity too: it stays down."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.world.evict("render-1")
    azure.run_until(at("10:20"))
    azure.script.next(RequestKind.VM_READ, UNAVAILABLE, times=ALWAYS)
    azure.world.stop_by_owner("render-1")
    azure.run_until(at("10:50"))
    azure.script.forget()
    azure.world.set_capacity(azure.pool_key(), None)
    azure.run_until(at("13:00"))
    assert vm.power_state == "deallocated"
    assert outcomes(azure) == [Outcome.STOPPED_BY_OWNER]


def test_a_vm_that_left_its_pool_is_not_queued_there_for_long(new_azure: NewAzure) -> None:
    """Two wait for a pool without capacity; one is resized into another pool at 11:00: it runs within half an hour."""
    azure = new_azure()
    vms = [azure.add_vm(f"vm-{number}") for number in range(2)]
    azure.world.set_capacity(azure.pool_key("vm-0"), 0)
    for vm in vms:
        azure.world.evict(vm.name)
    azure.run_until(at("11:00"))
    for vm in vms:
        vm.size = "Standard_D4s_v5"
    azure.run_until(at("11:35"))
    assert [vm.power_state for vm in vms] == 2 * ["running"]


def test_a_gate_that_another_release_wrote_keeps_nobody_queued(new_azure: NewAzure) -> None:
    """Its row lacks what this release writes: it is taken as a new one, and written anew."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.storage.pools.write(
        {"PartitionKey": vm.subscription_id, "RowKey": "westeurope||standard_d2s_v5", "width": 1, "under_way": "{}"}
    )
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    assert outcomes(azure) == [Outcome.RESTORED]
