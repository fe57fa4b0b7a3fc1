"""Evicted, or stopped by its owner? What was told is weighed by when it happened, not by when it arrived."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_responder.decisions.evidence import WEAK_STOP_WINDOW, Evidence, Verdict
from spot_responder.decisions.policy import START_PATIENCE
from spot_responder.intake.signals import Signal, SignalKind, Source
from spot_responder.intake.vms import Annotation, PowerState
from tests.harness.makers import TEN, at, evicted, signal

OWNER_STOPPED = SignalKind.STOPPED_BY_OWNER


def firm_stop(clock: str) -> Signal:
    """Make the event of a deallocation that somebody sent to ARM."""
    return signal(OWNER_STOPPED, at(clock), source=Source.ARM_OPERATION, has_caller=True)


def told(*signals: Signal) -> Evidence:
    """Tell all of it."""
    evidence = Evidence()
    for each in signals:
        evidence = evidence.with_signal(each)
    return evidence


def test_a_vm_that_was_started_after_its_eviction_and_stopped_itself_is_not_evicted() -> None:
    """Evicted at 10:02, started by its owner at 10:05, which an annotation tells, stopped by itself at 10:09."""
    started = signal(SignalKind.STARTED, at("10:05"), source=Source.HEALTH_ANNOTATION)
    evidence = told(evicted(at("10:02")), started)
    assert evidence.with_own_stop(at("10:09")).verdict is Verdict.UNKNOWN
    assert evidence.with_own_stop(at("10:04")).verdict is Verdict.EVICTED
    assert told(evicted(at("10:02"))).with_own_stop(at("10:09")).verdict is Verdict.EVICTED


def test_nothing_told_is_unknown() -> None:
    """A VM of which nothing was told is down for an unknown reason."""
    assert Evidence().verdict is Verdict.UNKNOWN


def test_an_eviction_is_an_eviction() -> None:
    """Azure says evicted, nobody says otherwise."""
    assert told(evicted()).verdict is Verdict.EVICTED


def test_unavailable_and_our_own_signals_prove_nothing() -> None:
    """Unavailable alone is ambiguous: an owner's stop makes a VM unavailable too."""
    for kind in (SignalKind.UNAVAILABLE, SignalKind.FOLLOW_UP, SignalKind.SWEEP_FOUND, SignalKind.EVICTION_NOTICED):
        assert told(signal(kind)).verdict is Verdict.UNKNOWN


def test_what_has_no_time_cannot_be_weighed() -> None:
    """The responder gives such a signal the time of its arrival; without one it says nothing."""
    timeless = replace(evicted(), occurred_at=None)
    assert told(timeless).verdict is Verdict.UNKNOWN
    assert told(evicted()).settled(at("10:05")).with_signal(timeless).verdict is Verdict.UNKNOWN


def test_an_owner_who_stops_an_evicted_vm_has_the_last_word() -> None:
    """Evicted at 10:00, stopped by its owner at 10:01: stopped."""
    evidence = told(evicted(at("10:00")), firm_stop("10:01"))
    assert evidence.verdict is Verdict.STOPPED_BY_OWNER
    assert evidence.owner_stopped_at == at("10:01")


def test_an_eviction_after_the_owners_stop_means_that_it_had_run_again() -> None:
    """Stopped at 9:00, evicted at 10:00: it was started in between, or it could not have been evicted."""
    assert told(firm_stop("9:00"), evicted(at("10:00"))).verdict is Verdict.EVICTED


@pytest.mark.parametrize(
    ("minutes", "verdict"),
    [
        (-30, Verdict.EVICTED),
        (-1, Verdict.EVICTED),
        (1, Verdict.EVICTED),
        (10, Verdict.EVICTED),
        (11, Verdict.STOPPED_BY_OWNER),
    ],
    ids=["30 min before", "1 min before", "1 min after", "10 min after", "11 min after"],
)
def test_a_deallocation_annotation_near_an_eviction_is_part_of_it(minutes: int, verdict: Verdict) -> None:
    """Nobody knows whether Azure annotates an eviction as a deallocation too, so a weak stop near it does not count."""
    weak_stop = signal(OWNER_STOPPED, TEN + timedelta(minutes=minutes))
    assert told(evicted(), weak_stop).verdict is verdict


