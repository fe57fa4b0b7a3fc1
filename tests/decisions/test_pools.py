"""A pool that refused closes for everybody, is probed by one, and opens in growing steps."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_responder.decisions.policy import Policy
from spot_responder.decisions.pools import (
    FIRST_STARTS,
    NEWS_AFTER,
    PLACE_KEPT,
    Admitted,
    PoolGate,
    PoolId,
    Queued,
    admit,
    left,
    pool_of,
    refused,
    restored,
)
from spot_responder.intake.vms import VmId
from tests.harness.makers import POOLS, TEN, TIMES, at, spot_vm

POOL = PoolGate(PoolId("s", "westeurope", "", "standard_d2s_v5"))
POLICY = Policy(capacity_retry=timedelta(minutes=1), capacity_retry_max=timedelta(minutes=15))
MINUTE = timedelta(minutes=1)
NO_TURN = timedelta()


def answer(pool: PoolGate, vm_key: str, now: datetime, turn: timedelta = NO_TURN) -> Admitted | Queued:
    """Ask for a VM that went down at ten."""
    return admit(pool, vm_key, TEN, now, turn)


def admitted(pool: PoolGate, vm_key: str, now: datetime) -> PoolGate:
    """Ask for a VM, expect a yes, and give the pool with its place taken."""
    given_answer = answer(pool, vm_key, now)
    assert isinstance(given_answer, Admitted)
    return given_answer.gate


def with_starts(pool: PoolGate, count: int, now: datetime) -> PoolGate:
    """Let in so many VMs, called vm-0, vm-1 and so on."""
    for number in range(count):
        pool = admitted(pool, f"vm-{number}", now)
    return pool


def closed_at_ten(jitter: float = 0.5) -> PoolGate:
    """Give a pool whose first start was refused at ten."""
    return refused(POOL, "a", TEN, POLICY, jitter)


def test_a_few_show_whether_there_is_capacity_and_the_others_wait_for_them() -> None:
    """A mass eviction at ten: the first few may start at once, whoever comes next has to wait for its turn."""
    pool = with_starts(POOL, FIRST_STARTS, TEN)
    assert answer(pool, "one more", TEN, MINUTE) == Queued(at("10:01"))


def test_a_vm_that_waits_for_the_first_ones_does_not_ask_before_there_can_be_news() -> None:
    """Asking sooner would cost a look at Azure and change nothing; later, their own turn counts."""
    full = with_starts(POOL, FIRST_STARTS, at("10:00"))
    queued = answer(full, "late", at("10:00:05"), timedelta(seconds=10))
    assert queued == Queued(at("10:00") + NEWS_AFTER)
    assert answer(full, "late", at("10:00:40"), timedelta(seconds=10)) == Queued(at("10:00:50"))


def test_the_first_to_come_up_lets_in_all_that_went_down_before_it() -> None:
    """One of them runs at 10:00:30: all others are let in, and the gate is not written any more."""
    pool = restored(with_starts(POOL, FIRST_STARTS, TEN), "vm-0", at("10:00:30"), POLICY)
    assert admitted(pool, "one more", at("10:00:31")) is pool
    assert restored(pool, "one more", at("10:00:50"), POLICY) is pool


def test_what_goes_down_after_the_last_one_came_up_shows_that_the_capacity_is_gone() -> None:
    """Ran again at 10:00:30; at 10:05 the next mass eviction: a few first, as before."""
    pool = restored(with_starts(POOL, 1, TEN), "vm-0", at("10:00:30"), POLICY)
    for number in range(FIRST_STARTS):
        later = admit(pool, f"later-{number}", at("10:05"), at("10:05"), NO_TURN)
        assert isinstance(later, Admitted)
        pool = later.gate
    assert isinstance(admit(pool, "one more", at("10:05"), at("10:05"), NO_TURN), Queued)


def test_one_refusal_closes_the_pool_for_everybody() -> None:
    """Refused at 10:00: nobody is let in before 10:01, each comes back in its own turn."""
    assert answer(closed_at_ten(), "b", at("10:00:59"), timedelta(seconds=7)) == Queued(at("10:01:07"))


def test_one_vm_probes_and_the_others_wait() -> None:
    """At 10:01 the first one to ask may probe, and may ask again; the next has to wait."""
    probing = admitted(closed_at_ten(), "a", at("10:01"))
    assert answer(probing, "b", at("10:01"), MINUTE) == Queued(at("10:02"))
    assert admitted(probing, "a", at("10:01")).under_way.keys() == {"a"}


def test_a_vm_that_waits_behind_a_probe_comes_back_in_its_own_turn() -> None:
    """Once the pool has refused, a turn is short or long as the wait was: nobody waits for news of the first ones."""
    probing = admitted(closed_at_ten(), "a", at("10:01"))
    assert answer(probing, "b", at("10:01"), timedelta(seconds=7)) == Queued(at("10:01:07"))


def test_a_lost_probe_blocks_nobody_for_long() -> None:
    """The probe was never heard of again: its place is free after a while."""
    probing = admitted(closed_at_ten(), "a", at("10:01"))
    assert admitted(probing, "b", at("10:01") + PLACE_KEPT).under_way.keys() == {"b"}


def test_capacity_that_is_back_is_taken_in_doubling_rounds() -> None:
    """The probe comes up, then two may try, then four, then eight."""
    pool, now, rounds = closed_at_ten(), at("10:01"), []
    for _ in range(5):
        pool = with_starts(pool, pool.width, now)
        rounds.append(pool.width)
        assert isinstance(answer(pool, "one more", now), Queued)
        now += MINUTE
        for number in range(rounds[-1]):
            pool = restored(pool, f"vm-{number}", now, POLICY)
    assert rounds == [1, 2, 4, 8, 16]
    assert pool.under_way == {}


def test_capacity_that_trickles_is_taken_as_it_comes() -> None:
    """Eight are under way, two come up, the third is refused: a first pause, then one, then two, then three."""
    pool = with_starts(replace(closed_at_ten(), width=8, refusals=3), 8, at("10:01"))
    for number in (0, 1):
        pool = restored(pool, f"vm-{number}", at("10:02"), POLICY)
    pool = with_starts(pool, 8, at("10:02"))
    pool = refused(pool, "vm-2", at("10:02"), POLICY, jitter=0.5)
    assert (pool.closed_until, pool.refusals) == (at("10:03"), 1)
    pool = replace(pool, under_way={})
    for width in (1, 2, 3):
        assert pool.width == width
        pool = with_starts(pool, width, at("10:03"))
        for number in range(width):
            pool = restored(pool, f"vm-{number}", at("10:04"), POLICY)


def test_capacity_that_trickles_lets_one_more_in_with_each_round() -> None:
    """Of one, two, three and four VMs that are let in, all have to come up before there is room for one more."""
    pool, widths = replace(closed_at_ten(), trickles=True), []
    for width in (1, 2, 3, 4):
        pool = with_starts(pool, width, at("10:01"))
        for number in range(width):
            pool = restored(pool, f"vm-{number}", at("10:02"), POLICY)
            widths.append(pool.width)
    assert widths == [2, 2, 3, 3, 3, 4, 4, 4, 4, 5]


def test_an_outage_that_was_probed_in_vain_is_no_trickle() -> None:
    """Refused at ten, and the probe at 10:01 as well, nobody having come up: what comes back then is taken doubling."""
    pool = refused(admitted(closed_at_ten(), "a", at("10:01")), "a", at("10:01"), POLICY, jitter=0.5)
    pool = with_starts(pool, 1, at("10:03"))
    pool = with_starts(restored(pool, "vm-0", at("10:04"), POLICY), 2, at("10:04"))
    for number in (0, 1):
        pool = restored(pool, f"vm-{number}", at("10:05"), POLICY)
    assert pool.width == 4


def test_a_vm_that_came_up_between_two_refusals_makes_a_trickle_of_it() -> None:
    """The probe of 10:01 comes up, the next is refused: little by little, so from then on by one a round."""
    pool = restored(admitted(closed_at_ten(), "a", at("10:01")), "a", at("10:02"), POLICY)
    pool = refused(admitted(pool, "b", at("10:02")), "b", at("10:02"), POLICY, jitter=0.5)
    for width in (1, 2):
        pool = with_starts(pool, width, at("10:03"))
        for number in range(width):
            pool = restored(pool, f"vm-{number}", at("10:04"), POLICY)
    assert pool.width == 3


def test_a_refusal_after_a_success_that_needed_no_gate_is_no_outage_yet() -> None:
    """A pool that was proven refuses: somebody came up a moment ago, so its capacity trickles."""
    pool = restored(with_starts(POOL, 1, TEN), "vm-0", at("10:00:30"), POLICY)
    closed = refused(pool, "free", at("10:01"), POLICY, jitter=0.5)
    assert (closed.width, closed.trickles, closed.proven_at) == (1, True, None)


def test_a_vm_without_a_place_changes_nothing_when_it_comes_up() -> None:
    """There is nothing to open."""
    assert restored(POOL, "a", TEN, POLICY) is POOL


def test_a_late_success_shortens_a_pause_and_opens_nothing() -> None:
    """Two were let in at 10:01; one is refused for the fourth time in a row; the other comes up a minute later."""
    pool = with_starts(replace(closed_at_ten(), width=2, refusals=3), 2, at("10:01"))
    closed = refused(pool, "vm-0", at("10:02"), POLICY, jitter=0.5)
    assert closed.closed_until == at("10:10")
    late = restored(closed, "vm-1", at("10:03"), POLICY)
    assert (late.closed_until, late.refusals, late.width) == (at("10:04"), 0, 1)
    assert isinstance(answer(late, "b", at("10:03:59")), Queued)


def test_each_refusal_doubles_the_pause_up_to_the_longest() -> None:
    """1, 2, 4, 8, 15, 15 minutes."""
    pool, now, pauses = POOL, TEN, []
    for _ in range(6):
        pool = refused(pool, "a", now, POLICY, jitter=0.5)
        assert pool.closed_until is not None
        pauses.append((pool.closed_until - now) / MINUTE)
        now = pool.closed_until
    assert pauses == [1, 2, 4, 8, 15, 15]


@pytest.mark.parametrize(("jitter", "until"), [(0, "10:00:54"), (0.5, "10:01:00"), (1, "10:01:06")])
def test_pauses_are_spread(jitter: float, until: str) -> None:
    """Pools that closed at the same moment are not probed at the same moment."""
    assert closed_at_ten(jitter).closed_until == at(until)


def test_a_gate_of_long_ago_counts_for_nothing() -> None:
    """An outage of last month left its gate closed: today a few are let in, and a refusal is the first again."""
    old = replace(closed_at_ten(), refusals=9)
    later = TEN + timedelta(days=30)
    assert admitted(old, "a", later) == admitted(POOL, "a", later)
    assert refused(old, "a", later, POLICY, jitter=0.5).refusals == 1


def test_a_success_of_long_ago_proves_nothing() -> None:
    """It ran again at 10:01; a VM that is down since ten and comes only at noon has to take its turn."""
    proven = replace(POOL, proven_at=at("10:01"))
    assert admitted(proven, "a", at("10:30")) is proven
    assert admitted(proven, "a", at("12:00")).under_way.keys() == {"a"}


def test_late_refusals_of_one_outage_count_once() -> None:
    """Ten VMs were let in before the pool closed; their refusals say nothing new but that their places are free."""
    closed = refused(with_starts(POOL, 2, TEN), "vm-0", TEN, POLICY, jitter=0.5)
    assert refused(closed, "vm-1", at("10:00:30"), POLICY, jitter=0.9) == replace(closed, under_way={})


def test_a_place_is_given_back() -> None:
    """A start that ended for another reason frees its place; a VM that has none has none to give."""
    probing = admitted(closed_at_ten(), "a", at("10:01"))
    assert left(probing, "a").under_way == {}
    assert left(probing, "b") is probing


@given(st.integers(0, 2000), st.floats(0, 1))
def test_a_pause_is_never_far_from_its_bounds(refusals: int, jitter: float) -> None:
    """However long the outage, a pool is asked again within the longest pause and a tenth."""
    closed = refused(replace(POOL, refusals=refusals, width=1), "a", TEN, POLICY, jitter)
    assert closed.closed_until is not None
    assert 0.9 * MINUTE <= closed.closed_until - TEN <= 1.1 * POLICY.capacity_retry_max


@given(POOLS, TIMES, st.booleans())
def test_whatever_happens_somebody_may_try_at_last(pool: PoolGate, now: datetime, came_up: bool) -> None:  # noqa: FBT001
    """No gate stays shut: after its pause, when the places of lost starts are free, a VM is let in."""
    news = restored(pool, "a", now, POLICY) if came_up else refused(pool, "a", now, POLICY, jitter=1)
    assert news.width >= 1
    later = max([now, *news.under_way.values(), *([news.closed_until] if news.closed_until else [])])
    assert isinstance(answer(news, "b", later), Admitted)


@pytest.mark.parametrize(
    ("zone", "text"), [(None, "standard_d2s_v5 in westeurope"), ("2", "standard_d2s_v5 in westeurope, zone 2")]
)
def test_a_pool_is_named_by_size_and_place(zone: str | None, text: str) -> None:
    """Casing of size and region does not make another pool."""
    vm = replace(spot_vm(), zone=zone, size="STANDARD_D2s_v5", location="WestEurope")
    assert str(pool_of(vm)) == text


def test_a_pool_is_one_however_azure_spells_it() -> None:
    """Subscription, region, zone and size are told in different casings in different places."""
    vm = replace(spot_vm(), vm_id=VmId("abcdef", "rg", "vm"), zone="Edge-A", size="STANDARD_D2", location="WestEurope")
    other = replace(vm, vm_id=VmId("ABCDEF", "rg", "vm"), zone="edge-a", size="Standard_d2", location="westeurope")
    assert pool_of(vm) == pool_of(other)
