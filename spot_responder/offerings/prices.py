"""The price of a size, found among the rows of Azure's Retail Prices API. Pure.

A price is never guessed: where the rows do not tell it, it is ``None``, never 0, and the reasons say why. It is the
list price; what Azure compares with a VM's max price may differ (docs/azure-facts.md prices-7).
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from spot_responder.intake.payloads import field, moment, quote, text_field
from spot_responder.offerings.amounts import MOST, amount_of
from spot_responder.text import count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from spot_responder.offerings.price_pages import PricePages, PriceRow

CURRENCY: Final = "USD"
"""The currency of a VM's max price, so the only one to compare with: in others Azure gives prices "for reference"."""

_SPOT: Final = re.compile(r"\bspot\b")


class Os(StrEnum):
    """The operating system: Windows costs more."""

    LINUX = "linux"
    WINDOWS = "windows"


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose price is asked for, and at what time."""

    location: str
    size: str
    os: Os
    at: datetime

    def __str__(self) -> str:
        """Write it for a reason."""
        return f"{self.size} in {self.location}"


@dataclass(frozen=True, slots=True)
class Prices:
    """USD an hour; ``None`` where it is unknown. ``why`` says where each comes from, or why it is unknown."""

    spot: float | None
    on_demand: float | None
    why: Sequence[str]


class Kind(StrEnum):
    """The two prices of a size."""

    SPOT = "spot"
    ON_DEMAND = "on_demand"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A row of what was asked for that is in effect. ``price`` is what it says, which may be no price at all."""

    kind: Kind
    since: datetime
    is_primary: bool
    price: object
    meter: str
    product: str


@dataclass(frozen=True, slots=True)
class _LeftOut:
    """Why a row does not count, in words that follow a number of rows."""

    because: str


def prices_of(pages: PricePages, asked: Asked) -> Prices:
    """Find the Spot price and the on-demand price of a size."""
    if not pages.whole:
        return _unknown(
            "each page has a NextPageLink, so the last one is missing; follow the links until there is none"
        )
    about = [row for row in pages.rows if _is_about(row, asked)]
    if not about:
        return _unknown(f"no row is about {asked}", *_odd(pages))
    read = [_read(row, asked) for row in about]
    in_effect = candidates(pages, asked)
    spot, why_spot = _price(Kind.SPOT, in_effect, asked)
    on_demand, why_on_demand = _price(Kind.ON_DEMAND, in_effect, asked)
    left_out = Counter(row.because for row in read if isinstance(row, _LeftOut))
    why = [*why_spot, *why_on_demand]
    if left_out:
        reasons = "; ".join(f"{number} {because}" for because, number in sorted(left_out.items()))
        why.append(f"of {count(len(about), 'row')} about {asked}, left out: {reasons}")
    return Prices(spot, on_demand, [*why, *_odd(pages)])


def candidates(pages: PricePages, asked: Asked) -> list[Candidate]:
    """Give all rows of a size that are in effect, of either kind: ``prices_of`` chooses among them."""
    read = [_read(row, asked) for row in pages.rows if _is_about(row, asked)]
    return [row for row in read if isinstance(row, Candidate)]


def _unknown(because: str, *more: str) -> Prices:
    return Prices(None, None, [*(f"{kind}: unknown: {because}" for kind in Kind), *more])


def _odd(pages: PricePages) -> Sequence[str]:
    return [f"no object, so left out: {count(pages.odd_rows, 'row')}"] if pages.odd_rows else []


def _is_about(row: PriceRow, asked: Asked) -> bool:
    """Whether a row is of the size and region; Azure's APIs differ in the case of either."""
    size, region = text_field(row.fields, "armSkuName"), text_field(row.fields, "armRegionName")
    return size.lower() == asked.size.lower() and _region(region) == _region(asked.location)


def _region(name: str) -> str:
    return "".join(name.split()).lower()


def _read(row: PriceRow, asked: Asked) -> Candidate | _LeftOut:
    objection = next(_objections(row, asked), None)
    if objection is not None:
        return _LeftOut(objection)
    kind = _kind(row)
    if isinstance(kind, _LeftOut):
        return kind
    since = _in_effect_since(row, asked.at)
    if isinstance(since, _LeftOut):
        return since
    return Candidate(
        kind,
        since,
        is_primary=field(row.fields, "isPrimaryMeterRegion") is True,
        price=field(row.fields, "retailPrice"),
        meter=f"{quote(text_field(row.fields, 'meterName'))} of {quote(text_field(row.fields, 'productName'))}",
        product=text_field(row.fields, "productName"),
    )


