"""A pool that refused closes for everybody, is probed by one, and opens in growing steps."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_responder.pools import (
    OPEN_AT_WIDTH,
    PLACE_KEPT,
    Admitted,
    Held,
    Pool,
    PoolId,
    ask,
    left,
    pool_of,
    refused,
    restored,
)
from tests.makers import TEN, at, spot_vm

POOL = Pool(PoolId("s", "westeurope", "", "standard_d2s_v5"))
MINUTE = timedelta(minutes=1)
QUARTER = timedelta(minutes=15)
NO_TURN = timedelta()


def admitted(pool: Pool, vm_key: str, now: str) -> Pool:
    """Ask for a VM, expect a yes, and give the pool with its place taken."""
    answer = ask(pool, vm_key, at(now), NO_TURN)
    assert isinstance(answer, Admitted)
    return answer.pool


def test_an_open_pool_admits_everybody_and_is_not_even_written() -> None:
    """Nothing was refused: nobody waits, and the gate stays as it is."""
    assert admitted(POOL, "a", "10:00") is POOL


def test_one_refusal_closes_the_pool_for_everybody() -> None:
    """Refused at 10:00: nobody is let in before 10:01, each comes back in its own turn."""
    closed = refused(POOL, TEN, MINUTE, QUARTER, roll=0.5)
    assert ask(closed, "b", at("10:00:59"), timedelta(seconds=7)) == Held(at("10:01:07"))


def test_one_vm_probes_and_the_others_wait() -> None:
    """At 10:01 the first one to ask may probe, and may ask again; the next has to wait."""
    probing = admitted(refused(POOL, TEN, MINUTE, QUARTER, roll=0.5), "a", "10:01")
    assert ask(probing, "b", at("10:01"), MINUTE) == Held(at("10:02"))
    assert admitted(probing, "a", "10:01").under_way.keys() == {"a"}


def test_a_lost_probe_blocks_nobody_for_long() -> None:
    """The probe was never heard of again: its place is free after a while."""
    probing = admitted(refused(POOL, TEN, MINUTE, QUARTER, roll=0.5), "a", "10:01")
    answer = ask(probing, "b", at("10:01") + PLACE_KEPT, NO_TURN)
    assert isinstance(answer, Admitted)
    assert answer.pool.under_way.keys() == {"b"}


def test_the_pool_opens_in_growing_steps() -> None:
    """One comes up, then two may try, then four, until the pool is open."""
    pool = refused(POOL, TEN, MINUTE, QUARTER, roll=0.5)
    widths = []
    while pool.width is not None:
        widths.append(pool.width)
        pool = restored(replace(pool, under_way={"a": at("11:00"), "b": at("11:00")}), "a")
        assert "a" not in pool.under_way
    assert widths == [1, 2, 4, 8, 16]
    assert widths[-1] * 2 == OPEN_AT_WIDTH
    assert pool == POOL


def test_a_vm_that_comes_up_in_an_open_pool_changes_nothing() -> None:
    """There is nothing to open."""
    assert restored(POOL, "a") is POOL


def test_a_late_success_does_not_open_a_pool_that_closed_since() -> None:
    """Ten were let in while the pool was open; three were refused and closed it; the seven that come up say nothing."""
    closed = refused(POOL, TEN, MINUTE, QUARTER, roll=0.5)
    assert restored(closed, "one of the seven") is closed


def test_each_refusal_doubles_the_pause_up_to_the_longest() -> None:
    """1, 2, 4, 8, 15, 15 minutes."""
    pool, now, pauses = POOL, TEN, []
    for _ in range(6):
        pool = refused(pool, now, MINUTE, QUARTER, roll=0.5)
        assert pool.closed_until is not None
        pauses.append((pool.closed_until - now) / MINUTE)
        now = pool.closed_until
    assert pauses == [1, 2, 4, 8, 15, 15]


@pytest.mark.parametrize(("roll", "until"), [(0, "10:00:54"), (0.5, "10:01:00"), (1, "10:01:06")])
def test_pauses_are_spread(roll: float, until: str) -> None:
    """Pools that closed at the same moment are not probed at the same moment."""
    assert refused(POOL, TEN, MINUTE, QUARTER, roll).closed_until == at(until)


def test_a_gate_of_long_ago_counts_for_nothing() -> None:
    """An outage of last month left its gate closed: today everybody is let in, and a refusal is the first again."""
    old = replace(refused(POOL, TEN, MINUTE, QUARTER, roll=0.5), refusals=9)
    later = TEN + timedelta(days=30)
    assert ask(old, "a", later, NO_TURN) == Admitted(POOL)
    assert refused(old, later, MINUTE, QUARTER, roll=0.5).refusals == 1


def test_late_refusals_of_one_outage_count_once() -> None:
    """Ten VMs were let in before the pool closed; their refusals say nothing new."""
    closed = refused(POOL, TEN, MINUTE, QUARTER, roll=0.5)
    assert refused(closed, at("10:00:30"), MINUTE, QUARTER, roll=0.9) is closed


def test_a_place_is_given_back() -> None:
    """A start that ended for another reason frees its place; one who has none has none to give."""
    probing = admitted(refused(POOL, TEN, MINUTE, QUARTER, roll=0.5), "a", "10:01")
    assert left(probing, "a").under_way == {}
    assert left(probing, "b") is probing


@given(st.integers(0, 2000), st.floats(0, 1))
def test_a_pause_is_never_far_from_its_bounds(refusals: int, roll: float) -> None:
    """However long the outage, a pool is asked again within the longest pause and a tenth."""
    closed = refused(replace(POOL, refusals=refusals, width=1), TEN, MINUTE, QUARTER, roll)
    assert closed.closed_until is not None
    assert 0.9 * MINUTE <= closed.closed_until - TEN <= 1.1 * QUARTER


@pytest.mark.parametrize(
    ("zone", "text"), [(None, "standard_d2s_v5 in westeurope"), ("2", "standard_d2s_v5 in westeurope, zone 2")]
)
def test_a_pool_is_named_by_size_and_place(zone: str | None, text: str) -> None:
    """Casing of size and region does not make another pool."""
    vm = replace(spot_vm(), zone=zone, size="STANDARD_D2s_v5", location="WestEurope")
    assert str(pool_of(vm)) == text
