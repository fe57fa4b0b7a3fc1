"""What an explanation says of the sizes that a VM may come back as."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from spot_responder.decisions.attempts import Attempt, AttemptState, SizeNotes, WeighedSize
from spot_responder.decisions.decide import decide
from spot_responder.decisions.outcomes import Outcome
from spot_responder.decisions.policy import RESIZES_PER_HOUR, Policy
from spot_responder.decisions.pools import PoolGate, pool_of
from spot_responder.decisions.situations import Close, Situation
from spot_responder.intake.azure_errors import FailureKind
from spot_responder.intake.vms import PowerState
from spot_responder.operators.views.explained_past import starts_tried
from spot_responder.operators.views.explanation import Next, explain
from spot_responder.operators.views.offerings.fallback import sizes_told
from spot_responder.operators.views.open_recovery import RecoveryState, open_recovery
from spot_responder.operators.views.plan import FoundBy, Judged, Would, plan
from tests.decisions.fallback.test_sizes import OTHER, OWN, POLICY, THIRD, looked_at, vm
from tests.harness.makers import TEN, at, evicted, failure, situation

WEIGHED = (
    WeighedSize(OWN, "no capacity just now", at=at("09:58")),
    WeighedSize(OTHER, "the VM was to be changed to it", "0.05 USD an hour", at("09:58")),
)
NOTES = replace(SizeNotes(weighed=WEIGHED, tried=(OWN,)), unfit=()).refused(THIRD, "no: never", at("12:00"))


def told(given: Situation) -> str:
    """Give what is said at ten."""
    return "\n".join(sizes_told(given, POLICY, TEN))


def test_it_says_what_was_tried_what_is_next_and_what_each_costs() -> None:
    """In Azure's words where Azure refused."""
    said = told(looked_at(vm(), sizes=NOTES))
    assert f"sizes tried in this recovery: {OWN}" in said
    assert f"{OTHER} (0.05 USD an hour), at 09:58:00Z: the VM was to be changed to it" in said
    assert f"{OWN}, at 09:58:00Z: no capacity" in said
    assert f"gone through in this order: {OTHER}, {OWN}" in said
    assert f"{THIRD} is left out until 2026-03-02 12:00Z, for Azure refused it: no: never" in said


def test_a_size_that_a_limit_keeps_it_from_is_not_next() -> None:
    """It says until when that holds; nor is the first size first, once others are."""
    changes = tuple(TEN - timedelta(minutes=number) for number in reversed(range(1, RESIZES_PER_HOUR)))
    notes = SizeNotes(OWN, (OWN, OTHER), changes, tried=(OWN, OTHER, THIRD))
    said = told(looked_at(vm(OTHER), sizes=notes)).splitlines()
    assert said[0] == f"it has the size {OTHER}; its first one was {OWN}"
    assert f"at its next look its sizes are gone through in this order: {OWN}, {OTHER}" in said
    (limit,) = [line for line in said if line.startswith(f"not {THIRD}: its size was changed 5 times within an hour")]
    assert limit.endswith("one more is kept for the way back to its first size; until 2026-03-02 10:55Z")


def test_what_is_over_is_not_told() -> None:
    """Of a closed recovery, what was thought at its looks; a refusal whose time is over."""
    row = replace(looked_at(vm(OTHER), sizes=SizeNotes().asking_for(OTHER, OWN, TEN).weighing(WEIGHED, TEN)))
    assert row.recovery is not None
    closed = replace(row, recovery=row.recovery.closed(Outcome.RESTORED, TEN, "it runs"))
    assert told(closed) == f"it has the size {OTHER}; its first one is tried first at its next recovery: {OWN}"
    old = looked_at(vm(), sizes=SizeNotes().refused(THIRD, "no", at("09:00")))
    assert told(old) == f"at its next look its sizes are gone through in this order: {OWN}, {OTHER}, {THIRD}"


def test_a_size_that_its_owner_took_off_the_tag_is_not_told() -> None:
    """Whatever was thought of it."""
    said = told(looked_at(vm(tag=THIRD), sizes=replace(NOTES, unfit=()).refused(OTHER, "no", at("12:00"))))
    assert OTHER not in said


def test_no_order_is_told_where_no_size_is_asked_about_next() -> None:
    """It is held, or Azure is at work on it; nor are notes of an earlier release given a time that they lack."""
    given = looked_at(vm(), sizes=SizeNotes(weighed=(WeighedSize(OWN, "closed"),)))
    assert given.recovery is not None
    held = replace(given, recovery=replace(given.recovery, held_at=TEN))
    for each in (held, looked_at(vm(), Attempt(1, TEN), given.recovery.sizes)):
        assert told(each) == f"{OWN}, at the latest look: closed"


def test_it_says_that_changes_of_size_are_off() -> None:
    """The owner counts on the tag; with or without a row, and at home or away."""
    off = "RESIZE_CLIENT_ID is not set: to turn changes of size on"
    assert off in "".join(sizes_told(situation(evicted(), vm()), Policy(), TEN))
    away = looked_at(vm(OTHER), sizes=SizeNotes().asking_for(OTHER, OWN, TEN))
    said = sizes_told(away, Policy(), TEN)
    assert off in said[0]
    assert said[1] == f"it has the size {OTHER}; its first one was {OWN}"


