"""How long Azure asks to wait, read from the headers of its answer. Pure; called by ``azure_errors.py``."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from spot_responder.intake.payloads import text_field

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST_WAIT: Final = timedelta(hours=24)
_NUMBER: Final = re.compile(r"-?\d+(\.\d+)?", re.ASCII)
_CLOCK: Final = re.compile(r"(\d{1,4}):(\d\d):(\d\d)(\.\d+)?", re.ASCII)
_LONGEST_HTTP_DATE: Final = 64


def retry_after(headers: Mapping[str, str], *, is_throttled: bool) -> timedelta | None:
    """Read how long to wait: 0 to 24 hours; ``None`` where no header says it (docs/azure-facts.md arm-11, graph-1)."""
    waits = (
        _seconds(text_field(headers, "Retry-After"), 1),
        _until(text_field(headers, "Retry-After"), text_field(headers, "Date")),
        _seconds(text_field(headers, "retry-after-ms"), 1000),
        _seconds(text_field(headers, "x-ms-retry-after-ms"), 1000),
        # Resource Graph sends it with every answer; it is a delay only if the quota is used up.
        _clock(text_field(headers, "x-ms-user-quota-resets-after")) if is_throttled else None,
    )
    seconds = next((wait for wait in waits if wait is not None), None)
    if seconds is None:
        return None
    return timedelta(seconds=min(max(seconds, 0.0), _LONGEST_WAIT.total_seconds()))


def _seconds(text: str, units_a_second: int) -> float | None:
    return float(text) / units_a_second if _NUMBER.fullmatch(text) else None


def _clock(text: str) -> float | None:
    found = _CLOCK.fullmatch(text)
    if found is None:
        return None
    return int(found[1]) * 3600 + int(found[2]) * 60 + int(found[3]) + float(found[4] or 0)


def _until(date: str, now: str) -> float | None:
    """Give the seconds from the answer's own Date header to an HTTP date: no clock of this machine is needed."""
    then, sent = _http_date(date), _http_date(now)
    return (then - sent).total_seconds() if then and sent else None


def _http_date(text: str) -> datetime | None:
    if not text or len(text) > _LONGEST_HTTP_DATE:
        return None
    try:
        read = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)
