"""What Azure told of its sizes and prices, noted for a while: each with its time, and how long it counts. Pure.

Called by ``responder/sizes/offerings.py``; a table keeps the text.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from spot_responder.offerings.amounts import amount_of
from spot_responder.offerings.skus import Sku
from spot_responder.offerings.spot_cores import SpotCores

if TYPE_CHECKING:
    from datetime import datetime


class Kind(StrEnum):
    """What is noted."""

    SIZE = "size"
    SPOT_CORES = "spot-cores"
    SPOT_PRICE = "spot-price"


LIFETIMES: Final = {
    Kind.SIZE: timedelta(hours=6),
    Kind.SPOT_CORES: timedelta(minutes=10),
    Kind.SPOT_PRICE: timedelta(hours=3),
}
"""How long each counts after it was told: sizes change by the month, the quota with each VM, prices by the day."""


class OddNoteError(ValueError):
    """The text of a note is not as this release writes it."""


@dataclass(frozen=True, slots=True)
class Noted:
    """A value as JSON, and when Azure told it."""

    text: str
    at: datetime

    def counts(self, kind: Kind, now: datetime) -> bool:
        """Whether it is young enough."""
        return now - self.at < LIFETIMES[kind]


def sku_text(sku: Sku | None) -> str:
    """Write a size; ``None``: Azure does not offer it there."""
    return json.dumps(None if sku is None else asdict(sku) | {"zones": sorted(sku.zones)})


def sku_of(text: str) -> Sku | None:
    """Read a size. Raises ``OddNoteError``."""
    try:
        fields = json.loads(text)
        return None if fields is None else Sku(**{**fields, "zones": frozenset(fields["zones"])})
    except (KeyError, TypeError, ValueError) as error:
        message = f"the note of a size cannot be read: {error!r}"
        raise OddNoteError(message) from error


def cores_text(cores: SpotCores) -> str:
    """Write the quota."""
    return json.dumps(asdict(cores))


def cores_of(text: str) -> SpotCores:
    """Read the quota. Raises ``OddNoteError``."""
    try:
        return SpotCores(**json.loads(text))
    except (TypeError, ValueError) as error:
        message = f"the note of a quota cannot be read: {error!r}"
        raise OddNoteError(message) from error


def price_text(price: float) -> str:
    """Write a price in USD an hour."""
    return json.dumps(price)


def price_of_text(text: str) -> float:
    """Read a price. Raises ``OddNoteError``."""
    try:
        price = amount_of(float(text))
    except ValueError:
        price = None
    if price is None:
        message = f"the note of a price is no amount: {text[:100]!r}"
        raise OddNoteError(message)
    return price
