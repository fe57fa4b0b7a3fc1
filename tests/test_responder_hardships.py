"""Crashes, lost messages, throttled and denied looks, wrong clocks, and an owner who changes his mind meanwhile."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import timedelta

import pytest

from localazure.happenings import ActionSucceeded, Annotated
from localazure.moves import DEALLOCATE
from localazure.world import Durations
from spot_responder.clients.rows import recovery_from_row, recovery_key, recovery_row
from spot_responder.doors import AzureRefusedError, ChangedMeanwhileError
from spot_responder.failures import FailureKind
from spot_responder.messages import follow_up_event
from spot_responder.policy import Policy, RestartWhen
from spot_responder.recoveries import AttemptState, Outcome, Recovery
from spot_responder.signals import UnreadableEvent
from spot_responder.vms import VmId
from tests.makers import TEN, at, failure
from tests.stories import outcomes, preempted, starts
from tests.virtual_azure import TAG, VirtualAzure, run

MINUTE = timedelta(minutes=1)


def test_a_crash_between_request_and_answer_is_noticed_and_nothing_is_started_twice() -> None:
    """We die after Azure took the request: the follow-up put before it finds the VM running."""
    azure = VirtualAzure()
    vm = azure.add_vm()
    azure.compute.answers_lost = 1
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    assert vm.power_state == "running"
    assert len(starts(azure)) == 1
    assert outcomes(azure) == [Outcome.RESTORED]


def test_the_follow_up_put_before_a_start_finds_out_what_came_of_it() -> None:
    """We die after Azure took the request, and every event of the start is lost: told all the same, in two minutes."""
    azure = VirtualAzure()
    azure.add_vm()
    azure.compute.answers_lost = 1
    azure.world.evict("render-1")
    azure.run_until(at("10:00:10"))
    azure.lost = lambda _: True
    azure.run_until(at("10:03"))
    assert len(starts(azure)) == 1
    assert outcomes(azure) == [Outcome.RESTORED]


@pytest.mark.parametrize("crash", ["crashes_before_put", "crashes_after_put"])
@pytest.mark.parametrize("second", [2, 7, 12, 20, 35, 50])
def test_a_crash_around_any_message_we_put_costs_half_a_minute_and_no_sweep(crash: str, second: int) -> None:
    """We die just before or after a follow-up is put: the message that we were at comes back, and all goes on."""
    slow = Durations(deallocation=timedelta(seconds=40))
    azure = VirtualAzure(sweep_every=timedelta(days=1), durations=slow)
    vm = azure.add_vm()
    azure.world.refuse_next_start("render-1", "SkuNotAvailable", "not available")
    azure.world.evict("render-1")
    azure.run_until(TEN + timedelta(seconds=second))
    setattr(azure.queue, crash, 1)
    azure.run_until(at("10:06"))
    assert vm.power_state == "running"
    assert len(starts(azure)) == 2
    assert outcomes(azure) == [Outcome.RESTORED]


def test_a_follow_up_that_is_faster_than_the_row_it_belongs_to_is_looked_at(caplog: pytest.LogCaptureFixture) -> None:
    """Its row is saved right after it was put; if it comes before, a look does no harm."""
    caplog.set_level(logging.INFO)
    azure = VirtualAzure()
    azure.add_vm()
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.world.evict("render-1")
    azure.run_until(at("10:01"))
    case = azure.recovery()
    caplog.clear()
    azure.handle(follow_up_event(case.vm_id, case.sequence + 1, azure.world.now, "early"))
    azure.handle(follow_up_event(case.vm_id, case.sequence - 1, azure.world.now, "stale"))
    assert len([line for line in caplog.messages if '"event": "decision"' in line]) == 1


def test_a_start_that_is_never_answered_may_have_been_taken() -> None:
    """The network drops Azure's answer: nothing is asked for again before two minutes, and then it runs."""
    azure = VirtualAzure()
    azure.add_vm()
    azure.compute.silences = 1
    azure.world.evict("render-1")
    azure.run_until(at("10:00:20"))
    attempt = azure.recovery().attempt_under_way
    assert attempt is not None
    assert attempt.state is AttemptState.ASKED
    azure.run_until(at("10:05"))
    assert len(starts(azure)) == 1
    assert outcomes(azure) == [Outcome.RESTORED]


