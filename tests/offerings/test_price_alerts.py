"""Max prices that fall behind the Spot price: what is kept, and when it is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from spot_responder.intake.vms import PowerState, VmId
from spot_responder.offerings.max_prices import Standing, standing
from spot_responder.offerings.price_alerts import HOLDS, PriceAlert, alert_of
from spot_responder.offerings.priced_vms import PricedVm
from spot_responder.offerings.prices import Os
from tests.harness.makers import TEN

BELOW, NEAR = Standing.BELOW, Standing.NEAR


def vm(max_price: float | None = 0.05, size: str = "Standard_D4s_v5") -> PricedVm:
    """Give a VM with a max price."""
    return PricedVm(VmId("s", "g", "render-1"), "westeurope", size, Os.LINUX, max_price, PowerState.RUNNING)


def alert(spot: float, before: PriceAlert | None = None, minutes: int = 0) -> PriceAlert:
    """Compare with a price that makes an alert."""
    found = alert_of(vm(), spot, before, TEN + timedelta(minutes=minutes))
    assert found is not None
    return found


def test_a_price_above_the_limit_is_told_with_both() -> None:
    """In one sentence, which says what would happen."""
    found = alert(0.06)
    assert (found.standing, found.is_due) == (BELOW, True)
    assert found.says == (
        "its max price of 0.05 USD an hour is below the Spot price of Standard_D4s_v5 in westeurope, 0.06: "
        "a start would be refused"
    )
    near = alert(0.048)
    assert (near.standing, near.is_due) == (NEAR, True)
    assert near.says.endswith(
        "is near the Spot price of Standard_D4s_v5 in westeurope, 0.048: the next change of the price may be above it"
    )


def test_it_is_told_once_until_it_gets_worse() -> None:
    """Near, then below: twice. Below, then near, then below: once. After it was well: anew."""
    near = alert(0.048).is_told()
    still = alert(0.049, near, 15)
    assert (still.is_due, still.since, still.spot) == (False, TEN, 0.049)
    below = alert(0.06, still, 30)
    assert below.is_due
    back = alert(0.048, below.is_told(), 45)
    assert (back.standing, back.is_due) == (NEAR, False)
    again = alert(0.06, back, 60)
    assert (again.is_due, again.since) == (False, TEN)
    assert alert_of(vm(), 0.01, again, TEN) is None
    assert alert(0.06, None, 90).is_due


def test_without_a_limit_or_with_room_nothing_is_kept() -> None:
    """The price of a VM without a limit does not matter."""
    assert alert_of(vm(max_price=None), 9.0, alert(0.06), TEN) is None
    assert alert_of(vm(), 0.02, None, TEN) is None


def test_an_unknown_price_changes_nothing() -> None:
    """It is not told as below, and does not take back what was told. A new limit or size has to be compared anew."""
    assert alert_of(vm(), None, None, TEN) is None
    before = alert(0.06).is_told()
    assert alert_of(vm(), None, before, TEN + timedelta(hours=1)) == before
    assert alert_of(vm(max_price=0.2), None, before, TEN) is None
    assert alert_of(vm(size="Standard_D8s_v5"), None, before, TEN) is None


def test_an_alert_that_nobody_could_compare_for_a_day_is_over() -> None:
    """Its price may have changed long since."""
    found = alert(0.06)
    assert found.holds(TEN + HOLDS - timedelta(seconds=1))
    assert not found.holds(TEN + HOLDS)


PRICES = st.one_of(st.none(), st.floats(0.00001, 10, allow_nan=False))


@given(limit=st.floats(0.00001, 10), prices=st.lists(PRICES, max_size=8))
def test_whatever_the_prices_each_standing_is_told_at_most_once(limit: float, prices: list[float | None]) -> None:
    """And only where the price is known, and above the limit or near it."""
    kept: PriceAlert | None = None
    told: list[Standing] = []
    for number, price in enumerate(prices):
        kept = alert_of(vm(limit), price, kept, TEN + timedelta(minutes=number))
        if kept is None:
            told = []
        elif kept.is_due:
            assert price is not None
            assert kept.standing is standing(limit, price)
            told.append(kept.standing)
            kept = kept.is_told()
        assert told in ([], [NEAR], [BELOW], [NEAR, BELOW])


def test_a_new_limit_that_does_not_do_is_told_anew() -> None:
    """And so is another size."""
    for before in (replace(alert(0.06), size="Standard_D2s_v5"), replace(alert(0.06), max_price=0.01)):
        found = alert(0.07, before.is_told(), 5)
        assert (found.is_due, found.since) == (True, TEN + timedelta(minutes=5))
        assert (found.size, found.max_price, found.spot) == ("Standard_D4s_v5", 0.05, 0.07)
