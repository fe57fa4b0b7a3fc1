"""Crashes, lost messages, throttled and denied looks, wrong clocks, and an owner who changes his mind meanwhile."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from localazure.virtual.wire import RequestKind
from localazure.world.azure_errors import Refused
from localazure.world.durations import Durations
from localazure.world.happenings import ActionSucceeded, Annotated
from localazure.world.vm_lifecycle import DEALLOCATE
from spot_responder.clients.rows.table_rows import recovery_row
from spot_responder.decisions.attempts import AttemptState
from spot_responder.decisions.outcomes import Outcome
from spot_responder.decisions.policy import Policy, RestartWhen
from spot_responder.intake.own_messages import follow_up_event
from spot_responder.intake.payloads import UnreadableEvent
from tests.harness.makers import TEN, at
from tests.harness.stories import (
    DEATH_AFTER,
    DEATH_BEFORE,
    DENIED,
    NO_ANSWER,
    TAG,
    outcomes,
    preempted,
    refused,
    starts,
    touch,
)

if TYPE_CHECKING:
    from localazure.virtual.wire import Fate
    from tests.harness.stories import NewAzure

MINUTE = timedelta(minutes=1)


def throttled(resets_after: str) -> Refused:
    """Make Resource Graph's refusal to answer before its quota is there again."""
    headers = {"x-ms-user-quota-remaining": "0", "x-ms-user-quota-resets-after": resets_after}
    return Refused(429, "RateLimiting", "Too many requests.", headers)


def test_a_crash_between_request_and_answer_is_noticed_and_nothing_is_started_twice(new_azure: NewAzure) -> None:
    """We die after Azure took the request: the follow-up put before it finds the VM running."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.script.next(RequestKind.VM_START, DEATH_AFTER)
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    assert vm.power_state == "running"
    assert len(starts(azure)) == 1
    assert outcomes(azure) == [Outcome.RESTORED]


def test_the_follow_up_put_before_a_start_finds_out_what_came_of_it(new_azure: NewAzure) -> None:
    """We die after Azure took the request, and every event of the start is lost: told all the same, in two minutes."""
    azure = new_azure()
    azure.add_vm()
    azure.script.next(RequestKind.VM_START, DEATH_AFTER)
    azure.world.evict("render-1")
    azure.run_until(at("10:00:10"))
    azure.script.lost = lambda _: True
    azure.run_until(at("10:03"))
    assert len(starts(azure)) == 1
    assert outcomes(azure) == [Outcome.RESTORED]


@pytest.mark.parametrize(
    ("crash", "over_at"),
    [
        # The function fails, and the host brings the message again after half a minute …
        (refused(Refused(503, "ServerBusy", "The server is busy.")), "10:06"),
        # … where nothing is heard of the put, its client waits for half a minute first …
        (NO_ANSWER, "10:06"),
        # … and a process that dies keeps the message until its lease ends.
        (DEATH_BEFORE, "10:16"),
        (DEATH_AFTER, "10:16"),
    ],
)
@pytest.mark.parametrize("second", [2, 7, 12, 20, 35, 50], ids="10:00:{:02}".format)
def test_a_crash_around_any_message_we_put_brings_the_message_again_and_needs_no_sweep(
    crash: Fate, over_at: str, second: int, new_azure: NewAzure
) -> None:
    """We fail or die before or after a follow-up is put: the message that we were at comes back, and all goes on."""
    slow = Durations(deallocation=timedelta(seconds=40))
    azure = new_azure(sweep_every=timedelta(days=1), durations=slow)
    vm = azure.add_vm()
    azure.world.refuse_next_start("render-1", "SkuNotAvailable", "not available")
    azure.world.evict("render-1")
    azure.run_until(TEN + timedelta(seconds=second))
    azure.script.next(RequestKind.QUEUE_PUT, crash)
    azure.run_until(at(over_at))
    assert vm.power_state == "running"
    assert len(starts(azure)) == 2
    assert outcomes(azure) == [Outcome.RESTORED]


def test_a_follow_up_that_is_faster_than_the_row_it_belongs_to_is_looked_at(
    caplog: pytest.LogCaptureFixture, new_azure: NewAzure
) -> None:
    """Its row is saved right after it was put; if it comes before, a look does no harm."""
    caplog.set_level(logging.INFO)
    azure = new_azure()
    azure.add_vm()
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.world.evict("render-1")
    azure.run_until(at("10:01"))
    case = azure.recovery()
    caplog.clear()
    azure.handle(follow_up_event(case.vm_id, case.sequence + 1, azure.world.now, "early"))
    azure.handle(follow_up_event(case.vm_id, case.sequence - 1, azure.world.now, "stale"))
    assert len([line for line in caplog.messages if '"event": "decision"' in line]) == 1


def test_a_start_that_is_never_answered_may_have_been_taken(new_azure: NewAzure) -> None:
    """The network drops Azure's answer to the request of 10:00:16: nothing is asked again before 10:02:16; it runs."""
    azure = new_azure(durations=Durations(start=timedelta(seconds=90)))
    azure.add_vm()
    azure.script.next(RequestKind.VM_START, NO_ANSWER)
    azure.world.evict("render-1")
    azure.run_until(at("10:01"))
    case = azure.recovery()
    assert case.attempt_under_way is not None
    assert case.attempt_under_way.state is AttemptState.ASKED
    assert case.reason == "start request 1 was not answered: whether Azure took it is not known yet"
    azure.run_until(at("10:05"))
    assert len(starts(azure)) == 1
    assert outcomes(azure) == [Outcome.RESTORED]