def test_an_answer_that_comes_after_the_case_was_closed_changes_nothing() -> None:
    """While we ask, another worker closes the case: the answer is dropped, and no move is unlawful."""
    azure = VirtualAzure()
    vm_id = VmId.parse(azure.add_vm(power_state="deallocated").vm_id)

    def close(recovery: Recovery) -> None:
        if recovery.attempt_under_way and recovery.attempt_under_way.operation_url:
            azure.tables.before_save = None
            row, _ = azure.tables.rows[recovery_key(vm_id)]
            closed = recovery_from_row(row).closed(Outcome.OPTED_OUT, azure.world.now, "by another worker")
            azure.tables.rows[recovery_key(vm_id)] = (recovery_row(closed.in_the_history()), "etag of another worker")

    azure.tables.before_save = close
    azure.handle(preempted("render-1"))
    assert azure.recovery().outcome is Outcome.OPTED_OUT


def test_a_start_by_others_is_noticed_soon_though_we_meant_to_wait_long() -> None:
    """We wait 15 minutes for capacity; somebody starts it meanwhile, of which only the beginning is told."""
    azure = VirtualAzure()
    vm = azure.add_vm()
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.world.evict("render-1")
    azure.run_until(at("10:40"))
    azure.world.set_capacity(azure.pool_key(), None)
    azure.lost = lambda happening: "StartInitiated" not in repr(happening)
    azure.world.start(vm, caller="owner@example.com")
    azure.run_until(azure.world.now + 5 * MINUTE)
    assert vm.power_state == "running"
    assert outcomes(azure) == [Outcome.RUNS_WITHOUT_US]


def test_an_outcome_is_told_though_we_die_before_telling_it() -> None:
    """The row is closed, and we die: the next sweep writes the history and publishes, once."""
    azure = VirtualAzure()
    azure.add_vm()
    azure.tables.crashes_before_history = 1
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    assert azure.tables.history == []
    azure.run_until(at("10:45"))
    assert [closed.outcome for closed in azure.tables.history] == [Outcome.RESTORED]
    assert outcomes(azure) == [Outcome.RESTORED]


def test_our_own_starts_echo_does_not_take_back_its_owners_stop() -> None:
    """No capacity; its owner deallocates it just before we ask, which is told just after; our start fails."""
    azure = VirtualAzure()
    azure.add_vm()
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.world.evict("render-1")
    azure.run_until(at("10:01:35"))
    azure.world.stop_by_owner("render-1")
    azure.run_until(at("10:10"))
    azure.world.set_capacity(azure.pool_key(), None)
    azure.run_until(at("11:00"))
    assert azure.world.machine("render-1").power_state == "deallocated"
    assert outcomes(azure) == [Outcome.STOPPED_BY_OWNER]


@pytest.mark.parametrize("first", ["weak", "firm"])
def test_an_owners_stop_counts_in_whatever_order_it_is_told(first: str) -> None:
    """Stopped by ARM at 10:00:01 and annotated at 10:00:05, told in either order; then the eviction of 9:59:58."""
    azure = VirtualAzure()
    vm_id = azure.add_vm(power_state="deallocated").vm_id
    firm = ActionSucceeded(vm_id, at("10:00:01"), DEALLOCATE, "owner@example.com")
    weak = Annotated(vm_id, at("10:00:05"), "VirtualMachineDeallocationInitiated")
    late = Annotated(vm_id, TEN - timedelta(seconds=2), "VirtualMachinePreempted")
    azure.run_until(at("10:00:10"))
    for happening in (weak, firm, late) if first == "weak" else (firm, weak, late):
        azure.world.tell(happening)
        azure.run_until(azure.world.now + timedelta(seconds=2))
    azure.run_until(at("12:00"))
    assert starts(azure) == []


