"""Which news is a reason to read a VM, and where Resource Graph's word is enough."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from localazure.virtual.wire import RequestKind
from localazure.world.durations import Durations
from localazure.world.happenings import Annotated, AvailabilityChanged
from spot_responder.decisions.outcomes import Outcome
from spot_responder.intake.own_messages import follow_up_event
from tests.harness.makers import at
from tests.harness.stories import DEATH_AFTER, DENIED, TAG, outcomes, preempted, refused, starts

if TYPE_CHECKING:
    from tests.harness.stories import NewAzure, StoryAzure

MINUTE = timedelta(minutes=1)


def reads(azure: StoryAzure, request_kind: RequestKind = RequestKind.VM_READ, about: str = "") -> list[str]:
    """Give when something is read from now on: a VM by ARM, unless told otherwise."""
    asked: list[str] = []
    azure.script.next(request_kind, about=about, times=1000, meanwhile=lambda: asked.append(f"{azure.now:%H:%M:%S}"))
    return asked


def test_a_stop_of_a_vm_that_is_not_spot_costs_no_read_of_arm(new_azure: NewAzure) -> None:
    """Tags may be newer than Resource Graph; a priority never changes."""
    azure = new_azure()
    azure.add_vm(priority="Regular")
    asked = reads(azure)
    azure.world.stop_by_owner("render-1")
    azure.run_until(at("10:05"))
    assert asked == []


def test_a_tag_that_is_back_before_resource_graph_shows_it_gone_ends_no_recovery(new_azure: NewAzure) -> None:
    """No capacity; off at 10:05, on again at 10:08; at the look of 10:08:25 Resource Graph is two minutes behind."""
    azure = new_azure()
    azure.add_vm()
    azure.script.lag = 2 * MINUTE
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    azure.world.retag("render-1", {})
    azure.run_until(at("10:08"))
    azure.world.retag("render-1", TAG)
    azure.run_until(at("10:09"))
    assert outcomes(azure) == []


def test_a_follow_up_of_a_recovery_that_is_over_is_no_reason_to_read(new_azure: NewAzure) -> None:
    """Restored by 10:01; a follow-up whose row was never saved has the number that the closed row has."""
    azure = new_azure()
    azure.add_vm()
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    case, asked = azure.recovery(), reads(azure)
    azure.handle(follow_up_event(case.vm_id, case.sequence, azure.now, "never saved"))
    assert (case.is_open, asked) == (False, [])


def test_that_a_start_has_begun_is_news_where_its_answer_was_never_read(new_azure: NewAzure) -> None:
    """We die at 10:00:16 over the answer, and that it runs is not told: known by 10:01:30, and not at 10:02:16."""
    azure = new_azure()
    azure.add_vm()
    azure.script.lost = lambda told: not isinstance(told, Annotated)
    azure.script.next(RequestKind.VM_START, DEATH_AFTER)
    azure.world.evict("render-1")
    azure.run_until(at("10:01:30"))
    assert outcomes(azure) == [Outcome.RESTORED]


def test_that_it_runs_is_news_while_a_start_is_under_way(new_azure: NewAzure) -> None:
    """A start of eight minutes, looked at each 48 seconds at last: closed a second after it runs."""
    azure = new_azure(durations=Durations(start=8 * MINUTE))
    azure.add_vm()
    azure.world.evict("render-1")
    azure.run_until(at("10:08:18"))
    assert outcomes(azure) == [Outcome.RESTORED]


def test_a_stop_that_is_dated_before_the_end_of_a_recovery_is_no_echo_of_it(new_azure: NewAzure) -> None:
    """Our clock is five minutes fast: restored at 10:00:37, as we say at 10:05:37; its owner stops it at 10:02."""
    azure = new_azure(clock_error=5 * MINUTE)
    vm = azure.add_vm()
    azure.world.evict("render-1")
    azure.run_until(at("10:02"))
    azure.script.lost = lambda told: isinstance(told, AvailabilityChanged)
    azure.world.stop_by_owner("render-1")
    azure.run_until(at("10:03"))
    vm.become(azure.now, annotation=None)
    azure.run_until(at("12:00"))
    assert len(starts(azure)) == 1


def test_a_pools_gate_is_read_only_where_a_decision_may_rest_on_it(new_azure: NewAzure) -> None:
    """Told of the eviction, down, running again: three times. Not while it goes down, nor for news of one that runs."""
    azure = new_azure(durations=Durations(deallocation=timedelta(seconds=40)))
    vm = azure.add_vm()
    asked = reads(azure, RequestKind.ROW_READ, "pools/")
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    assert outcomes(azure) == [Outcome.RESTORED]
    assert asked == ["10:00:01", "10:00:46", "10:01:07"]
    azure.tell(AvailabilityChanged(vm.vm_id, azure.now, "Available", "Unavailable"))
    azure.run_until(at("10:10"))
    assert len(asked) == 3


def test_an_eviction_that_is_told_again_while_its_vm_starts_costs_no_query(new_azure: NewAzure) -> None:
    """ARM says that it is starting, and nothing of Resource Graph's matters then."""
    azure = new_azure(durations=Durations(start=8 * MINUTE))
    azure.add_vm()
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    asked = reads(azure, RequestKind.GRAPH)
    azure.handle(preempted("render-1"))
    assert asked == []


def test_a_start_that_is_told_after_its_vm_was_seen_running_takes_back_a_stop_before_it(new_azure: NewAzure) -> None:
    """No capacity; stopped and started by its owner at 10:05, the start told at 10:09; evicted without a word why."""
    azure = new_azure()
    vm = azure.add_vm()
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    azure.script.next(RequestKind.VM_READ, refused(DENIED))
    azure.world.stop_by_owner("render-1")
    azure.run_until(at("10:05:10"))
    azure.script.lost = lambda _: True
    azure.world.set_capacity(azure.pool_key(), None)
    azure.world.start(vm, caller="owner@example.com")
    azure.run_until(at("10:06"))
    vm.become(azure.now, annotation=None)
    azure.run_until(at("10:09"))
    assert outcomes(azure) == [Outcome.RUNS_WITHOUT_US]
    azure.tell(AvailabilityChanged(vm.vm_id, at("10:05:30"), "Unavailable", "Available"))
    azure.run_until(at("10:20"))
    azure.world.eviction_annotations = ()
    azure.world.evict("render-1")
    azure.run_until(at("10:35"))
    assert vm.power_state == "running"
