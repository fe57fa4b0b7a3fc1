"""The tag by which an owner names other sizes: read as a whole, or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_responder.offerings.fallback_tag import (
    LONGEST_VALUE,
    MOST_SIZES,
    TAG,
    FallbackSizes,
    read_fallback_sizes,
    tag_value,
)


def test_the_sizes_are_in_the_owners_order() -> None:
    """With blanks around them, as people type; Azure compares names of tags without regard to case."""
    tags = {"owner": "team-a", TAG.upper(): " Standard_D4as_v5, Standard_E8-4s_v5 ,Standard_NC24ads_A100_v4"}
    sizes = ("Standard_D4as_v5", "Standard_E8-4s_v5", "Standard_NC24ads_A100_v4")
    assert read_fallback_sizes(tags) == FallbackSizes(sizes)


@pytest.mark.parametrize("value", ["standard_d4as_v5,standard_d4s_v4", "STANDARD_D4AS_V5, Standard_d4s_V4"])
def test_the_case_of_letters_does_not_matter(value: str) -> None:
    """As for Azure itself: many an owner copies a size out of a page that writes it small."""
    read = read_fallback_sizes({TAG: value})
    assert not read.problem
    assert [size.lower() for size in read.sizes] == ["standard_d4as_v5", "standard_d4s_v4"]


@pytest.mark.parametrize("value", ["", "  "])
def test_an_empty_tag_is_none(value: str) -> None:
    """Nothing is asked for, and nothing is wrong."""
    assert read_fallback_sizes({TAG: value}) == read_fallback_sizes({}) == FallbackSizes()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("Standard_D4as_v5,", "'' is no size"),
        ("Standard_D4as_v5;Standard_D4s_v4", "is no size such as"),
        ("D4as_v5", "'D4as_v5' is no size"),
        ("Standard_D4as_v5,Standard_", "'Standard_' is no size"),
        ("Standard_D4as_v5,standard d4s v4", "'standard d4s v4' is no size"),
        ("Standard_D4s_v5,standard_d4s_v5", "names a size twice"),
        (",".join(f"Standard_D{number}s_v5" for number in range(MOST_SIZES + 1)), "names 6 sizes, and 5 are the most"),
    ],
)
def test_one_bad_size_makes_it_count_for_nothing(value: str, words: str) -> None:
    """In one line that says what is wrong: the owner did not mean the sizes around it alone."""
    read = read_fallback_sizes({TAG: value})
    assert read.sizes == ()
    assert read.problem.startswith(f"the tag {TAG} is ignored: ")
    assert words in read.problem


@given(st.text())
def test_whatever_is_typed_is_one_line_or_sizes(value: str) -> None:
    """Never both, and never an error."""
    read = read_fallback_sizes({TAG: value})
    assert not (read.sizes and read.problem)
    assert len(read.problem.splitlines()) <= 1


@given(st.lists(st.integers(1, 99), unique=True), st.integers(0, 120))
def test_a_tag_that_is_suggested_is_one_that_counts(numbers: list[int], length: int) -> None:
    """It has room for what it names, and the app takes it as it stands."""
    sizes = [f"Standard_D{number}{'s' * length}_v5" for number in numbers]
    value = tag_value(sizes)
    assert len(value) <= LONGEST_VALUE
    assert read_fallback_sizes({TAG: value}) == FallbackSizes(tuple(sizes[: len(value.split(",")) if value else 0]))
    assert bool(value) == bool(sizes)
