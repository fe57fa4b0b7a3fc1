"""The telling: one word when an eviction is seen, one with its outcome, one where somebody is needed; else quiet."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from localazure.virtual.wire import Fate, RequestKind
from localazure.world.azure_errors import Refused
from localazure.world.happenings import ActionSucceeded, AvailabilityChanged
from localazure.world.vm_lifecycle import DEALLOCATE
from localazure.world.world import OWNER
from spot_responder.clients.events_topic import EventsTopic
from spot_responder.decisions.outcomes import Outcome
from spot_responder.decisions.policy import Policy
from spot_responder.decisions.publishing.notices import PUZZLED_AFTER, due_notices
from spot_responder.decisions.publishing.published_events import CLOSED_TYPE, OPENED_TYPE
from spot_responder.decisions.recoveries import Notice
from spot_responder.decisions.situations import Wait
from spot_responder.intake.azure_errors import FailureKind
from spot_responder.intake.vms import VmId
from spot_responder.operators.act import hold
from spot_responder.responder.pool_gates import Gates
from spot_responder.responder.responder import Responder
from spot_responder.responder.sizes.offerings import offered
from tests.harness.makers import TEN, accepted, at, failure, recovery_under_way
from tests.harness.stories import DENIED, notices, outcomes, preempted, refused, starts

if TYPE_CHECKING:
    from tests.harness.stories import NewAzure

ALWAYS = 10_000
NOT_FOUND = refused(Refused(404, "NotFound", "There is no such topic."))


def test_an_eviction_is_told_when_it_is_seen_and_when_it_is_over(new_azure: NewAzure) -> None:
    """Evicted at ten: told once the start was accepted, and once it runs; nothing in between."""
    azure = new_azure()
    azure.add_vm()
    azure.world.evict("render-1")
    azure.run_until(at("10:00:17"))
    assert notices(azure) == ["render-1 opened"]
    azure.run_until(at("10:30"))
    assert [event.type for event in azure.storage.heard] == [OPENED_TYPE, CLOSED_TYPE]


def test_an_outage_is_quiet(new_azure: NewAzure) -> None:
    """No capacity for two hours: opened, restored, and not a word for each refusal."""
    azure = new_azure()
    azure.add_vm()
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.world.evict("render-1")
    azure.run_until(at("12:00"))
    assert notices(azure) == ["render-1 opened"]
    azure.world.set_capacity(azure.pool_key(), None)
    azure.run_until(at("12:40"))
    assert outcomes(azure) == [Outcome.RESTORED]


def test_what_is_none_of_ours_is_not_told(new_azure: NewAzure) -> None:
    """Without the tag, or stopped by its owner: nobody asked."""
    azure = new_azure()
    azure.add_vm("untagged", tags={})
    azure.add_vm("stopped")
    azure.world.evict("untagged")
    azure.world.stop_by_owner("stopped")
    azure.run_until(at("11:00"))
    assert azure.storage.heard == []


def test_a_right_that_is_missing_is_told_once(new_azure: NewAzure) -> None:
    """Denied at ten, eleven, twelve: somebody is asked for once."""
    azure = new_azure()
    azure.add_vm()
    azure.script.next(RequestKind.VM_START, refused(DENIED), times=ALWAYS)
    azure.world.evict("render-1")
    azure.run_until(at("13:00"))
    assert len(starts(azure)) == 0
    assert notices(azure) == ["render-1 opened", "render-1 denied"]


def test_the_brake_and_the_budget_are_told(new_azure: NewAzure) -> None:
    """Evicted again and again; or refused in every way there is."""
    azure = new_azure(Policy(starts_per_hour=2))
    azure.add_vm(power_state="deallocated")
    for _ in range(10):
        azure.script.next(RequestKind.VM_START, refused(Refused(409, "AnotherOperationInProgress", "no")))
    azure.put(preempted("render-1"))
    azure.run_until(at("10:30"))
    assert notices(azure) == ["render-1 opened", "render-1 budget"]
    azure = new_azure(Policy(restarts_per_hour=1))
    azure.add_vm()
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    azure.world.evict("render-1")
    azure.run_until(at("10:20"))
    assert notices(azure) == ["render-1 opened", "render-1 opened", "render-1 brake"]


def test_a_brake_that_the_first_look_meets_is_told_then(new_azure: NewAzure) -> None:
    """The sweep finds it, and nobody looks at it again for a quarter of an hour: somebody should know at once."""
    azure = new_azure(Policy(restarts_per_hour=1))
    azure.add_vm()
    azure.world.evict("render-1")
    azure.run_until(at("10:05"))
    azure.script.lost = lambda _: True
    azure.world.evict("render-1")
    azure.run_until(at("10:16"))
    assert notices(azure) == ["render-1 opened", "render-1 opened", "render-1 brake"]
    assert azure.recovery().published_notices == {Notice.OPENED, Notice.BRAKE}


def test_a_vm_that_is_queued_in_its_pool_for_long_is_told_of_at_once(new_azure: NewAzure) -> None:
    """Its pool has no capacity and rests for many minutes; the VM was evicted now."""
    azure = new_azure()
    azure.add_vm("first")
    azure.world.set_capacity(azure.pool_key("first"), 0)
    azure.world.evict("first")
    azure.run_until(at("10:30"))
    azure.add_vm("second")
    azure.world.evict("second")
    azure.run_until(at("10:30:05"))
    assert notices(azure) == ["first opened", "second opened"]


def test_a_brake_that_the_topic_did_not_take_is_told_again(new_azure: NewAzure) -> None:
    """The topic answers 503 twice; the next look at the VM would be a day later: it is told ten minutes later."""
    azure = new_azure(Policy(restarts_per_day=1))
    azure.add_vm()
    azure.world.evict("render-1")
    azure.run_until(at("10:10"))
    azure.script.next(RequestKind.OUTCOME, refused(Refused(503, "ServerBusy", "no")), times=2)
    azure.world.evict("render-1")
    azure.run_until(at("10:25"))
    assert notices(azure)[1:] == ["render-1 opened", "render-1 brake"]


def test_a_look_that_a_notice_needs_sooner_is_the_only_one_that_is_waited_for(new_azure: NewAzure) -> None:
    """The brake holds it for a day, and the topic takes nothing: one follow-up is on the queue, in ten minutes."""
    azure = new_azure(Policy(restarts_per_day=1))
    azure.add_vm()
    azure.world.evict("render-1")
    azure.run_until(at("10:10"))
    azure.script.next(RequestKind.OUTCOME, refused(Refused(503, "ServerBusy", "no")), times=2)
    azure.world.evict("render-1")
    azure.run_until(at("10:11"))
    case = azure.recovery()
    (follow_up,) = [json.loads(message.body) for message in azure.messages]
    assert follow_up["data"]["sequence"] == case.sequence
    assert case.wake_at is not None
    assert case.wake_at < at("10:21")


def test_a_vm_that_is_held_is_told_of_once_it_is_known_that_it_was_evicted(new_azure: NewAzure) -> None:
    """Health says that it is down, and 40 s later why; an operator holds it, so nobody looks for an hour."""
    azure = new_azure()
    machine = azure.add_vm()
    azure.do(hold(azure.ports().store, VmId.parse(machine.vm_id), azure.now, lambda: "hold-1"))
    azure.script.lag = timedelta(minutes=5)
    azure.script.lost = lambda happening: not isinstance(happening, AvailabilityChanged)
    azure.world.evict("render-1")
    azure.run_until(at("10:00:40"))
    assert notices(azure) == []
    azure.put(preempted("render-1"))
    azure.run_until(at("10:01"))
    assert notices(azure) == ["render-1 opened"]


def test_a_topic_that_never_answers_is_left_after_ten_seconds(new_azure: NewAzure) -> None:
    """Its login hangs for hours: the answer to a start is saved all the same, and nothing is asked twice."""
    azure = new_azure()
    azure.add_vm(power_state="deallocated")
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.script.next(RequestKind.OUTCOME, Fate(3600.0), times=ALWAYS)
    azure.put(preempted("render-1"))
    azure.run_until(at("10:00:15"))
    assert azure.recovery().attempt_under_way is not None
    assert azure.recovery().reason == "start request 1 accepted"


def test_an_owners_stop_that_is_told_late_is_no_eviction(new_azure: NewAzure) -> None:
    """Health says at once that it is down, and half a minute later somebody says why."""
    azure = new_azure()
    machine = azure.add_vm()
    azure.script.lag = timedelta(minutes=5)
    azure.script.lost = lambda happening: not isinstance(happening, AvailabilityChanged)
    azure.world.stop_by_owner("render-1")
    azure.run_until(at("10:00:40"))
    azure.tell(ActionSucceeded(machine.vm_id, TEN, DEALLOCATE, OWNER))
    azure.run_until(at("10:30"))
    assert [event.type for event in azure.storage.heard] == [CLOSED_TYPE]
    assert outcomes(azure) == [Outcome.STOPPED_BY_OWNER]


def test_what_nobody_explained_is_told_after_a_minute(new_azure: NewAzure) -> None:
    """Evictions are not annotated: the minute that is left for an owner's word is over with the start."""
    azure = new_azure()
    azure.world.eviction_annotations = ()
    azure.add_vm()
    azure.world.evict("render-1")
    azure.run_until(at("10:01"))
    assert notices(azure) == []
    azure.run_until(at("10:02"))
    assert notices(azure) == ["render-1 opened"]


