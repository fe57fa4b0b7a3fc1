"""The price of a size, among the rows of the Retail Prices API: each trap in a file of ``payloads/prices``."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_responder.offerings.price_pages import UnreadablePagesError, read_pages
from spot_responder.offerings.prices import Asked, Os, Prices, prices_of

PRICES = Path(__file__).parents[1] / "payloads" / "prices"
MID_NOVEMBER = datetime(2026, 11, 15, tzinfo=UTC)
D2S = Asked("westeurope", "Standard_D2s_v5", Os.LINUX, MID_NOVEMBER)
E4AS = replace(D2S, size="Standard_E4as_v5")
SPOT, ON_DEMAND = 0.021, 0.115


def load(name: str) -> Any:  # noqa: ANN401 - JSON
    """Read the answers of a file."""
    return json.loads((PRICES / f"{name}.json").read_text(encoding="utf-8"))


def found(name: str, asked: Asked = D2S) -> Prices:
    """Find the prices in a file's answers."""
    return prices_of(read_pages(load(name)), asked)


def on_windows(asked: Asked) -> Asked:
    """Ask for Windows instead."""
    return replace(asked, os=Os.WINDOWS)


TRAPS: dict[str, tuple[Asked, float | None, float | None, tuple[str, ...]]] = {
    "every_kind": (D2S, SPOT, ON_DEMAND, ("3 for windows", "1 of Low Priority", "'DevTestConsumption'")),
    "low_priority": (
        D2S,
        None,
        ON_DEMAND,
        ("spot: unknown: no row for linux", "4 of Low Priority, which is for Batch"),
    ),
    "windows_only": (D2S, None, None, ("2 for windows",)),
    "other_units": (D2S, None, None, ("'1 Minute'", "'100 Hours'", "'1/Month'", "'1 GB/Hour'")),
    "dated": (D2S, SPOT, ON_DEMAND, ("1 not yet in effect", "2 no longer in effect")),
    "ended": (D2S, None, ON_DEMAND, ("in effect at 2026-11-15T00:00:00Z", "1 no longer in effect")),
    "to_come": (D2S, None, None, ("2 not yet in effect",)),
    "undated": (D2S, None, None, ("3 without an effectiveStartDate", "2 with an effectiveEndDate that cannot be read")),
    "several_prices": (D2S, 0.0245, ON_DEMAND, ("spot: 3 prices are in effect, 0.019, 0.021, 0.0245: the highest",)),
    "primary_region": (D2S, SPOT, ON_DEMAND, ()),
    "euros": (D2S, None, None, ("2 in the currency 'EUR'",)),
    "currencies_that_differ": (D2S, None, ON_DEMAND, ("2 in the currency 'EUR' and 'USD'", "1 without a currency")),
    "paged": (D2S, SPOT, ON_DEMAND, ()),
    "paged_without_the_last": (D2S, None, None, ("spot: unknown", "on_demand: unknown", "NextPageLink")),
    "given_twice": (D2S, SPOT, ON_DEMAND, ()),
    "devtest_and_commitments": (
        D2S,
        None,
        None,
        ("'DevTestConsumption'", "'Reservation'", "'SavingsPlanConsumption'", "1 of a reservation", "1 of the type ''"),
    ),
    "zero": (D2S, None, None, ("spot: unknown: the newest price, since 2026-11-01T00:00:00Z, is 0.0",)),
    "zero_beside_a_price": (D2S, SPOT, ON_DEMAND, ("spot: 2 prices are in effect, 0.0, 0.021",)),
    "newest_without_a_price": (D2S, None, ON_DEMAND, ("spot: unknown: the newest price",)),
    "no_amounts": (D2S, None, None, ("'0.021' and missing", "is -0.115")),
    "a_price_beside_no_amount": (D2S, None, None, ("0.021 and missing", "is True")),
    "casing": (D2S, SPOT, ON_DEMAND, ("1 of Low Priority", "1 for windows")),
    "spot_in_one_name": (D2S, SPOT, ON_DEMAND, ("2 for windows",)),
    "spot_in_the_middle": (D2S, None, ON_DEMAND, ("1 with Spot in the name, but not at its end",)),
    "without_names": (D2S, None, None, ("2 without a skuName or a meterName", "1 without a productName")),
    "cloud_services": (E4AS, 0.0413, 0.226, ("2 of Cloud Services",)),
    "expired_and_free_meters": (D2S, None, ON_DEMAND, ("3 of an expired or free meter",)),
    "other_services": (
        D2S,
        None,
        None,
        ("'Virtual Machines Licenses'", "'Azure Machine Learning'", "1 of the service ''"),
    ),
    "tiers": (D2S, None, ON_DEMAND, ("2 for use above a minimum",)),
    "other_sizes_and_regions": (D2S, None, None, ("spot: unknown: no row is about Standard_D2s_v5 in westeurope",)),
    "odd_rows": (D2S, SPOT, ON_DEMAND, ("no object, so left out: 4 rows",)),
    "no_rows": (D2S, None, None, ("no row is about",)),
    "documented": (
        on_windows(replace(D2S, size="Standard_F16s")),
        None,
        None,
        ("1 in the currency 'EUR'", "1 of the type 'DevTestConsumption'"),
    ),
}


