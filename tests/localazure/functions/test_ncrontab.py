"""NCRONTAB schedules: read as Azure reads them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localazure.functions.ncrontab import Schedule, ScheduleError

SATURDAY = datetime(2026, 1, 31, 23, 59, 59, 500000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 */15 * * * *", "2026-02-01T00:00:00"),
        ("*/5 * * * * *", "2026-02-01T00:00:00"),
        ("0 30 9 * * 1-5", "2026-02-02T09:30:00"),
        ("0 30 9 * * Mon-Fri", "2026-02-02T09:30:00"),
        ("0 0 9-17 * Feb *", "2026-02-01T09:00:00"),
        ("7/20 1,2 * * * *", "2026-02-01T00:01:07"),
        ("0 0 0 29 2 *", "2028-02-29T00:00:00"),
        ("0  0 0 * * 0", "2026-02-01T00:00:00"),
    ],
)
def test_a_schedule_says_when_it_is_due_next(expression: str, expected: str) -> None:
    """The six fields are read from the second to the day of the week, with names, lists, ranges and steps."""
    assert Schedule.parse(expression).next_after(SATURDAY) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def test_day_and_day_of_week_must_both_match() -> None:
    """Azure fires on a Friday the 13th, where cron would fire on every Friday and on every 13th."""
    assert Schedule.parse("0 0 0 13 * 5").next_after(SATURDAY) == datetime(2026, 2, 13, tzinfo=UTC)
    assert Schedule.parse("0 0 0 13 * 5").next_after(datetime(2026, 3, 14, tzinfo=UTC)) == datetime(
        2026, 11, 13, tzinfo=UTC
    )


@pytest.mark.parametrize(
    ("expression", "named"),
    [
        ("*/15 * * * *", "5 fields"),
        ("", "0 fields"),
        ("0 0 0 L * *", "'L' is no day "),
        ("0 0 0 * * 5#2", "'5#2' is no day of week"),
        ("0 0 0 * * 7", "'7' is no day of week"),
        ("0 0 0 * * 5-7", "'5-7' is no day of week"),
        ("0 0 0 ? * *", "'\\?' is no day "),
        ("60 * * * * *", "60"),
        ("0 0 24 * * *", "24"),
        ("*/0 * * * * *", "0"),
        ("0 0 0 31 2 *", "failed to find"),
    ],
)
def test_what_azure_would_not_take_is_refused_by_name(expression: str, named: str) -> None:
    """A schedule that Azure refuses is refused here, with the part that is wrong, and not run in some other way."""
    with pytest.raises(ScheduleError, match=named):
        Schedule.parse(expression)


@given(
    seconds=st.sets(st.integers(0, 59), min_size=1, max_size=4),
    minutes=st.sets(st.integers(0, 59), min_size=1, max_size=4),
    moment=st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  the zone is given beside
)
def test_the_next_time_is_the_first_that_matches(seconds: set[int], minutes: set[int], moment: datetime) -> None:
    """No time that matches is passed over, and the moment itself is never given again."""
    schedule = Schedule.parse(f"{_listed(seconds)} {_listed(minutes)} * * * *")
    second = moment.replace(microsecond=0) + timedelta(seconds=1)
    while second.second not in seconds or second.minute not in minutes:
        second += timedelta(seconds=1)
    assert schedule.next_after(moment) == second


def _listed(numbers: set[int]) -> str:
    return ",".join(map(str, numbers))