def test_without_a_topic_nobody_was_told(new_azure: NewAzure) -> None:
    """Nor is it noted that somebody was: a topic that is set later hears of what is open."""
    azure = new_azure()
    azure.add_vm(power_state="deallocated")
    ports = replace(azure.ports(), events_topic=EventsTopic(None))
    prices, _ = offered(ports, azure.clock.now)
    responder = Responder(
        ports,
        Gates(ports.store),
        azure.settings,
        clock=azure.clock.now,
        jitter=lambda: 0.5,
        new_id=lambda: "1",
        prices=prices,
    )
    azure.do(responder.handle(json.dumps(preempted("render-1"))))
    assert azure.recovery().reason == "start request 1 accepted"
    assert azure.recovery().published_notices == frozenset()


def test_a_topic_that_is_out_delays_no_start(new_azure: NewAzure) -> None:
    """It takes nothing for ten minutes: the VM is asked for as soon as ever, and all is told afterwards."""
    azure = new_azure()
    azure.add_vm()
    azure.world.set_capacity(azure.pool_key(), 1)
    azure.script.next(RequestKind.OUTCOME, NOT_FOUND, times=ALWAYS)
    azure.world.evict("render-1")
    azure.run_until(at("10:10"))
    assert starts(azure) == ["10:00:16"]
    azure.script.forget()
    azure.run_until(at("10:30"))
    # Over by then: the outcome is enough.
    assert [event.type for event in azure.storage.heard] == [CLOSED_TYPE]