def test_a_deallocation_annotation_after_our_own_start_is_a_part_of_that() -> None:
    """A start that came to nothing may be annotated as a deallocation: nobody knows, so it does not count."""
    asked = replace(told(evicted(at("9:00"))), starts_asked=(at("10:00"),))
    assert asked.with_signal(signal(OWNER_STOPPED, at("10:02"))).verdict is Verdict.EVICTED
    assert asked.with_signal(signal(OWNER_STOPPED, at("10:04"))).verdict is Verdict.STOPPED_BY_OWNER


def test_a_deallocation_annotation_well_before_our_own_start_is_no_part_of_that() -> None:
    """It is told only afterwards; two clocks differ by seconds, not by minutes."""
    asked = replace(told(evicted(at("9:00"))), starts_asked=(at("10:00"),))
    assert asked.with_signal(signal(OWNER_STOPPED, at("9:59"))).verdict is Verdict.EVICTED
    assert asked.with_signal(signal(OWNER_STOPPED, at("9:57"))).verdict is Verdict.STOPPED_BY_OWNER


def test_a_stop_that_was_told_before_our_next_start_is_not_explained_by_that() -> None:
    """Stopped at 9:58 and told at once: a start that we ask for afterwards takes nothing of it back."""
    stopped = told(evicted(at("9:00")), signal(OWNER_STOPPED, at("9:58")))
    assert replace(stopped, starts_asked=(at("10:00"),)).verdict is Verdict.STOPPED_BY_OWNER


def test_the_echo_of_our_own_start_takes_back_nobodys_word() -> None:
    """Its owner stops it at 9:59:59, we ask at 10:00 before we are told; the start's echoes clear nothing."""
    asked = replace(told(evicted(at("9:30"))), starts_asked=(at("10:00"),)).with_signal(firm_stop("9:59:59"))
    for source in (Source.HEALTH_ANNOTATION, Source.ARM_OPERATION, Source.AVAILABILITY_STATUS):
        echo = signal(SignalKind.STARTED, at("10:00:01"), source=source)
        assert asked.with_signal(echo).verdict is Verdict.STOPPED_BY_OWNER
    assert asked.with_annotation(Annotation("VirtualMachineAllocated", at("10:00:02"))) == asked


def test_a_start_long_after_our_own_request_is_no_echo_of_it() -> None:
    """We asked at 10:00, its owner stopped it at 10:05, and somebody starts it at 20:00: the wish is over."""
    stopped = replace(told(evicted(at("9:30"))), starts_asked=(at("10:00"),)).with_signal(firm_stop("10:05"))
    begun = Annotation("VirtualMachineStartInitiatedByControlPlane", at("20:00"))
    assert stopped.with_annotation(begun).verdict is Verdict.EVICTED


def test_a_start_by_others_that_only_an_annotation_tells_of_ends_the_wish_and_settles_nothing() -> None:
    """Somebody began to start it at 9:30, of which ARM's own event is lost: stops before that are over."""
    begun = Annotation("VirtualMachineStartInitiatedByControlPlane", at("9:30"))
    weak = told(signal(OWNER_STOPPED, at("9:00"))).with_annotation(begun)
    assert weak.verdict is Verdict.UNKNOWN
    assert weak.with_signal(signal(OWNER_STOPPED, at("9:00"))).verdict is Verdict.UNKNOWN
    assert told(firm_stop("9:00")).with_annotation(begun).verdict is Verdict.UNKNOWN
    assert weak.with_signal(firm_stop("9:00")).verdict is Verdict.UNKNOWN
    assert told(evicted(at("9:00"))).with_annotation(begun).verdict is Verdict.EVICTED