def _objections(row: PriceRow, asked: Asked) -> Iterator[str]:
    """Say why a row is not what an hour of such a VM costs whoever pays by the hour."""
    service, type_name, unit, product = (
        text_field(row.fields, name) for name in ("serviceName", "type", "unitOfMeasure", "productName")
    )
    if service.lower() != "virtual machines":
        yield f"of the service {quote(service)}"
    # Reservations say "1 Hour" too, and have the price of the whole term: docs/azure-facts.md prices-2.
    if type_name.lower() != "consumption":
        yield f"of the type {quote(type_name)}"
    if text_field(row.fields, "reservationTerm"):
        yield "of a reservation"
    if unit.lower() != "1 hour":
        yield f"by the unit {quote(unit)}"
    if field(row.fields, "tierMinimumUnits") not in (None, 0):
        yield "for use above a minimum"
    currencies = {name.upper() for name in (text_field(row.fields, "currencyCode"), row.page_currency) if name}
    if currencies != {CURRENCY}:
        yield f"in the currency {' and '.join(map(quote, sorted(currencies)))}" if currencies else "without a currency"
    if not product:
        yield "without a productName, which says for which system"
    # The same size for another service, priced as with Windows: docs/azure-facts.md prices-4.
    if "cloudservices" in "".join(product.lower().split()):
        yield "of Cloud Services"
    os = Os.WINDOWS if "windows" in product.lower() else Os.LINUX
    if os is not asked.os:
        yield f"for {os}"


def _kind(row: PriceRow) -> Kind | _LeftOut:
    """Tell Spot from on demand, which has no mark (docs/azure-facts.md prices-3), and from what nobody can buy."""
    names = [" ".join(text_field(row.fields, name).lower().split()) for name in ("skuName", "meterName")]
    if not all(names):
        return _LeftOut("without a skuName or a meterName, which say whether it is Spot")
    if any("lowpriority" in name.replace(" ", "") for name in names):
        return _LeftOut("of Low Priority, which is for Batch")
    # docs/azure-facts.md prices-6.
    if any(name.endswith((" expired", " free")) for name in names):
        return _LeftOut("of an expired or free meter")
    if any(name.endswith(" spot") for name in names):
        return Kind.SPOT
    if any(map(_SPOT.search, names)):
        return _LeftOut("with Spot in the name, but not at its end")
    return Kind.ON_DEMAND


def _in_effect_since(row: PriceRow, at: datetime) -> datetime | _LeftOut:
    """Tell since when a row is in effect; the API gives past and future ones as well (docs/azure-facts.md prices-5)."""
    since = moment(text_field(row.fields, "effectiveStartDate"))
    if since is None:
        return _LeftOut("without an effectiveStartDate that can be read")
    if since > at:
        return _LeftOut("not yet in effect")
    if field(row.fields, "effectiveEndDate") in (None, ""):
        return since
    until = moment(text_field(row.fields, "effectiveEndDate"))
    if until is None:
        return _LeftOut("with an effectiveEndDate that cannot be read")
    return since if at <= until else _LeftOut("no longer in effect")


def _price(kind: Kind, in_effect: Sequence[Candidate], asked: Asked) -> tuple[float | None, Sequence[str]]:
    """Take the price of the newest row; of several, the highest: whoever can pay that can pay each of them."""
    of_kind = [row for row in in_effect if row.kind is kind]
    if not of_kind:
        return None, [f"{kind}: unknown: no row for {asked.os} is in effect at {_utc(asked.at)}"]
    since = max(row.since for row in of_kind)
    newest = [row for row in of_kind if row.since == since]
    newest = [row for row in newest if row.is_primary] or newest
    amounts = [(amount, row.meter) for row in newest if (amount := amount_of(row.price)) is not None]
    highest, meter = max(amounts, default=(0, ""))
    if len(amounts) < len(newest) or highest == 0:
        # The price of an older row would be a guess: this row took its place.
        told = " and ".join(sorted({_told(row.price) for row in newest}))
        return None, [f"{kind}: unknown: the newest price, since {_utc(since)}, is {told}"]
    why = [f"{kind}: {highest} {CURRENCY} an hour since {_utc(since)}, by the meter {meter}"]
    distinct = sorted({amount for amount, _ in amounts})
    if len(distinct) > 1:
        why.append(f"{kind}: {len(distinct)} prices are in effect, {', '.join(map(str, distinct))}: the highest counts")
    return highest, why


def _told(price: object) -> str:
    if isinstance(price, int | float) and price > MOST:
        return f"more than {MOST} {CURRENCY} an hour, which is no price of a VM"
    return str(price) if isinstance(price, int | float) else quote(price)


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