def test_an_answer_that_comes_after_the_recovery_was_closed_changes_nothing(new_azure: NewAzure) -> None:
    """While we ask, another worker closes the recovery: the answer is dropped, and no move is invalid."""
    azure = new_azure()
    azure.add_vm(power_state="deallocated")

    def close() -> None:
        closed = azure.recovery().closed(Outcome.OPTED_OUT, azure.now, "by another worker")
        azure.storage.recoveries.write(recovery_row(closed.in_the_history()))

    azure.script.next(RequestKind.VM_START, meanwhile=close)
    azure.handle(preempted("render-1"))
    assert len(starts(azure)) == 1
    assert azure.recovery().outcome is Outcome.OPTED_OUT
    assert azure.failures == []


def test_a_start_by_others_is_noticed_soon_though_we_meant_to_wait_long(new_azure: NewAzure) -> None:
    """We wait 15 minutes for capacity; somebody starts it meanwhile, of which only the beginning is told."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.world.evict("render-1")
    azure.run_until(at("10:40"))
    azure.world.set_capacity(azure.pool_key(), None)
    azure.script.lost = lambda happening: "StartInitiated" not in repr(happening)
    azure.world.start(vm, caller="owner@example.com")
    azure.run_until(azure.world.now + 5 * MINUTE)
    assert vm.power_state == "running"
    assert outcomes(azure) == [Outcome.RUNS_WITHOUT_US]


def test_an_outcome_is_told_though_we_die_before_telling_it(new_azure: NewAzure) -> None:
    """The row is closed, and we die: the next sweep writes the history and publishes, once."""
    azure = new_azure()
    azure.add_vm()
    azure.script.next(RequestKind.ROW_WRITE, DEATH_BEFORE, about="history/")
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    assert azure.history == []
    azure.run_until(at("10:45"))
    assert [closed.outcome for closed in azure.history] == [Outcome.RESTORED]
    assert outcomes(azure) == [Outcome.RESTORED]


def test_our_own_starts_echo_does_not_take_back_its_owners_stop(new_azure: NewAzure) -> None:
    """No capacity; its owner deallocates it just before we ask, which is told just after; our start fails."""
    azure = new_azure()
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
def test_an_owners_stop_counts_in_whatever_order_it_is_told(first: str, new_azure: NewAzure) -> None:
    """Stopped by ARM at 10:00:01 and annotated at 10:00:05, told in either order; then the eviction of 9:59:58."""
    azure = new_azure()
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


def test_a_stop_told_in_a_dry_run_counts_afterwards(new_azure: NewAzure) -> None:
    """DRY_RUN=true while its owner stops it; then the app goes live: it stays down."""
    azure = new_azure(dry_run=True)
    vm = azure.add_vm()
    azure.script.lost = lambda happening: not isinstance(happening, ActionSucceeded)
    azure.world.stop_by_owner("render-1")
    azure.run_until(at("10:05"))
    azure.redeploy(dry_run=False)
    vm.become(azure.world.now, annotation=None)
    azure.run_until(at("12:00"))
    assert starts(azure) == []


def test_an_eviction_without_a_time_keeps_the_time_of_its_first_arrival(new_azure: NewAzure) -> None:
    """It is requeued while Azure throttles; its owner stops the VM meanwhile; the eviction is no newer than that."""
    azure = new_azure()
    azure.add_vm(power_state="deallocated")
    event = preempted("render-1")
    del event["time"], event["data"]["resourceInfo"]["properties"]["occurredTime"]  # type: ignore[index]
    azure.script.next(RequestKind.GRAPH, refused(throttled("00:02:00")))
    azure.handle(event)
    azure.world.stop_by_owner("render-1")
    azure.run_until(at("11:00"))
    assert starts(azure) == []


def test_finds_of_the_sweep_do_not_pile_up_while_azure_throttles(new_azure: NewAzure) -> None:
    """Resource Graph refuses every look for a day: each sweep raises its hand anew, and the queue stays short."""
    azure = new_azure()
    azure.add_vm(power_state="deallocated")
    azure.script.next(RequestKind.VM_READ, refused(Refused(429, "RateLimiting", "Too many requests.")), times=10_000)
    azure.run_until(at("14:05"))
    assert len(azure.messages) <= 1


def test_a_stop_of_a_vm_whose_tag_is_younger_than_the_graph_is_not_dropped(new_azure: NewAzure) -> None:
    """Tagged at 10:01 and stopped by its owner at 10:02; the graph shows the tag at 10:11: it stays down."""
    azure = new_azure()
    vm = azure.add_vm(tags={})
    azure.script.lag = timedelta(minutes=10)
    azure.script.lost = lambda happening: not isinstance(happening, ActionSucceeded)
    azure.run_until(at("10:01"))
    azure.world.retag("render-1", TAG)
    azure.run_until(at("10:02"))
    azure.world.stop_by_owner("render-1")
    azure.run_until(at("10:05"))
    vm.become(azure.world.now, annotation=None)
    azure.run_until(at("12:00"))
    assert starts(azure) == []


def test_a_vm_of_the_same_name_that_is_made_anew_knows_nothing_of_the_old_ones_owner(new_azure: NewAzure) -> None:
    """Stopped by its owner, deleted, and another one made ten minutes later: what was told of the old one is over."""
    azure = new_azure()
    azure.add_vm()
    azure.world.stop_by_owner("render-1")
    azure.run_until(at("10:05"))
    azure.world.delete("render-1")
    azure.put(preempted("render-1"))
    azure.run_until(at("10:16"))
    assert azure.recovery().evidence.owner_stopped_at is None


def test_a_lost_follow_up_is_replaced_by_the_sweep(new_azure: NewAzure) -> None:
    """No capacity, and the queue loses the follow-up: the next sweeps put a find."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.world.refuse_next_start("render-1", "AllocationFailed", "none")
    azure.world.evict("render-1")
    azure.run_until(at("10:00:30"))
    azure.app.clear_messages()
    azure.run_until(at("10:20"))
    assert vm.power_state == "running"


