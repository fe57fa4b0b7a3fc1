"""Compares the max price of a VM with today's Spot price of its size. Pure.

Called by ``price_alerts.py`` and ``operators/views/offerings/prices.py``.
"""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum
from typing import Final

from spot_responder.offerings.amounts import amount_of

NEAR: Final = Decimal("1.1")
"""A max price of less than so many times the Spot price is near: the next change of the price may be above it."""

_MARGIN: Final = Decimal("1.25")
"""The suggested max price, as a multiple of the Spot price: room for some changes of it."""

_FIVE_DECIMALS: Final = Decimal("0.00001")
"""Azure takes no more (docs/azure-facts.md prices-8)."""


_TOLD_PRICE: Final = re.compile(r"current spot price '(\d+(?:\.\d+)?) ?USD'", re.ASCII | re.IGNORECASE)


class Standing(StrEnum):
    """How a VM's max price compares with the Spot price."""

    NO_LIMIT = "no limit"
    OK = "OK"
    NEAR = "near"
    BELOW = "below"
    UNKNOWN = "unknown"

    @property
    def needs_somebody(self) -> bool:
        """Whether a start would be refused, or could be for all that is known."""
        return self in {Standing.BELOW, Standing.UNKNOWN}


def standing(max_price: float | None, spot: float | None) -> Standing:
    """Compare; both in USD an hour. ``max_price``: ``None`` is no limit. ``spot``: ``None`` is unknown, and never 0."""
    if max_price is None:
        return Standing.NO_LIMIT
    if spot is None:
        return Standing.UNKNOWN
    limit, price = _exact(max_price), _exact(spot)
    if limit < price:
        return Standing.BELOW
    return Standing.NEAR if limit < price * NEAR else Standing.OK


def suggested(spot: float, on_demand: float | None) -> float:
    """Give a max price with room above the Spot price, at most the on-demand price: Azure never charges more."""
    price = _exact(spot)
    wanted = price * _MARGIN if on_demand is None else min(price * _MARGIN, _exact(on_demand))
    return float(max(wanted, price).quantize(_FIVE_DECIMALS, ROUND_CEILING))


def told_spot_price(refusal: str) -> float | None:
    """Give the Spot price that Azure names where it refuses a start: the true one (docs/azure-facts.md prices-8)."""
    found = _TOLD_PRICE.search(refusal)
    return amount_of(float(found[1])) if found else None


def _exact(price: float) -> Decimal:
    return Decimal(str(price))