def test_every_file_has_an_expectation() -> None:
    """No answer lies about that nothing is expected of."""
    assert {path.stem for path in PRICES.glob("*.json")} == set(TRAPS)


@pytest.mark.parametrize("name", TRAPS)
def test_a_trap(name: str) -> None:
    """The price that is true, or none; and the reasons say what was met."""
    asked, spot, on_demand, said = TRAPS[name]
    prices = found(name, asked)
    assert (prices.spot, prices.on_demand) == (spot, on_demand)
    assert [words for words in said if not any(words in line for line in prices.why)] == []


@pytest.mark.parametrize("name", TRAPS)
def test_each_price_has_a_reason_and_so_has_each_lack_of_one(name: str) -> None:
    """Whether it is known is said first, for either."""
    prices = found(name, TRAPS[name][0])
    for kind, price in (("spot", prices.spot), ("on_demand", prices.on_demand)):
        (first, *_) = [line for line in prices.why if line.startswith(f"{kind}: ")]
        assert first.startswith(f"{kind}: unknown: " if price is None else f"{kind}: {price} USD an hour since ")


@pytest.mark.parametrize(
    ("name", "spot", "on_demand"),
    [("every_kind", 0.0378, 0.207), ("windows_only", 0.0378, 0.207), ("spot_in_one_name", 0.0378, 0.207)],
)
def test_windows_has_prices_of_its_own(name: str, spot: float, on_demand: float) -> None:
    """Told by the name of the product."""
    prices = found(name, on_windows(D2S))
    assert (prices.spot, prices.on_demand) == (spot, on_demand)


@pytest.mark.parametrize(
    ("at", "spot"),
    [
        ("2026-08-31T23:59:59Z", None),
        ("2026-09-01T00:00:00Z", 0.018),
        ("2026-10-15T00:00:00Z", 0.019),
        ("2026-11-01T00:00:00Z", 0.021),
        ("2026-11-30T23:59:59Z", 0.021),
        ("2026-12-01T01:00:00+01:00", 0.03),
        ("2027-01-01T00:00:00Z", None),
    ],
)
def test_a_price_holds_from_its_beginning_to_its_end(at: str, spot: float | None) -> None:
    """Of several months' rows the one of that time; before and after them there is none."""
    assert found("dated", replace(D2S, at=datetime.fromisoformat(at))).spot == spot


def test_among_rows_in_effect_the_newest_counts() -> None:
    """An on-demand price has no end: a later beginning ends it."""
    in_2021 = replace(D2S, at=datetime(2021, 6, 1, tzinfo=UTC))
    assert found("dated").on_demand == ON_DEMAND
    assert found("dated", in_2021).on_demand == 0.12


@pytest.mark.parametrize("location", ["westeurope", "WestEurope", "West Europe", " west  europe "])
@pytest.mark.parametrize("size", ["Standard_D2s_v5", "standard_d2s_v5"])
def test_a_region_and_a_size_are_found_however_they_are_spelt(location: str, size: str) -> None:
    """Azure spells them in several ways."""
    prices = found("every_kind", replace(D2S, location=location, size=size))
    assert (prices.spot, prices.on_demand) == (SPOT, ON_DEMAND)


@pytest.mark.parametrize("link", [None, "", "absent"])
def test_the_last_page_has_no_link_to_a_next_one(link: str | None) -> None:
    """Null, empty or absent."""
    page = load("every_kind")
    if link == "absent":
        del page["NextPageLink"]
    else:
        page["NextPageLink"] = link
    assert prices_of(read_pages([page]), D2S).spot == SPOT


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ([], "a list without a page"),
        ({}, "page 1 has no list of Items"),
        (None, "page 1 is null"),
        ([load("no_rows"), 7], "page 2 is a number"),
        ([[load("no_rows")]], "page 1 is a list"),
        ({"Items": {}}, "page 1 has no list of Items"),
        ({"error": {"code": "429", "message": "Too many requests."}}, "but an error: 'Too many requests.'"),
        (load("every_kind")["Items"], "page 1 has no list of Items"),
    ],
)
def test_what_is_no_page_is_refused(answers: object, why: str) -> None:
    """With what it is and what was expected; no price comes of half an answer."""
    with pytest.raises(UnreadablePagesError, match="expected a page of the Retail Prices API") as raised:
        read_pages(answers)
    assert why in str(raised.value)