def test_evidence_told_while_we_ask_does_not_cost_us_the_answer(new_azure: NewAzure) -> None:
    """Between request and answer another worker adds evidence to the row: the answer is recorded all the same."""
    azure = new_azure()
    azure.add_vm()
    azure.script.next(RequestKind.VM_START, meanwhile=lambda: touch(azure.storage.recoveries))
    azure.world.evict("render-1")
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.run_until(at("10:01"))
    attempt = azure.recovery().attempt
    assert attempt is not None
    assert attempt.failure is not None
    assert attempt.failure.code == "AllocationFailed"


def test_a_signal_without_a_time_counts_as_of_its_arrival(new_azure: NewAzure) -> None:
    """CloudEvents need not carry a time: an eviction told without one is an eviction."""
    azure = new_azure(Policy(restart_when=RestartWhen.EVICTED))
    azure.add_vm(power_state="deallocated")
    event = preempted("render-1")
    del event["time"], event["data"]["resourceInfo"]["properties"]["occurredTime"]  # type: ignore[index]
    azure.put(event)
    azure.run_until(at("10:05"))
    assert len(starts(azure)) == 1


def test_a_signal_from_the_future_counts_as_of_now(new_azure: NewAzure) -> None:
    """An eviction of the year 2099, forged or from a clock that is wrong, does not outweigh its owner's later stop."""
    azure = new_azure()
    azure.add_vm()
    event = json.loads(json.dumps(preempted("render-1")).replace("2026-03-02T", "2099-03-02T"))
    azure.handle(event)
    azure.run_until(at("10:20"))
    azure.world.stop_by_owner("render-1")
    azure.run_until(at("14:00"))
    assert starts(azure) == []
    assert outcomes(azure) == [Outcome.RUNS_WITHOUT_US]


