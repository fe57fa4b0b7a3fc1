"""Which sizes are tried, in which order, and what keeps a VM from one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_responder.decisions.attempts import Attempt, AttemptState, SizeNotes
from spot_responder.decisions.decide import decide, decide_in_the_pool_queue
from spot_responder.decisions.fallback.sizes import Obstacle, obstacle, order_of, sizes_of
from spot_responder.decisions.policy import RESIZES_PER_DAY, RESIZES_PER_HOUR, Policy
from spot_responder.decisions.pools import PoolGate, pool_of
from spot_responder.decisions.situations import OfferedSize, Resize, Situation, Start, Wait
from spot_responder.intake.vms import PowerState, Vm
from spot_responder.offerings.fallback_tag import TAG
from spot_responder.offerings.fits import Aspect, Fit, Verdict, fits, unfit, unknown
from tests.harness.makers import OUR_SITUATIONS, POOLS, TEN, at, evicted, recovery, situation, spot_vm

OWN, OTHER, THIRD = "Standard_D2s_v5", "Standard_D2as_v5", "Standard_D2s_v4"
POLICY = Policy(resizes=True)
GOOD = {size.lower(): OfferedSize(size, Fit((fits(Aspect.SPOT),)), 0.05) for size in (OTHER, THIRD)}


def vm(size: str = OWN, tag: str = f"{OTHER},{THIRD}", state: PowerState = PowerState.DEALLOCATED) -> Vm:
    """Make a VM whose owner named two sizes."""
    usual = spot_vm(state)
    return replace(usual, size=size, tags={**usual.tags, TAG: tag})


def looked_at(machine: Vm, attempt: Attempt | None = None, sizes: SizeNotes | None = None) -> Situation:
    """Make a look at an evicted VM."""
    row = replace(recovery(), attempt=attempt, sizes=sizes or SizeNotes())
    return replace(situation(evicted(), machine, row), offered=GOOD)


def ways(resizes: int, every: timedelta) -> SizeNotes:
    """Make notes of so many changes up to ten."""
    return SizeNotes(OWN, (OWN, OTHER), tuple(TEN - every * number for number in reversed(range(resizes))))


def in_its_way(size: str, notes: SizeNotes, machine: Vm | None = None, **starts: int) -> Obstacle | None:
    """Say what keeps the VM from a size at ten."""
    row = replace(recovery(), sizes=notes, starts=(TEN - timedelta(minutes=1),) * starts.get("starts", 0))
    return obstacle(size, GOOD.get(size.lower()), machine or vm(), row, POLICY, TEN)


def test_the_first_size_comes_first_then_the_owners_order() -> None:
    """Also where the VM has another one now; a size that the tag repeats is there once."""
    assert sizes_of(vm(), None, POLICY) == (OWN, OTHER, THIRD)
    away = replace(recovery(), sizes=SizeNotes().asking_for(OTHER, OWN, TEN))
    assert sizes_of(vm(OTHER), away, POLICY) == (OWN, OTHER, THIRD)
    assert sizes_of(replace(vm(), priority="Regular"), None, POLICY) == (), "on demand there is no Spot capacity"
    assert sizes_of(vm(tag=f"{OWN.upper().replace('STANDARD', 'Standard')},{OTHER}"), None, POLICY) == (OWN, OTHER)


@pytest.mark.parametrize("policy", [Policy(), POLICY])
def test_without_tag_and_identity_there_is_its_own_only(policy: Policy) -> None:
    """Each alone is not enough."""
    tag = "" if policy.resizes else OTHER
    assert sizes_of(vm(tag=tag), None, policy) == ()
    assert order_of(looked_at(vm(tag=tag)), vm(tag=tag), policy) == (OWN,)


def test_while_a_start_is_under_way_its_own_pool_is_asked() -> None:
    """And of a VM that is not deallocated."""
    assert order_of(looked_at(vm(), Attempt(1, TEN)), vm(), POLICY) == (OWN,)
    assert order_of(looked_at(vm()), vm(state=PowerState.RUNNING), POLICY) == (OWN,)
    assert order_of(looked_at(vm(), Attempt(1, TEN, AttemptState.REFUSED)), vm(), POLICY) == (OWN, OTHER, THIRD)


def test_what_was_tried_in_this_recovery_comes_after_the_others() -> None:
    """When all were tried, the first one is tried first again."""
    once = SizeNotes(tried=(OWN,))
    assert order_of(looked_at(vm(), sizes=once), vm(), POLICY) == (OTHER, THIRD, OWN)
    assert order_of(looked_at(vm(), sizes=once.trying(OTHER)), vm(), POLICY) == (THIRD, OWN, OTHER)
    assert order_of(looked_at(vm(), sizes=once.trying(OTHER).trying(THIRD)), vm(), POLICY) == (OWN, OTHER, THIRD)


def test_while_it_is_changed_the_new_size_comes_first() -> None:
    """Its place in that pool is taken."""
    assert order_of(looked_at(vm(), Attempt(0, TEN, resize_to=THIRD)), vm(), POLICY) == (THIRD, OWN, OTHER)


def test_a_size_that_is_in_the_tag_no_more_is_asked_last() -> None:
    """It is the one that the VM has, and needs no change."""
    given_once = SizeNotes().asking_for("Standard_F2s_v2", OWN, TEN)
    machine = vm("Standard_F2s_v2")
    assert order_of(looked_at(machine, sizes=given_once), machine, POLICY) == (OWN, OTHER, THIRD, "Standard_F2s_v2")


def test_nothing_is_in_the_way_of_a_size_that_fits() -> None:
    """Nor of its own one."""
    assert in_its_way(OTHER, SizeNotes()) is None
    assert in_its_way(OWN, SizeNotes()) is None
    assert obstacle(OTHER, GOOD[OTHER.lower()], vm(), None, POLICY, TEN) is None


def test_azures_refusal_is_in_the_way_of_any_but_the_first_size_that_it_has() -> None:
    """Until it does not count any more."""
    marked = SizeNotes().refused(OTHER, "NotAllowed: no", at("11:00")).refused(OWN, "NotAllowed: no", at("11:00"))
    assert in_its_way(OTHER, marked) == Obstacle("Azure refused it: NotAllowed: no", at("11:00"))
    assert in_its_way(OWN, marked) is None
    away = replace(marked, first=OWN, given=(OWN, OTHER))
    assert in_its_way(OTHER, away, vm(OTHER)) is not None
    assert in_its_way(OWN, away, vm(OTHER)) is not None


@pytest.mark.parametrize(
    ("offered", "words"),
    [
        (None, "nothing is known of it"),
        (OfferedSize(OTHER, Fit((unfit(Aspect.ZONE, "in zone 2 only"),))), "in zone 2 only"),
        (OfferedSize(OTHER, Fit((unknown(Aspect.DISK_CONTROLLER, "its controller is not told"),))), "is not told"),
    ],
)
def test_what_does_not_fit_is_not_asked_for(offered: OfferedSize | None, words: str) -> None:
    """Nor what could keep the VM from booting, for all that is known."""
    found = obstacle(OTHER, offered, vm(), recovery(), POLICY, TEN)
    assert found is not None
    assert words in found.why
    assert found.until is None


def test_what_azure_would_only_refuse_may_be_tried() -> None:
    """A quota that is unknown, for instance."""
    fit = Fit((fits(Aspect.ZONE), unknown(Aspect.QUOTA, "how many are left is not known")))
    assert fit.may_be_tried
    assert fit.verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("most", "every"), [(RESIZES_PER_HOUR, timedelta(minutes=1)), (RESIZES_PER_DAY, timedelta(minutes=50))]
)
def test_so_many_changes_are_allowed_and_the_last_one_leads_home(most: int, every: timedelta) -> None:
    """Within an hour, and within a day. What is kept for the way home may go to a size that was not tried yet."""
    tried = {number: ways(number, every).trying(THIRD) for number in (most - 2, most - 1, most)}
    assert in_its_way(THIRD, tried[most - 2], vm(OTHER)) is None
    assert in_its_way(THIRD, tried[most - 1], vm(OTHER)) is not None
    assert in_its_way(THIRD, ways(most - 1, every), vm(OTHER)) is None
    assert in_its_way(OWN, tried[most - 1], vm(OTHER)) is None
    for size in (OWN, THIRD):
        at_most = in_its_way(size, ways(most, every), vm(OTHER))
        assert at_most is not None
        assert at_most.until is not None
        assert at_most.until > TEN


def test_a_change_and_its_start_need_two_of_the_budget() -> None:
    """One that is left is for a start with the size that it has; a size that was tried leaves two for the way home."""
    assert in_its_way(OTHER, SizeNotes(), starts=10) is None
    found = in_its_way(OTHER, SizeNotes(), starts=11)
    assert found is not None
    assert found.until == at("10:59")
    assert found.told.endswith(" within an hour; until 2026-03-02 10:59Z")
    once = SizeNotes(OWN, (OWN, OTHER, THIRD), tried=(OWN, OTHER))
    assert in_its_way(OTHER, once, starts=8) is None
    again = in_its_way(OTHER, once, starts=9)
    assert again is not None
    assert "the same for the way back to its first size" in again.why
    assert in_its_way(OWN, once, vm(THIRD), starts=9) is None
    tight = obstacle(OTHER, GOOD[OTHER.lower()], vm(), None, Policy(resizes=True, starts_per_hour=1), TEN)
    assert tight is not None
    assert tight.until is None


def test_the_decision_names_the_size_and_why() -> None:
    """Away, and home again."""
    given = replace(looked_at(vm()), size_considered=OTHER)
    decision = decide(given, POLICY, at("10:00:05"), 0.5)
    assert isinstance(decision, Resize)
    assert (decision.size, decision.reason.partition(":")[0]) == (OTHER, f"no capacity for {OWN}")
    assert decision.gate is not None
    assert decision.gate.pool_id == pool_of(vm(), OTHER)
    away = looked_at(vm(OTHER), sizes=SizeNotes().asking_for(OTHER, OWN, TEN - timedelta(hours=2)))
    home = decide(replace(away, size_considered=OWN), POLICY, at("10:00:05"), 0.5)
    assert home.reason.startswith("its first size is tried first")
    tried = looked_at(vm(OTHER), sizes=SizeNotes().asking_for(OTHER, OWN, TEN - timedelta(hours=2)).trying(OWN))
    again = decide(replace(tried, size_considered=OWN), POLICY, at("10:00:05"), 0.5)
    assert again.reason.startswith("its first size is tried again")
    assert isinstance(decide(replace(given, size_considered=OWN), POLICY, at("10:00:05"), 0.5), Start)
    unseen = replace(situation(evicted(), vm()), offered=GOOD, size_considered=OTHER)
    assert isinstance(decide(unseen, POLICY, at("10:00:05"), 0.5), Resize)


def test_what_is_in_the_way_is_a_wait() -> None:
    """Until it may be over, or for a slow look."""
    marked = SizeNotes().refused(OTHER, "no", at("11:00"))
    wait = decide(replace(looked_at(vm(), sizes=marked), size_considered=OTHER), POLICY, at("10:00:05"), 0.5)
    assert isinstance(wait, Wait)
    assert wait.until == at("11:00")
    nothing_known = replace(looked_at(vm()), size_considered=OTHER, offered={})
    slow = decide(nothing_known, POLICY, at("10:00:05"), 0.5)
    assert isinstance(slow, Wait)
    assert slow.until == at("11:00:05")


def test_a_vm_with_other_sizes_does_not_wait_unread() -> None:
    """Its pool is closed, and another one may not be."""
    closed = PoolGate(pool_of(vm()), refusals=3, closed_until=at("10:30"), width=1)
    given = replace(situation(evicted(), vm()), gate=closed)
    assert decide_in_the_pool_queue(given, Policy(), at("10:00:05"), 0.5) is not None
    assert decide_in_the_pool_queue(given, POLICY, at("10:00:05"), 0.5) is None


@given(OUR_SITUATIONS, POOLS, st.sampled_from([OTHER, THIRD, "Standard_F2s_v2"]))
def test_no_size_is_asked_for_that_the_tag_does_not_name(given_situation: Situation, gate: PoolGate, size: str) -> None:
    """Whatever the situation, nor of a VM that is not deallocated."""
    for state in PowerState:
        asked = replace(given_situation, vm=vm(state=state), gate=gate, offered=GOOD, size_considered=size)
        decision = decide(asked, POLICY, TEN, 0.5)
        if isinstance(decision, Resize):
            assert decision.size in {OTHER, THIRD}
            assert state is PowerState.DEALLOCATED
