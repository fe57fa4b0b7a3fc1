"""When a real guest loses its power: what of the plan holds for each seed."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from soak.guest.plan import rows_of_losses


@given(losses=st.integers(0, 60), seed=st.integers(0, 2**31))
def test_there_are_as_many_losses_as_asked_for_and_work_between_the_rows(losses: int, seed: int) -> None:
    """Up to three in a row; the first amid work, those that follow amid the boot or soon after it."""
    rows = rows_of_losses(losses, any_of(seed))
    assert sum(map(len, rows)) == losses
    assert all(1 <= len(row) <= 3 for row in rows)
    assert all(0 <= row[0].after_s <= 8 for row in rows)
    assert all(0 <= loss.after_s <= 30 for row in rows for loss in row)


@given(seed=st.integers(0, 2**31))
def test_a_seed_shows_the_same_losses_again(seed: int) -> None:
    """So that a failure can be looked at twice."""
    assert rows_of_losses(20, any_of(seed)) == rows_of_losses(20, any_of(seed))


def test_twenty_losses_hit_work_boots_and_notices() -> None:
    """Those of the seed that CI plays."""
    losses = [loss for row in rows_of_losses(20, any_of(121698529)) for loss in row]
    assert {loss.notice_s for loss in losses} == {None, 1, 2, 4, 8}
    assert any(row[1:] for row in rows_of_losses(20, any_of(121698529)))


def any_of(seed: int) -> Random:
    """Give what is left to chance."""
    return Random(seed)  # noqa: S311 - no secret