def test_eviction_and_firm_stop_at_the_same_moment_is_a_stop() -> None:
    """In doubt the owner is obeyed."""
    assert told(evicted(at("10:00")), firm_stop("10:00")).verdict is Verdict.STOPPED_BY_OWNER


def test_a_deallocation_annotation_alone_is_an_owners_stop() -> None:
    """Only Resource Health says that it was stopped, and nothing speaks against it."""
    assert told(signal(OWNER_STOPPED)).verdict is Verdict.STOPPED_BY_OWNER


def test_an_arm_operation_without_a_caller_is_weak() -> None:
    """A deallocation that nobody sent may be Azure's own."""
    platform = signal(OWNER_STOPPED, at("10:01"), source=Source.ARM_OPERATION, has_caller=False)
    assert told(evicted(at("10:00")), platform).verdict is Verdict.EVICTED


def test_only_an_arm_operation_is_somebodys_word() -> None:
    """An annotation is Azure's own, whatever stands beside it: right after an eviction it is a part of that."""
    annotated = signal(OWNER_STOPPED, at("10:01"), has_caller=True)
    assert told(evicted(at("10:00")), annotated).verdict is Verdict.EVICTED


def test_an_annotation_that_resource_graph_shows_is_no_firmer_than_one_that_is_told() -> None:
    """Evicted at ten; the graph shows a deallocation five minutes later: a part of the eviction, as far as we know."""
    deallocated = Annotation("VirtualMachineDeallocationInitiated", at("10:05"))
    assert told(evicted(at("10:00"))).with_annotation(deallocated).verdict is Verdict.EVICTED


def test_a_start_clears_the_owners_stop() -> None:
    """Stopped at 9:00, started at 9:30: the wish is over."""
    start = signal(SignalKind.STARTED, at("9:30"), source=Source.ARM_OPERATION, has_caller=True)
    evidence = told(firm_stop("9:00"), signal(OWNER_STOPPED, at("9:00")), start)
    assert evidence.verdict is Verdict.UNKNOWN


def test_a_start_settles_an_eviction_before_it() -> None:
    """Evicted at 9:00, started by its owner at 9:30: if it is down later, that eviction is not the reason."""
    start = signal(SignalKind.STARTED, at("9:30"), source=Source.AVAILABILITY_STATUS)
    assert told(evicted(at("9:00")), start).verdict is Verdict.UNKNOWN
    assert told(start, evicted(at("9:00"))).verdict is Verdict.UNKNOWN


def test_a_start_that_somebody_sent_to_arm_settles_an_eviction_before_it() -> None:
    """Evicted at 9:00, and at 9:30 ARM tells that its owner's start succeeded: the eviction is over."""
    start = signal(SignalKind.STARTED, at("9:30"), source=Source.ARM_OPERATION, has_caller=True)
    assert told(evicted(at("9:00")), start).verdict is Verdict.UNKNOWN


def test_an_eviction_that_is_told_after_somebody_began_to_start_the_vm_counts() -> None:
    """An annotation says that a start began at 9:30, not that it succeeded; the eviction of 9:00 is told only then."""
    begun = Annotation("VirtualMachineStartInitiatedByControlPlane", at("9:30"))
    assert Evidence().with_annotation(begun).with_signal(evicted(at("9:00"))).verdict is Verdict.EVICTED


def test_an_echo_bears_the_time_of_our_request_or_of_the_end_of_its_patience() -> None:
    """Azure's times are whole seconds: what happened in the very second of our request is its echo all the same."""
    asked = replace(told(firm_stop("9:30")), starts_asked=(at("10:00"),))
    for occurred_at in (at("10:00"), at("10:00") + START_PATIENCE):
        echo = signal(SignalKind.STARTED, occurred_at, source=Source.ARM_OPERATION)
        assert asked.with_signal(echo) == asked