@pytest.mark.parametrize("minutes", [-5, 5])
def test_a_clock_that_is_wrong_by_minutes_turns_no_stop_into_an_eviction(minutes: int, new_azure: NewAzure) -> None:
    """Evicted at 10:00 without capacity, stopped by its owner at 10:20: obeyed, though our clock is wrong."""
    azure = new_azure(clock_error=minutes * MINUTE)
    azure.add_vm()
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.world.evict("render-1")
    azure.run_until(at("10:20"))
    azure.world.stop_by_owner("render-1")
    azure.run_until(at("10:21"))
    azure.world.set_capacity(azure.pool_key(), None)
    azure.run_until(at("13:00"))
    assert azure.world.machine("render-1").power_state == "deallocated"


def test_a_look_that_azure_throttles_is_taken_later_and_nothing_is_lost(new_azure: NewAzure) -> None:
    """Resource Graph says 429, come back in 40 s: the signal is requeued for so long."""
    azure = new_azure()
    azure.add_vm(power_state="deallocated")
    azure.script.next(RequestKind.GRAPH, refused(throttled("00:00:40")))
    azure.put(preempted("render-1"))
    azure.run_until(at("10:05"))
    assert starts(azure) == ["10:00:40"]


def test_a_look_that_our_own_pace_holds_up_is_a_matter_of_seconds(new_azure: NewAzure) -> None:
    """Twenty evicted while Resource Graph throttles for some seconds: all are asked for by 10:01:10."""
    azure = new_azure()
    names = [f"vm-{number}" for number in range(20)]
    quota = {"x-ms-user-quota-remaining": "0", "x-ms-user-quota-resets-after": "00:00:05"}
    throttled = refused(Refused(429, "RateLimiting", "Too many requests.", quota))
    azure.script.next(RequestKind.GRAPH, throttled, times=4)
    for name in names:
        azure.add_vm(name)
        azure.world.evict(name)
        azure.run_until(azure.now + timedelta(seconds=2))
    azure.run_until(at("10:10"))
    assert max(starts(azure, name)[0] for name in names) <= "10:01:10"


def test_a_look_that_gets_no_answer_is_taken_again_each_time_later(new_azure: NewAzure) -> None:
    """ARM does not answer within 30 s, twice: the signal is requeued for a minute and a half, then for three."""
    azure = new_azure()
    azure.add_vm(power_state="deallocated")
    azure.script.next(RequestKind.VM_READ, NO_ANSWER, times=2)
    azure.put(preempted("render-1"))
    azure.run_until(at("10:06"))
    assert starts(azure) == ["10:05:30"]


