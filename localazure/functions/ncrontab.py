"""NCRONTAB: the schedules of Azure's timer trigger, six fields, the first of them seconds. Called by ``timers.py``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from croniter import CroniterBadTypeRangeError, CroniterError, croniter  # type: ignore[import-untyped]

_FIELDS: Final = ("second", "minute", "hour", "day", "month", "day of week")
# Numbers, the three-letter names of months and days, `*`, lists, ranges and steps. The library takes more
# (`L`, `#`, `?`, `@daily`, Sunday as 7); Azure does not, and what runs here must run there.
_VALUE: Final = r"(?:\d{1,2}|[a-z]{3})"
_ITEM: Final = rf"(?:\*|{_VALUE}(?:-{_VALUE})?)(?:/\d{{1,2}})?"
_FIELD: Final = re.compile(rf"{_ITEM}(?:,{_ITEM})*", re.IGNORECASE)
_SUNDAY_AS_SEVEN: Final = re.compile(r"(?<![\d/])7(?!\d)")
# The 29th of February on a given day of the week comes every 28 years, or 40 around 2100.
_HORIZON_YEARS: Final = 40
_SOME_MOMENT: Final = datetime(2024, 1, 1, tzinfo=UTC)


class ScheduleError(ValueError):
    """The text is no NCRONTAB expression, or one that never comes true."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a timer is due. Make one with ``parse``."""

    expression: str

    @classmethod
    def parse(cls, text: str) -> Schedule:
        """Read six fields: second, minute, hour, day, month, day of week (0 is Sunday).

        Raises:
            ScheduleError: naming the field that is wrong, or saying that there is no such date.
        """
        fields = text.split()
        if len(fields) != len(_FIELDS):
            message = f"{text!r} has {len(fields)} fields; NCRONTAB has six: {', '.join(_FIELDS)}"
            raise ScheduleError(message)
        for name, field in zip(_FIELDS, fields, strict=True):
            if not _FIELD.fullmatch(field) or (name == "day of week" and _SUNDAY_AS_SEVEN.search(field)):
                message = f"{text!r}: {field!r} is no {name} in NCRONTAB"
                raise ScheduleError(message)
        schedule = cls(" ".join(fields))
        try:
            schedule.next_after(_SOME_MOMENT)
        except (CroniterError, CroniterBadTypeRangeError) as error:
            message = f"{text!r}: {error}"
            raise ScheduleError(message) from error
        return schedule

    def next_after(self, moment: datetime) -> datetime:
        """Give the first time after ``moment`` (aware, and in whose zone the fields are read)."""
        # NCRONTAB wants day *and* day of week to match, where cron takes either.
        following: datetime = croniter(
            self.expression,
            moment,
            ret_type=datetime,
            day_or=False,
            second_at_beginning=True,
            max_years_between_matches=_HORIZON_YEARS,
        ).get_next(datetime)
        return following