def test_an_owner_who_stops_it_as_soon_as_it_is_up_is_obeyed() -> None:
    """We asked at 10:00 and it ran at 10:01: the deallocation of 10:02 is no part of a start that came to nothing."""
    up = replace(told(evicted(at("9:00"))), starts_asked=(at("10:00"),)).settled(at("10:01"))
    assert up.with_signal(signal(OWNER_STOPPED, at("10:02"))).verdict is Verdict.STOPPED_BY_OWNER


def test_a_start_before_the_stop_clears_nothing() -> None:
    """Started at 9:00, stopped at 9:30, told the other way round: stopped."""
    assert told(firm_stop("9:30"), signal(SignalKind.STARTED, at("9:00"))).verdict is Verdict.STOPPED_BY_OWNER


def test_the_graphs_annotation_counts_as_the_lost_event_would() -> None:
    """The eviction's event is lost, but Resource Graph still shows its annotation."""
    assert Evidence().with_annotation(Annotation("VirtualMachinePreempted", TEN)).verdict is Verdict.EVICTED


def test_other_annotations_and_none_change_nothing() -> None:
    """A live migration has nothing to do with evictions."""
    evidence = told(evicted())
    assert evidence.with_annotation(Annotation("LiveMigrationSucceeded", TEN)) == evidence
    assert evidence.with_annotation(None) == evidence


def test_news_of_what_is_over_is_no_news() -> None:
    """Restored at 10:05; at 10:06 the eviction of 10:00 is told once more, and an owner's stop at 10:07 counts."""
    evidence = told(evicted(at("10:00"))).settled(at("10:05")).with_signal(evicted(at("10:00")))
    assert evidence.verdict is Verdict.UNKNOWN
    assert evidence.with_signal(signal(OWNER_STOPPED, at("10:07"))).verdict is Verdict.STOPPED_BY_OWNER


def test_an_eviction_that_is_settled_and_told_once_more_is_no_new_one() -> None:
    """Restored, which settles the eviction of ten by its own time; the same one is told again."""
    assert told(evicted(TEN)).settled(TEN).with_signal(evicted(TEN)).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("evidence", "since"),
    [
        (told(evicted(at("9:58"))), "9:58"),
        (told(evicted(at("10:03"))), "10:00"),
        (Evidence(), "10:00"),
    ],
)
def test_a_vm_is_down_since_its_eviction_or_since_we_first_heard_of_it(evidence: Evidence, since: str) -> None:
    """Heard of at ten: whichever was sooner."""
    assert evidence.down_since(TEN) == at(since)


def test_settling_keeps_what_happened_since() -> None:
    """A start asked for at 10:05 settles what was before; the eviction of 10:06 stays."""
    assert told(evicted(at("10:06"))).settled(at("10:05")).verdict is Verdict.EVICTED


KINDS = st.sampled_from([SignalKind.EVICTED, OWNER_STOPPED, SignalKind.UNAVAILABLE, SignalKind.STARTED])
SIGNALS = st.builds(
    lambda kind, seconds, caller: signal(
        kind,
        TEN + timedelta(seconds=seconds),
        source=Source.ARM_OPERATION if caller else Source.HEALTH_ANNOTATION,
        has_caller=caller,
    ),
    KINDS,
    st.integers(0, int(3 * WEAK_STOP_WINDOW.total_seconds())),
    st.booleans(),
)


@given(st.lists(SIGNALS, max_size=4))
def test_the_order_of_arrival_does_not_matter(signals: list[Signal]) -> None:
    """Whatever order and however often signals arrive, the same is known in the end."""
    expected = told(*signals)
    for order in permutations(signals):
        assert told(*order, *order) == expected


# What an agent tells

ANY_TOLD = st.lists(
    st.builds(
        lambda kind, minute, source: signal(
            kind, at("10:00") + timedelta(minutes=minute), source=source, has_caller=True
        ),
        st.sampled_from([SignalKind.EVICTED, OWNER_STOPPED, SignalKind.STARTED, SignalKind.UNAVAILABLE]),
        st.integers(-30, 30),
        st.sampled_from([Source.ARM_OPERATION, Source.HEALTH_ANNOTATION]),
    ),
    max_size=5,
)


