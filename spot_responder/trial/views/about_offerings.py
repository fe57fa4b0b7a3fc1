"""Judges the beliefs about prices and sizes (P1 to P6, S1). Pure; ``checks.py`` has the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spot_responder.intake.payloads import field, text_field
from spot_responder.offerings.max_prices import told_spot_price
from spot_responder.offerings.price_pages import UnreadablePagesError, read_pages
from spot_responder.offerings.prices import CURRENCY, Asked, Kind, Os, candidates, prices_of
from spot_responder.trial.views.verdicts import fails, of, unseen

if TYPE_CHECKING:
    from spot_responder.offerings.price_pages import PricePages
    from spot_responder.offerings.prices import Candidate, Prices
    from spot_responder.trial.views.observations import Observations
    from spot_responder.trial.views.verdicts import Found

_FIVE_DECIMALS: Final = 1e-5
"""A refusal may name a price with fewer decimals than the list has."""
_REFUSED_SIZE: Final = ("NotAvailableForSubscription", "AzureSpotIsNotSupportedForThisVMSize")


def has_one_product(seen: Observations) -> Found:
    """P1: of the rows that count for a size, all are of one product."""
    in_effect = _in_effect(seen)
    if not in_effect:
        return _no_prices(seen)
    products = {kind: sorted({row.product for row in in_effect if row.kind is kind}) for kind in Kind}
    told = "; ".join(f"{kind}: {', '.join(names) or 'no row'}" for kind, names in products.items())
    if not all(products.values()):
        return unseen(told)
    return _of_pages(seen, told, right=all(len(names) == 1 for names in products.values()))


def charges_the_newest(seen: Observations) -> Found:
    """P2: of several rows in effect, the newest is the price that Azure goes by."""
    spot = [row for row in _in_effect(seen) if row.kind is Kind.SPOT]
    told, prices = _told_price(seen), _prices(seen)
    if prices is None:
        return _no_prices(seen)
    if told is None:
        return unseen("Azure named no price by which it refused a start")
    if len({str(row.price) for row in spot}) <= 1:
        return unseen("one price alone is in effect: there is nothing to choose from")
    if _is(prices.spot, told):
        return _of_pages(seen, f"of {len(spot)} rows in effect the newest has Azure's price, {told} USD", right=True)
    if any(_is(row.price, told) for row in spot):
        how = f"Azure goes by {told} USD, which an older row has; the newest: {prices.spot}"
        return _of_pages(seen, how, right=False)
    return unseen(f"Azure goes by {told} USD, which no row has")


def is_azures_price(seen: Observations) -> Found:
    """P3: the price in the list is the one that Azure compares with a max price."""
    told, prices = _told_price(seen), _prices(seen)
    if prices is None or prices.spot is None:
        return _no_prices(seen)
    if told is None:
        return unseen("Azure named no price by which it refused a start")
    how, right = f"list: {prices.spot} USD; in the refusal: {told} USD", _is(prices.spot, told)
    if not right and any(_is(row.price, told) for row in _in_effect(seen)):
        return unseen(f"{how}, which another row in effect has")
    return _of_pages(seen, how, right=right)


def is_in_dollars(seen: Observations) -> Found:
    """P4: page and row name the currency, and no price that counts is 0."""
    pages = _pages(seen)
    if pages is None or not pages.rows:
        return _no_prices(seen)
    currencies = {(row.page_currency, text_field(row.fields, "currencyCode")) for row in pages.rows}
    free = [row.meter for row in _in_effect(seen) if row.price == 0]
    told = f"currencies of page and row: {sorted(currencies)}; at 0: {', '.join(free) or 'none'}"
    return _of_pages(seen, told, right=currencies == {(CURRENCY, CURRENCY)})


def ends_without_link(seen: Observations) -> Found:
    """P5: after a page without a link there is nothing."""
    after, pages = seen.last("prices after the last page"), _pages(seen)
    items = field(after.body, "Items") if after is not None else None
    if after is None or pages is None or not pages.rows or not isinstance(items, list):
        return _no_prices(seen)
    asked = len(seen.answers["price page"])
    return of(after, f"{len(pages.rows)} rows on {asked} pages, after them {len(items)}", right=not items)


def spells_sizes_alike(seen: Observations) -> Found:
    """P6: the price list spells a size as a VM has it."""
    read, pages = seen.last("VM right after the tag"), _pages(seen)
    size = text_field(read.body, "properties", "hardwareProfile", "vmSize") if read is not None else ""
    if read is None or not size:
        return unseen("no VM showed its size")
    if pages is None or not pages.rows:
        return _no_prices(seen)
    names = sorted({text_field(row.fields, "armSkuName") for row in pages.rows})
    return of(read, f"VM: {size}; price list: {', '.join(names)}", right=names == [size])


def may_be_asked_for(seen: Observations) -> Found:
    """S1: a size that the list does not restrict may be asked for."""
    listed, made = seen.last("size in the list"), seen.last("VM")
    if listed is None or not isinstance(listed.body, dict) or made is None:
        return unseen("the size was not found in the list, or no VM was asked for")
    capable = text_field(listed.body, "capabilities", "lowprioritycapable").lower() == "true"
    refused = text_field(listed.body, "refused")
    if refused or not capable:
        return unseen(f"the list restricts the size: {refused or 'it cannot be Spot'}; the VM: {made.told()}")
    if made.is_good:
        return of(made, "not restricted, and taken", right=True)
    if any(code in made.told() for code in _REFUSED_SIZE):
        return fails(f"not restricted, and refused: {made.told()}", made.at)
    return unseen(f"not restricted; refused for another reason, or for want of capacity: {made.told()}")


def _of_pages(seen: Observations, told: str, *, right: bool) -> Found:
    """Say by the price list's pages whether a belief holds."""
    return of(seen.answers["price page"][-1], told, right=right)


def _pages(seen: Observations) -> PricePages | None:
    answers = seen.answers.get("price page", [])
    if not answers or not all(each.is_good for each in answers):
        return None
    try:
        return read_pages([each.body for each in answers])
    except UnreadablePagesError:
        return None


def _asked(seen: Observations) -> Asked:
    return Asked(seen.location, seen.size, Os.LINUX, seen.answers["price page"][-1].at)


def _in_effect(seen: Observations) -> list[Candidate]:
    pages = _pages(seen)
    return candidates(pages, _asked(seen)) if pages is not None else []


def _prices(seen: Observations) -> Prices | None:
    pages = _pages(seen)
    return prices_of(pages, _asked(seen)) if pages is not None else None


def _told_price(seen: Observations) -> float | None:
    """Give the Spot price that Azure named when it refused a start."""
    for name in ("start below the price", "operation of the refused start"):
        for answer in seen.answers.get(name, []):
            price = told_spot_price(str(answer.body))
            if price is not None:
                return price
    return None


def _is(price: object, told: float) -> bool:
    return isinstance(price, int | float) and abs(price - told) < _FIVE_DECIMALS


def _no_prices(seen: Observations) -> Found:
    last = seen.last("price page")
    return unseen("the price list was not read" if last is None else f"the price list tells no price: {last.told()}")