def test_what_could_not_be_told_is_told_at_a_later_look(new_azure: NewAzure, caplog: pytest.LogCaptureFixture) -> None:
    """The topic is out for the first minutes of an outage of capacity."""
    azure = new_azure()
    azure.add_vm()
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.script.next(RequestKind.OUTCOME, NOT_FOUND, times=2)
    azure.world.evict("render-1")
    azure.run_until(at("10:10"))
    assert notices(azure) == ["render-1 opened"]
    assert sum('"event": "notice not published"' in line for line in caplog.messages) == 2


def test_an_app_that_dies_after_telling_tells_it_again_with_the_same_id(new_azure: NewAzure) -> None:
    """Told, and the row that notes it was not saved: a doubled message, which can be told by its id."""
    azure = new_azure()
    azure.add_vm()
    azure.world.set_capacity(azure.pool_key(), 0)
    azure.world.evict("render-1")
    azure.run_until(at("10:00:10"))
    unavailable = refused(Refused(503, "ServerBusy", "no"))

    def lose_the_row() -> None:
        azure.script.next(RequestKind.ROW_WRITE, unavailable, about="recoveries/")

    azure.script.next(RequestKind.OUTCOME, Fate(0.0), meanwhile=lose_the_row)
    azure.run_until(at("10:10"))
    told = [event.id for event in azure.storage.heard]
    assert len(told) == 2
    assert len(set(told)) == 1


def test_a_topic_that_took_nothing_for_long_hears_the_outcome_only() -> None:
    """Opened a quarter of an hour ago: that is no news any more."""
    case = replace(recovery_under_way(), published_notices=frozenset())
    wait = Wait(at("10:15"), "because")
    assert due_notices(case, wait, at("10:14")) == (Notice.OPENED,)
    assert due_notices(case, wait, at("10:15")) == ()


@pytest.mark.parametrize("kind", FailureKind)
def test_only_what_somebody_must_mend_is_told(kind: FailureKind) -> None:
    """Quota and rights at once; what nobody knows after some times; capacity and price never."""
    case = replace(accepted(), published_notices=frozenset({Notice.OPENED})).refused(failure(kind), counts=True)
    wait = Wait(at("10:15"), "because")
    first = {FailureKind.DENIED: (Notice.DENIED,), FailureKind.QUOTA: (Notice.QUOTA,)}
    assert due_notices(case, wait, TEN) == first.get(kind, ())
    later = replace(case, failures=replace(case.failures, in_a_row=PUZZLED_AFTER))
    assert due_notices(later, wait, TEN) == (first | {FailureKind.UNKNOWN: (Notice.UNKNOWN,)}).get(kind, ())
    assert due_notices(replace(later, published_notices=frozenset(Notice)), wait, TEN) == ()
    assert due_notices(replace(later, attempt=None), wait, TEN) == ()