def noticed(clock: str) -> Signal:
    """Make an agent's notice."""
    return signal(SignalKind.AGENT_NOTICED, at(clock), source=Source.AGENT)


@pytest.mark.parametrize(
    ("seen_at", "verdict"),
    [
        ("10:00:00", Verdict.EVICTED),
        ("10:05:00", Verdict.EVICTED),
        ("10:05:01", Verdict.UNKNOWN),
        ("09:58:00", Verdict.EVICTED),
        ("09:57:59", Verdict.UNKNOWN),
    ],
)
def test_a_notice_counts_if_arm_shows_the_vm_down_within_minutes(seen_at: str, verdict: Verdict) -> None:
    """The notice alone counts for nothing. The clock of the instance that looks may be two minutes behind."""
    evidence = told(noticed("10:00"))
    assert evidence.verdict is Verdict.UNKNOWN
    assert evidence.with_look(PowerState.RUNNING, at(seen_at)).verdict is Verdict.UNKNOWN
    assert evidence.with_look(PowerState.DEALLOCATED, at(seen_at)).verdict is verdict


def test_the_first_notice_and_the_first_look_count() -> None:
    """Whoever tells it again and again neither moves the time of the notice nor that of the look."""
    evidence = told(noticed("10:00")).with_look(PowerState.DEALLOCATING, at("10:01"))
    again = evidence.with_signal(noticed("10:04")).with_look(PowerState.DEALLOCATED, at("10:06"))
    assert again == evidence


def test_a_look_without_a_notice_is_not_kept() -> None:
    """Without an agent nothing is written that was not before."""
    assert Evidence().with_look(PowerState.DEALLOCATED, TEN) == Evidence()


@given(ANY_TOLD, st.integers(-30, 30), st.integers(0, 60), st.data())
def test_an_agents_word_changes_a_verdict_only_where_nothing_else_is_known(
    others: list[Signal], noticed_minute: int, seen_minute: int, data: st.DataObject
) -> None:
    """In whatever order, at whatever times: it turns unknown into evicted, and nothing else into anything."""
    notice = signal(SignalKind.AGENT_NOTICED, TEN + timedelta(minutes=noticed_minute), source=Source.AGENT)
    place = data.draw(st.integers(0, len(others)))
    seen_at = TEN + timedelta(minutes=noticed_minute + seen_minute)
    without = told(*others)
    with_it = told(*others[:place], notice, *others[place:]).with_look(PowerState.DEALLOCATED, seen_at)
    assert with_it.without_notice() == without
    if without.verdict is Verdict.UNKNOWN:
        assert with_it.verdict is not Verdict.STOPPED_BY_OWNER
    else:
        assert with_it.verdict is without.verdict


def test_how_long_before_is_known_where_both_times_are() -> None:
    """By Azure's time if there is one, else by the look; never less than nothing."""
    assert told(noticed("10:00")).notice_lead is None
    assert told(evicted(at("10:01"))).notice_lead is None
    seen = told(noticed("10:00")).with_look(PowerState.DEALLOCATED, at("10:01"))
    assert seen.notice_lead == timedelta(minutes=1)
    assert seen.with_signal(evicted(at("10:00:30"))).notice_lead == timedelta(seconds=30)
    assert told(noticed("10:00"), evicted(at("09:59"))).notice_lead is None


def test_a_start_by_others_settles_a_notice() -> None:
    """The VM ran after it."""
    evidence = told(noticed("10:00")).with_look(PowerState.DEALLOCATED, at("10:01")).settled(at("10:02"))
    assert (evidence.noticed_at, evidence.seen_down_at) == (None, None)


def test_maintenance_and_a_workload_say_nothing_of_an_eviction() -> None:
    """They are notes."""
    for kind in (SignalKind.AGENT_MAINTENANCE, SignalKind.WORKLOAD_READY):
        assert told(signal(kind, TEN, source=Source.AGENT)) == Evidence()
