"""A max price that has fallen behind is seen before Azure refuses a start."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_responder.offerings.max_prices import Standing, standing, suggested, told_spot_price


@pytest.mark.parametrize(
    ("max_price", "spot", "is_so"),
    [
        (None, 0.02, Standing.NO_LIMIT),
        (None, None, Standing.NO_LIMIT),
        (0.02, None, Standing.UNKNOWN),
        (0.0199, 0.02, Standing.BELOW),
        (0.02, 0.02, Standing.NEAR),
        (0.0219, 0.02, Standing.NEAR),
        (0.022, 0.02, Standing.OK),
        (1.1, 1.0, Standing.OK),
        (0.33, 0.3, Standing.OK),
    ],
)
def test_how_a_max_price_stands(max_price: float | None, spot: float | None, is_so: Standing) -> None:
    """Exactly at the border: prices are decimals, whatever a float makes of them."""
    assert standing(max_price, spot) is is_so


def test_whether_somebody_has_to_look() -> None:
    """Where a start would be refused, or may be."""
    assert [each for each in Standing if each.needs_somebody] == [Standing.BELOW, Standing.UNKNOWN]


@pytest.mark.parametrize(
    ("spot", "on_demand", "price"),
    [(0.02, 0.1, 0.025), (0.02, None, 0.025), (0.09, 0.1, 0.1), (0.012345, None, 0.01544), (0.2, 0.1, 0.2)],
)
def test_what_is_suggested(spot: float, on_demand: float | None, price: float) -> None:
    """A quarter more, no more than on demand, rounded up to the five decimals that Azure takes."""
    assert suggested(spot, on_demand) == price


@given(spot=st.floats(0.00001, 100), on_demand=st.none() | st.floats(0.00001, 100))
def test_what_is_suggested_is_enough(spot: float, on_demand: float | None) -> None:
    """And Azure takes it."""
    price = suggested(spot, on_demand)
    assert standing(price, spot) in {Standing.OK, Standing.NEAR}
    assert Decimal(str(price)) == round(Decimal(str(price)), 5)


@pytest.mark.parametrize(
    ("said", "price"),
    [
        ("the provided max price '0.01 USD' is lower than the current spot price '0.02 USD' for Azure Spot", 0.02),
        ("The Current Spot Price '3USD' is above", 3.0),
        ("the current spot price '1.2.3 USD'", None),
        ("the current spot price is too high", None),
        ("", None),
        (f"the current spot price '{'9' * 400} USD'", None),
    ],
)
def test_the_price_that_azure_names_in_a_refusal(said: str, price: float | None) -> None:
    """It is the true one; where Azure names none it is not guessed."""
    assert told_spot_price(said) == price