def rows_of(name: str) -> list[dict[str, Any]]:
    """Give the rows of a file, from all its pages."""
    answers = load(name)
    pages = answers if isinstance(answers, list) else [answers]
    return [row for page in pages for row in page.get("Items", []) if isinstance(row, dict)]


ROWS = [row for name in sorted(TRAPS) for row in rows_of(name)]


def as_pages(rows: list[Any], size: int) -> list[dict[str, Any]]:
    """Put rows on pages, each but the last with a link to the next."""
    parts = [rows[start : start + size] for start in range(0, len(rows), size)] or [[]]
    return [
        {"BillingCurrency": "USD", "Items": part, "NextPageLink": "https://next" if number < len(parts) else None}
        for number, part in enumerate(parts, 1)
    ]


@given(
    st.lists(st.sampled_from(ROWS), max_size=12),
    st.sampled_from(Os),
    st.integers(-60, 60),
    st.data(),
)
def test_neither_order_nor_pages_nor_repetition_change_a_price(
    rows: list[dict[str, Any]], os: Os, days: int, data: st.DataObject
) -> None:
    """Rows come in no order that anybody promises."""
    asked = replace(D2S, os=os, at=MID_NOVEMBER + timedelta(days=days))
    once = prices_of(read_pages(as_pages(rows, 100)), asked)
    more = data.draw(st.lists(st.sampled_from(rows), max_size=3)) if rows else []
    shuffled = data.draw(st.permutations([*rows, *more]))
    pages = data.draw(st.permutations(as_pages(shuffled, data.draw(st.integers(1, 5)))))
    again = prices_of(read_pages(pages), asked)
    assert (again.spot, again.on_demand) == (once.spot, once.on_demand)


@given(st.lists(st.sampled_from(ROWS), max_size=12), st.sampled_from(Os), st.integers(-60, 60))
def test_a_price_is_always_that_of_a_row_and_never_of_one_that_names_another_thing(
    rows: list[dict[str, Any]], os: Os, days: int
) -> None:
    """Held against each row's own words, without the rules that choose among rows."""
    asked = replace(D2S, os=os, at=MID_NOVEMBER + timedelta(days=days))
    prices = prices_of(read_pages(as_pages(rows, 5)), asked)
    for price, is_spot in ((prices.spot, True), (prices.on_demand, False)):
        assert price is None or (
            price > 0 and price in {row.get("retailPrice") for row in rows if sold(row, os, is_spot)}
        )


def sold(row: dict[str, Any], os: Os, is_spot: bool) -> bool:  # noqa: FBT001 - which of the two prices
    """Whether a row's words allow it to be the price of such an hour."""
    words = json.dumps(row).lower()
    return (
        ("windows" in words) == (os is Os.WINDOWS)
        and (" spot" in words) == is_spot
        and not any(
            word in words for word in ("low priority", "lowpriority", "devtest", 'reservation"', 'eur"', "cloud")
        )
        and "1 hour" in words
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.sampled_from(rows_of("every_kind")), st.dictionaries(st.sampled_from(sorted(ROWS[0])), JSON, max_size=4), JSON
)
def test_whatever_stands_in_a_row_no_price_is_made_of_it(
    row: dict[str, Any], wrong: dict[str, object], link: object
) -> None:
    """A field may hold anything: the row is left out, or its price is the one that it says."""
    page = {"BillingCurrency": "USD", "Items": [row | wrong, link], "NextPageLink": link}
    prices = prices_of(read_pages([page]), D2S)
    assert {prices.spot, prices.on_demand} <= {None, row["retailPrice"], as_number(wrong.get("retailPrice"))}
    assert len(prices.why) >= 2
    json.dumps(prices.why)


def as_number(value: object) -> float | None:
    """Give a number that is above zero."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else None


@given(JSON)
def test_whatever_the_answer_it_is_read_or_refused(answers: object) -> None:
    """One error, and no price out of nothing."""
    try:
        prices = prices_of(read_pages(answers), D2S)
    except UnreadablePagesError:
        return
    assert (prices.spot, prices.on_demand) == (None, None)


@pytest.mark.parametrize(
    "price", [10**400, 10**300, 1e308, 1_000_001], ids=["400 digits", "300 digits", "1e308", "a million"]
)
def test_a_number_that_no_vm_costs_is_no_price(price: float) -> None:
    """In one line that can be read, whatever digits it has; the other price is found all the same."""
    rows = [row | ({"retailPrice": price} if row["skuName"].endswith(" Spot") else {}) for row in rows_of("every_kind")]
    prices = prices_of(read_pages(as_pages(rows, 100)), D2S)
    assert (prices.spot, prices.on_demand) == (None, ON_DEMAND)
    (line,) = [each for each in prices.why if each.startswith("spot: ")]
    assert line.endswith("is more than 1000000 USD an hour, which is no price of a VM")
