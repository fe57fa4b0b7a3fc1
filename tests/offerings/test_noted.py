"""What Azure told, as it is noted for a while."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_responder.offerings.noted import (
    LIFETIMES,
    Kind,
    Noted,
    OddNoteError,
    cores_of,
    cores_text,
    price_of_text,
    price_text,
    sku_of,
    sku_text,
)
from spot_responder.offerings.spot_cores import SpotCores
from tests.harness.makers import TEN
from tests.offerings.sizes import recorded


def test_each_size_is_read_as_it_was_written() -> None:
    """All that was recorded; and that Azure does not offer a size is something to note as well."""
    for sku in recorded().values():
        assert sku_of(sku_text(sku)) == sku
    assert sku_of(sku_text(None)) is None


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.floats(0, 1000, allow_nan=False))
def test_quota_and_price_are_read_as_they_were_written(used: int, limit: int, price: float) -> None:
    """To the last digit."""
    assert cores_of(cores_text(SpotCores(used, limit))) == SpotCores(used, limit)
    assert price_of_text(price_text(price)) == price


@pytest.mark.parametrize("text", ["", "null", "{}", '{"name": 1}', "[1]", "cheap", "9" * 400])
def test_a_note_that_cannot_be_read_is_none(text: str) -> None:
    """Whoever wrote it: it is asked for anew, and never taken for a 0."""
    for read in (cores_of, price_of_text, sku_of):
        if not (read is sku_of and text == "null"):
            with pytest.raises(OddNoteError):
                read(text)


@pytest.mark.parametrize("kind", Kind)
def test_a_note_counts_for_its_lifetime(kind: Kind) -> None:
    """And not a moment longer."""
    noted = Noted("1", TEN)
    assert noted.counts(kind, TEN + LIFETIMES[kind] - timedelta(seconds=1))
    assert not noted.counts(kind, TEN + LIFETIMES[kind])