def test_a_stop_told_in_a_dry_run_counts_afterwards() -> None:
    """DRY_RUN=true while its owner stops it; then the app goes live: it stays down."""
    azure = VirtualAzure(dry_run=True)
    vm = azure.add_vm()
    azure.lost = lambda happening: not isinstance(happening, ActionSucceeded)
    azure.world.stop_by_owner("render-1")
    azure.run_until(at("10:05"))
    live = replace(azure.responder, settings=replace(azure.responder.settings, dry_run=False))
    azure.responder = live
    vm.become(azure.world.now, annotation=None)
    azure.run_until(at("12:00"))
    assert starts(azure) == []


def test_an_eviction_without_a_time_keeps_the_time_of_its_first_arrival() -> None:
    """It is put back while Azure throttles; its owner stops the VM meanwhile; the eviction is no newer than that."""
    azure = VirtualAzure()
    azure.add_vm(power_state="deallocated")
    event = preempted("render-1")
    del event["time"], event["data"]["resourceInfo"]["properties"]["occurredTime"]  # type: ignore[index]
    throttled = failure(FailureKind.THROTTLED, retry_after=timedelta(minutes=2))
    azure.graph.failing.append(AzureRefusedError(throttled, "answer"))
    azure.handle(event)
    azure.world.stop_by_owner("render-1")
    azure.run_until(at("11:00"))
    assert starts(azure) == []


def test_finds_of_the_sweep_do_not_pile_up_while_azure_throttles() -> None:
    """Resource Graph refuses every look for a day: each sweep raises its hand anew, and the queue stays short."""
    azure = VirtualAzure()
    azure.add_vm(power_state="deallocated")
    throttled = AzureRefusedError(failure(FailureKind.THROTTLED), "answer")
    azure.compute.failing = [throttled] * 10_000
    azure.run_until(at("14:05"))
    assert len(azure.queue.messages) <= 1


def test_a_stop_of_a_vm_whose_tag_is_younger_than_the_graph_is_not_dropped() -> None:
    """Tagged at 10:01 and stopped by its owner at 10:02; the graph shows the tag at 10:11: it stays down."""
    azure = VirtualAzure()
    vm = azure.add_vm(tags={})
    azure.graph.lag = timedelta(minutes=10)
    azure.lost = lambda happening: not isinstance(happening, ActionSucceeded)
    azure.run_until(at("10:01"))
    azure.world.retag("render-1", TAG)
    azure.run_until(at("10:02"))
    azure.world.stop_by_owner("render-1")
    azure.run_until(at("10:05"))
    vm.become(azure.world.now, annotation=None)
    azure.run_until(at("12:00"))
    assert starts(azure) == []


def test_a_vm_of_the_same_name_that_is_made_anew_knows_nothing_of_the_old_ones_owner() -> None:
    """Stopped by its owner, deleted, and another one made: what was told of the old one is forgotten."""
    azure = VirtualAzure()
    azure.add_vm()
    azure.world.stop_by_owner("render-1")
    azure.run_until(at("10:05"))
    azure.world.delete("render-1")
    azure.queue.put_now(preempted("render-1"))
    azure.run_until(at("10:10"))
    assert azure.recovery().evidence.owner_stopped_at is None


def test_a_lost_follow_up_is_replaced_by_the_sweep() -> None:
    """No capacity, and the queue loses the follow-up: the next sweeps raise a hand."""
    azure = VirtualAzure()
    vm = azure.add_vm()
    azure.world.refuse_next_start("render-1", "AllocationFailed", "none")
    azure.world.evict("render-1")
    azure.run_until(at("10:00:30"))
    azure.queue.messages.clear()
    azure.run_until(at("10:20"))
    assert vm.power_state == "running"


