"""Times are read in both forms that Azure writes, and in no other."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_agent.deciding.times import iso, read_time

MOMENT = datetime(2022, 8, 9, 17, 7, 32, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    "text",
    [
        "Tue, 09 Aug 2022 17:07:32 GMT",
        "Mon, 09 Aug 2022 17:07:32 GMT",  # not a Monday
        "9 aug 2022 17:07:32 GMT",
        "2022-08-09T17:07:32Z",
        "2022-08-09 17:07:32",
        "2022-08-09T17:07:32.000",
        "2022-08-09T19:07:32+02:00",
        "2022-08-09t13:07:32.0000000-0400",
    ],
)
def test_both_forms_are_read_whatever_the_weekday(text: str) -> None:
    """Microsoft's own sample has a wrong weekday, and its mock server writes ISO 8601."""
    assert read_time(text) == MOMENT


@pytest.mark.parametrize(
    "text",
    ["", "soon", "Tue, 32 Aug 2022 17:07:32 GMT", "Tue, 09 Foo 2022 17:07:32 GMT", "2022-13-09T17:07:32Z",
     "0001-01-01T00:00:00+14:00"],
)  # fmt: skip
def test_what_is_no_time_is_refused(text: str) -> None:
    """With an error that a caller can expect."""
    with pytest.raises(ValueError, match=r"."):
        read_time(text)


@given(st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2200, 1, 1)))  # noqa: DTZ001 - made aware below
def test_what_is_written_is_read_again(naive: datetime) -> None:
    """To the millisecond."""
    moment = naive.replace(tzinfo=timezone.utc, microsecond=naive.microsecond // 1000 * 1000)
    assert read_time(iso(moment)) == moment
