"""Reads the answers of Azure's Retail Prices API: pages, each with rows. Pure.

``prices.py`` finds a price among the rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Never

from spot_responder.intake.payloads import field, kind_of_json, quote, text_field

if TYPE_CHECKING:
    from collections.abc import Sequence

_EXPECTED: Final = 'expected a page of the Retail Prices API, {"Items": […], "NextPageLink": …}, or a list of pages'


class UnreadablePagesError(ValueError):
    """The JSON holds no pages of the Retail Prices API. Its text says what is wrong and what was expected."""


@dataclass(frozen=True, slots=True)
class PriceRow:
    """A row as the API gave it, and the currency that its page names; ``""`` where it names none."""

    fields: Mapping[str, object]
    page_currency: str


@dataclass(frozen=True, slots=True)
class PricePages:
    """The rows of all pages.

    Not ``whole``: none of the pages is the last one (docs/azure-facts.md prices-1), so there are rows that nobody read.
    ``odd_rows`` were no objects.
    """

    rows: Sequence[PriceRow]
    whole: bool
    odd_rows: int


def read_pages(answers: object) -> PricePages:
    """Read a list of pages, in any order, or one page alone.

    Raises:
        UnreadablePagesError: there is no page, or one of them is none.
    """
    pages = answers if isinstance(answers, list) else [answers]
    if not pages:
        _refuse("a list without a page")
    items = [
        (item, text_field(page, "BillingCurrency"))
        for number, page in enumerate(pages, 1)
        for item in _items(page, number)
    ]
    rows = [PriceRow(item, currency) for item, currency in items if isinstance(item, Mapping)]
    return PricePages(rows, whole=any(map(_is_last, pages)), odd_rows=len(items) - len(rows))


def _items(page: object, number: int) -> Sequence[object]:
    if not isinstance(page, Mapping):
        _refuse(f"page {number} is {kind_of_json(page)}")
    items = field(page, "Items")
    if not isinstance(items, list):
        error = text_field(page, "error", "message")
        _refuse(f"page {number} has no list of Items{f', but an error: {quote(error)}' if error else ''}")
    return items


def _is_last(page: object) -> bool:
    return field(page, "NextPageLink") in (None, "")


def _refuse(what: str) -> Never:
    message = f"{what}; {_EXPECTED}"
    raise UnreadablePagesError(message)