def test_evidence_told_while_we_ask_does_not_cost_us_the_answer() -> None:
    """Between request and answer another worker adds evidence to the row: the answer is recorded all the same."""
    azure = VirtualAzure()
    azure.add_vm()
    vm_id = VmId.parse(azure.world.machine("render-1").vm_id)

    def meddle(recovery: Recovery) -> None:
        if recovery.attempt_under_way and recovery.attempt_under_way.operation_url:
            azure.tables.before_save = None
            row, _ = azure.tables.rows[recovery_key(vm_id)]
            azure.tables.rows[recovery_key(vm_id)] = (row, "etag of another worker")

    azure.tables.before_save = meddle
    azure.world.evict("render-1")
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.run_until(at("10:01"))
    attempt = azure.recovery().attempt
    assert attempt is not None
    assert attempt.failure is not None
    assert attempt.failure.code == "AllocationFailed"


def test_a_signal_without_a_time_counts_as_of_its_arrival() -> None:
    """CloudEvents need not carry a time: an eviction told without one is an eviction."""
    azure = VirtualAzure(Policy(restart_when=RestartWhen.EVICTED))
    azure.add_vm(power_state="deallocated")
    event = preempted("render-1")
    del event["time"], event["data"]["resourceInfo"]["properties"]["occurredTime"]  # type: ignore[index]
    azure.queue.put_now(event)
    azure.run_until(at("10:05"))
    assert len(starts(azure)) == 1


def test_a_signal_from_the_future_counts_as_of_now() -> None:
    """An eviction of the year 2099, forged or from a clock that is wrong, does not outweigh its owner's later stop."""
    azure = VirtualAzure()
    azure.add_vm()
    event = json.loads(json.dumps(preempted("render-1")).replace("2026-03-02T", "2099-03-02T"))
    azure.handle(event)
    azure.run_until(at("10:20"))
    azure.world.stop_by_owner("render-1")
    azure.run_until(at("14:00"))
    assert starts(azure) == []
    assert outcomes(azure) == [Outcome.RUNS_WITHOUT_US]


@pytest.mark.parametrize("minutes", [-5, 5])
def test_a_clock_that_is_wrong_by_minutes_turns_no_stop_into_an_eviction(minutes: int) -> None:
    """Evicted at 10:00 without capacity, stopped by its owner at 10:20: obeyed, though our clock is wrong."""
    azure = VirtualAzure()
    azure.add_vm()
    azure.responder = replace(azure.responder, clock=lambda: azure.world.now + minutes * MINUTE)
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.world.evict("render-1")
    azure.run_until(at("10:20"))
    azure.world.stop_by_owner("render-1")
    azure.run_until(at("10:21"))
    azure.world.set_capacity(azure.pool_key(), None)
    azure.run_until(at("13:00"))
    assert azure.world.machine("render-1").power_state == "deallocated"


def test_a_look_that_azure_throttles_is_taken_later_and_nothing_is_lost() -> None:
    """Resource Graph says 429, come back in 40 s: the signal is put back for so long."""
    azure = VirtualAzure()
    azure.add_vm(power_state="deallocated")
    throttled = failure(FailureKind.THROTTLED, retry_after=timedelta(seconds=40))
    azure.graph.failing.append(AzureRefusedError(throttled, "answer"))
    azure.queue.put_now(preempted("render-1"))
    azure.run_until(at("10:05"))
    assert starts(azure) == ["10:00:40"]


def test_a_look_that_gets_no_answer_is_taken_again_each_time_later() -> None:
    """ARM does not answer, twice: the signal is put back for a minute and a half, then for three."""
    azure = VirtualAzure()
    azure.add_vm(power_state="deallocated")
    azure.compute.failing.extend([AzureRefusedError(failure(FailureKind.UNKNOWN), "show")] * 2)
    azure.queue.put_now(preempted("render-1"))
    azure.run_until(at("10:05"))
    assert starts(azure) == ["10:04:30"]


def denied_looks(count: int) -> list[AzureRefusedError]:
    """Make ARM deny so many looks at a VM."""
    return [AzureRefusedError(failure(FailureKind.DENIED, "AuthorizationFailed"), "show the VM")] * count