def test_a_look_that_azure_denies_is_told_and_the_sweep_finds_the_vm_when_it_is_allowed(
    caplog: pytest.LogCaptureFixture,
    new_azure: NewAzure,
) -> None:
    """The role is missing at 10:00: one line says what to do; it is there at 10:15, and the sweep's find is started."""
    azure = new_azure()
    azure.add_vm(power_state="deallocated")
    azure.script.next(RequestKind.VM_READ, refused(DENIED))
    azure.put(preempted("render-1"))
    azure.run_until(at("10:14"))
    (message,) = azure.messages
    # An hour is the pause of who is denied; half an hour is when that counts as lasting.
    assert message.visible_at == at("10:30")
    assert [line for line in caplog.messages if "infra/responder-role.json" in line and "AuthorizationFailed" in line]
    azure.script.lost = lambda _: True
    azure.run_until(at("10:20"))
    assert len(starts(azure)) == 1


def test_an_open_recovery_that_we_may_not_look_at_any_more_waits_slowly(new_azure: NewAzure) -> None:
    """The role is taken away while we wait for capacity, and given back within the hour: it goes on by itself."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.world.refuse_next_start("render-1", "SkuNotAvailable", "not available")
    azure.world.evict("render-1")
    azure.run_until(at("10:00:30"))
    azure.script.next(RequestKind.VM_READ, refused(DENIED))
    azure.run_until(at("11:05"))
    assert vm.power_state == "running"
    assert len(starts(azure)) == 2


def test_a_message_that_is_no_event_is_told_once_and_refused_each_time(
    caplog: pytest.LogCaptureFixture, new_azure: NewAzure
) -> None:
    """One line says why and what to do, at the first delivery; the host's later tries add none."""
    azure = new_azure()
    azure.app.put("garbage", timedelta())
    azure.run_until(at("10:05"))
    assert [type(error) for error in azure.failures] == [UnreadableEvent] * 5
    assert [message.body for message, _ in azure.storage.poison] == ["garbage"]
    (line,) = caplog.messages
    assert "the text is not JSON" in line
    assert "signals-poison" in line
    assert "read-event" in line


def test_an_outcome_that_cannot_be_told_keeps_no_recovery_open(
    caplog: pytest.LogCaptureFixture, new_azure: NewAzure
) -> None:
    """The topic is gone: the recovery closes, the history has it, and the log says what to check."""
    azure = new_azure()
    azure.add_vm()
    azure.script.next(RequestKind.OUTCOME, refused(Refused(404, "ResourceNotFound", "There is no such topic.")))
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    assert azure.recovery().outcome is Outcome.RESTORED
    assert [closed.outcome for closed in azure.history] == [Outcome.RESTORED]
    assert any("OUTCOMES_TOPIC_ENDPOINT" in line for line in caplog.messages)


def test_a_message_whose_row_never_holds_still_comes_back_within_seconds(new_azure: NewAzure) -> None:
    """Others change the row each time before we save: nothing is started on a guess, and the message is requeued.

    The host would bring it five times and then give it up.
    """
    azure = new_azure()
    vm = azure.add_vm(power_state="deallocated")
    azure.handle(preempted("render-1") | {"type": "SpotResponder.SweepFound", "data": {"vmId": vm.vm_id}})
    azure.script.next(
        RequestKind.ROW_WRITE, about="recoveries/", times=5, meanwhile=lambda: touch(azure.storage.recoveries)
    )
    azure.handle(preempted("render-1"))
    # Each look waits for its turn at Resource Graph.
    azure.run_until(azure.now + timedelta(seconds=4))
    assert azure.failures == []
    assert starts(azure) == []
    azure.run_until(azure.now + timedelta(seconds=16))
    assert len(starts(azure)) == 1


def test_the_sweep_forgets_what_is_over_and_leaves_the_busy_alone(new_azure: NewAzure) -> None:
    """A day after it came back its row is deleted; a VM that waits for its follow-up is not signalled again."""
    azure = new_azure()
    azure.add_vm()
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    assert len(azure.storage.recoveries.rows) == 1
    azure.run_until(TEN + timedelta(days=1, minutes=30))
    assert azure.storage.recoveries.rows == {}
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.world.evict("render-1")
    azure.run_until(azure.world.now + 2 * MINUTE)
    before = len(azure.messages)
    azure.sweep()
    assert len(azure.messages) == before