def test_nothing_is_told_where_nobody_asked() -> None:
    """No tag, no row, no VM."""
    assert told(looked_at(vm(tag=""), sizes=NOTES)) == ""
    assert told(situation(evicted(), vm())) == ""
    assert told(situation(evicted(), None)) == ""


def test_a_bad_tag_is_told_in_one_line() -> None:
    """Its owner looks here first."""
    assert told(looked_at(vm(tag="D2"))).startswith("the tag SpotFallbackSizes is ignored: 'D2' is no size")


def test_a_change_of_size_is_told_as_such() -> None:
    """Under way, unanswered and refused."""
    change = Attempt(1, TEN, AttemptState.ACCEPTED, resize_to=OTHER)
    given = looked_at(vm(), change)
    assert starts_tried(given, None) == (f"0 start requests, then its change to {OTHER} was asked for",)
    unanswered = replace(change, state=AttemptState.ASKED, failure=failure(FailureKind.UNKNOWN))
    assert "was not answered" in starts_tried(looked_at(vm(), unanswered), None)[0]
    refused = replace(unanswered, state=AttemptState.REFUSED)
    assert "Azure refused that: SomeCode" in starts_tried(looked_at(vm(), refused), None)[0]


def test_the_next_step_is_told() -> None:
    """By explanation and plan, and for a dry run."""
    given = replace(looked_at(vm()), size_considered=OTHER)
    assert given.recovery is not None
    given = replace(given, recovery=replace(given.recovery, wake_at=at("10:00:05")))
    decision = decide(given, POLICY, at("10:00:05"), 0.5)
    explained = explain(given, decision, POLICY, at("10:00:05"))
    assert explained.headline.endswith(f"it is about to be changed to {OTHER} and started")
    assert explained.next.what == f"it is changed to {OTHER}, and a start is asked for"
    assert "were DRY_RUN not true" in explain(given, decision, POLICY, at("10:00:05"), dry_run=True).headline
    planned = plan([Judged(given, decision, FoundBy.RESOURCE_GRAPH)], {}, POLICY, TEN, shown=1, dry_run=False)
    assert [find.would for find in planned.finds] == [Would.START]


def test_a_vm_that_runs_is_told_as_what_it_may_come_back() -> None:
    """Before an outage, with the command that compares these sizes with it; not where changes are off."""
    running = vm(state=PowerState.RUNNING)
    given = situation(evicted(), running)
    decision = decide(given, POLICY, TEN, 0.5)
    explained = explain(given, decision, POLICY, TEN)
    assert f"if {OWN} is out of capacity after an eviction, it may come back as {OTHER}, {THIRD}" in explained.tried
    assert any("whether the sizes of its tag suit it: " in line and "--like" in line for line in explained.advice)
    off = explain(given, decision, Policy(), TEN)
    assert not any("may come back as" in line for line in off.tried)


def test_who_waits_for_capacity_without_the_tag_is_told_of_it() -> None:
    """Who has it needs no such word."""
    for tag, is_told in (("", True), (OTHER, False)):
        closed = PoolGate(pool_of(vm()), refusals=1, closed_until=at("10:30"), width=1)
        given = replace(looked_at(vm(tag=tag)), gate=closed)
        explained = explain(given, decide(given, POLICY, at("10:00:05"), 0.5), POLICY, at("10:00:05"))
        assert any("sizes that it could come back as" in line for line in explained.advice) is is_told


def test_after_a_change_the_start_is_next() -> None:
    """Not in two minutes, which is when the app looks again if no answer comes."""
    for state, when in ((AttemptState.ASKED, None), (AttemptState.ACCEPTED, at("10:02"))):
        given = looked_at(vm(OTHER), Attempt(1, TEN, state, resize_to=OTHER))
        assert given.recovery is not None
        given = replace(given, recovery=replace(given.recovery, wake_at=at("10:02")))
        explained = explain(given, decide(given, POLICY, TEN, 0.5), POLICY, TEN)
        assert explained.next == Next("right after its change of size, a start is asked for", when)


def test_a_vm_that_is_held_after_its_change_is_told_as_held() -> None:
    """No start follows until it is released; without the hold one does."""
    row = looked_at(vm(OTHER), Attempt(1, TEN, AttemptState.ACCEPTED, resize_to=OTHER)).recovery
    assert row is not None
    assert open_recovery(row, at("10:05")).state is RecoveryState.STARTING
    assert open_recovery(replace(row, held_at=TEN), at("10:05")).state is RecoveryState.HELD


def test_the_outcome_says_as_what_it_came_back() -> None:
    """So do history, page and events, which have its reason."""
    notes = SizeNotes().asking_for(OTHER, OWN, TEN)
    given = looked_at(vm(OTHER, state=PowerState.RUNNING), Attempt(2, TEN, AttemptState.ACCEPTED), notes)
    decision = decide(given, Policy(), at("10:09"), 0.5)
    assert isinstance(decision, Close)
    assert decision.reason.startswith(f"it runs again, as {OTHER} (its first size is {OWN}), ")