def test_a_look_that_azure_denies_is_told_and_the_sweep_finds_the_vm_when_it_is_allowed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The role is missing at 10:00: one line says what to do; it is there at 10:15, and the sweep's find is started."""
    azure = VirtualAzure()
    azure.add_vm(power_state="deallocated")
    azure.compute.failing = denied_looks(1)
    azure.queue.put_now(preempted("render-1"))
    azure.run_until(at("10:14"))
    ((due_at, _, _),) = azure.queue.messages
    assert due_at == at("11:00")
    assert [line for line in caplog.messages if "infra/responder-role.json" in line and "AuthorizationFailed" in line]
    azure.lost = lambda _: True
    azure.run_until(at("10:20"))
    assert len(starts(azure)) == 1


def test_an_open_case_that_we_may_not_look_at_any_more_waits_slowly() -> None:
    """The role is taken away while we wait for capacity, and given back within the hour: the case goes on by itself."""
    azure = VirtualAzure()
    vm = azure.add_vm()
    azure.world.refuse_next_start("render-1", "SkuNotAvailable", "not available")
    azure.world.evict("render-1")
    azure.run_until(at("10:00:30"))
    azure.compute.failing = denied_looks(1)
    azure.run_until(at("11:05"))
    assert vm.power_state == "running"
    assert len(starts(azure)) == 2


def test_a_message_that_is_no_event_is_told_once_and_refused_each_time(caplog: pytest.LogCaptureFixture) -> None:
    """One line says why and what to do, at the first delivery; the host's later tries add none."""
    azure = VirtualAzure()
    for delivery in (1, 2, 3):
        with pytest.raises(UnreadableEvent):
            run(azure.responder.handle("garbage", delivery=delivery))
    (line,) = caplog.messages
    assert "the text is not JSON" in line
    assert "signals-poison" in line
    assert "read-event" in line


def test_an_outcome_that_cannot_be_told_keeps_no_case_open(caplog: pytest.LogCaptureFixture) -> None:
    """The topic is gone: the recovery closes, the history has it, and the log says what to check."""
    azure = VirtualAzure()
    azure.add_vm()
    azure.outcomes.failing.append(AzureRefusedError(failure(FailureKind.GONE), "publish an outcome"))
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    assert azure.recovery().outcome is Outcome.RESTORED
    assert [closed.outcome for closed in azure.tables.history] == [Outcome.RESTORED]
    assert any("OUTCOMES_TOPIC_ENDPOINT" in line for line in caplog.messages)


def test_a_row_that_never_holds_still_brings_the_message_back() -> None:
    """Others change the row each time before we save: nothing is started, and the host brings the message again."""
    azure = VirtualAzure()
    vm = azure.add_vm(power_state="deallocated")
    key = recovery_key(VmId.parse(vm.vm_id))
    azure.handle(preempted("render-1") | {"type": "SpotResponder.SweepFound", "data": {"vmId": vm.vm_id}})

    def meddle(_: Recovery) -> None:
        row, _etag = azure.tables.rows[key]
        azure.tables.rows[key] = (row, f"etag of another worker {next(azure.tables.etags)}")

    azure.tables.before_save = meddle
    with pytest.raises(ChangedMeanwhileError, match="changed 5 times"):
        azure.handle(preempted("render-1"))
    assert starts(azure) == []


def test_the_sweep_forgets_what_is_over_and_leaves_the_busy_alone() -> None:
    """A day after it came back its row is deleted; a VM that waits for its follow-up is not signalled again."""
    azure = VirtualAzure()
    azure.add_vm()
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    assert len(azure.tables.rows) == 1
    azure.run_until(TEN + timedelta(days=1, minutes=30))
    assert azure.tables.rows == {}
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.world.evict("render-1")
    azure.run_until(azure.world.now + 2 * MINUTE)
    before = len(azure.queue.messages)
    run(azure.responder.sweep())
    assert len(azure.queue.messages) == before
