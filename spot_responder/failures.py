"""What went wrong when Azure refused us: an answer of ARM, Compute or Resource Graph, read into a failure kind.

The code decides, not the HTTP status: an allocation that failed is told by a poll with status 200 (facts/arm.md §0.1).
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from spot_responder.payloads import field, text_field
from spot_responder.plain_text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator


NO_ANSWER: Final = "NoAnswer"
"""The code where Azure did not answer at all: what was asked for may have been done all the same."""


OWN_PACE: Final = "OwnPace"
"""The code of a refusal that is ours: Azure was not asked, since it would have said "too many"."""


SHOWED_NOTHING: Final = "StartShowedNothing"
"""The code, which is ours, where a start that Azure accepted changed nothing that could be seen."""


class FailureKind(StrEnum):
    """What a failure calls for."""

    CAPACITY = "capacity"
    PRICE = "price"
    QUOTA = "quota"
    THROTTLED = "throttled"
    CONFLICT = "conflict"
    GONE = "gone"
    DENIED = "denied"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Failure:
    """A refusal: its kind, the code and message that decided it, and how long Azure asks us to wait, if it does.

    ``code`` is Azure's own word, ``Http503`` where an answer has none, ``NoAnswer`` where there was no answer.
    """

    kind: FailureKind
    code: str
    message: str
    retry_after: timedelta | None

    @property
    def said(self) -> str:
        """Give code and message in Azure's own words."""
        return ": ".join(part for part in (self.code, self.message) if part)


@dataclass(frozen=True, slots=True)
class _Row:
    """A rule. ``code`` is matched whole; ``message``, where not empty, is searched in all that the answer says."""

    code: str
    message: str
    kind: FailureKind
    why: str
    vague: bool = False
    """The code says little: any other known code in the same answer outranks it."""

    def covers(self, code: str, messages: str) -> bool:
        """Whether the rule is for this code, in an answer with these messages."""
        return bool(
            re.fullmatch(self.code, code, re.IGNORECASE) and re.search(self.message, messages, re.IGNORECASE),
        )


_K = FailureKind
_NOT_ALLOWED: Final = "OperationNotAllowed"  # means at least four things: facts/arm.md §0.2
_QUOTA_WORDS: Final = r"low ?priority ?cores|cores quota|exceeding approved|quota increase|quota limit"
_BUSY_WORDS: Final = r"another operation is in progress|ongoing operation"

# facts/arm.md §1, "Decision table". The first row that covers a code decides what the code means.
_ROWS: Final = (
    _Row("(Zonal)?AllocationFailed", "", _K.CAPACITY, "no hardware is free now; it comes back, nobody knows when"),
    _Row("Overconstrained(Zonal)?AllocationRequest", "", _K.CAPACITY, "none is free that meets the VM's constraints"),
    _Row("SkuNotAvailable", "", _K.CAPACITY, "for Spot it also means: out of capacity"),
    _Row("SpotPriceGreaterThanProvidedMaxPrice", "", _K.PRICE, "only a lower price or a higher limit helps"),
    _Row(_NOT_ALLOWED, "too many requests", _K.THROTTLED, "Compute throttles under this code as well"),
    _Row(_NOT_ALLOWED, _QUOTA_WORDS, _K.QUOTA, "only a free or a higher quota helps"),
    _Row(_NOT_ALLOWED, "marked for deletion", _K.GONE, "the VM is on its way out"),
    _Row(_NOT_ALLOWED, _BUSY_WORDS, _K.CONFLICT, "over in a minute; often it is the deallocation itself"),
    _Row(_NOT_ALLOWED, "generalized", _K.DENIED, "a generalized VM never starts again"),
    _Row("(Resource)?QuotaExceeded", "", _K.QUOTA, "only a free or a higher quota helps"),
    _Row("TooManyRequests|RateLimiting", "", _K.THROTTLED, "Compute and Resource Graph, also within an operation"),
    _Row("(Resource|Subscription)RequestsThrottled", "", _K.THROTTLED, "ARM itself"),
    _Row("AttachDiskWhileBeingDetached|AnotherOperationInProgress", "", _K.CONFLICT, "over in a minute or two"),
    _Row("RetryableError.*|ResourceUpdateBlockedOnPlatformUpdate", "", _K.CONFLICT, "over in a minute or two"),
    _Row("OperationPreempted", "", _K.CONFLICT, "a newer operation took over: look again before any start"),
    _Row("VMStartTimedOut", "", _K.UNKNOWN, "the VM may still start: look, do not start again at once"),
    _Row("OSProvisioningTimedOut|VMExtension.*", "", _K.UNKNOWN, "says nothing about power: the VM may be running"),
    _Row("(Resource|ResourceGroup|VM|Subscription)NotFound", "", _K.GONE, "as after an eviction with policy Delete"),
    _Row("(Linked)?AuthorizationFailed", "", _K.DENIED, "a role is missing, or takes minutes to arrive"),
    _Row("ScopeLocked|ReadOnlyDisabledSubscription|RequestDisallowedByPolicy", "", _K.DENIED, "its owner's lock"),
    _Row("ConflictingUserInput|MaxPriceValueInvalid|InvalidParameter", "", _K.DENIED, "the VM's configuration"),
    _Row("AzureSpotIsNotSupportedForThisVMSize", "", _K.DENIED, "the VM's configuration"),
    _Row("AzureSpotFeatureNotEnabledForSubscription", "", _K.DENIED, "the subscription's configuration"),
    _Row("NotFound", "", _K.GONE, "the short form of ResourceNotFound", vague=True),
    _Row("Conflict", "", _K.CONFLICT, "no more is said", vague=True),
    _Row("Internal(Server|Execution|Operation)Error", "", _K.UNKNOWN, "a fault in Azure that passes", vague=True),
    _Row("NetworkingInternalOperationError", "", _K.UNKNOWN, "a fault in Azure that passes", vague=True),
)
# Where no code is known. Everything else is unknown.
_STATUSES: Final[Mapping[int | None, FailureKind]] = {
    HTTPStatus.NOT_FOUND: _K.GONE,
    HTTPStatus.UNAUTHORIZED: _K.DENIED,
    HTTPStatus.FORBIDDEN: _K.DENIED,
    HTTPStatus.CONFLICT: _K.CONFLICT,
}

MESSAGE_CHARACTERS: Final = 500
_CODE_CHARACTERS: Final = 100
_MOST_DEPTH: Final = 64
_MOST_NODES: Final = 500
_LONGEST_WAIT: Final = timedelta(hours=24)
_NUMBER: Final = re.compile(r"-?\d+(\.\d+)?", re.ASCII)
_CLOCK: Final = re.compile(r"(\d{1,4}):(\d\d):(\d\d)(\.\d+)?", re.ASCII)
_ADDRESS: Final = re.compile(r"https?://\S+", re.IGNORECASE)
_LONGEST_HTTP_DATE: Final = 64


@dataclass(frozen=True, slots=True)
class _Entry:
    """A code and its message somewhere in an answer; the deeper, the nearer to the root of the failure."""

    code: str
    message: str
    depth: int


def classify(status: int | None, body: object, headers: Mapping[str, str]) -> Failure:
    """Say what an answer of Azure means. Never raises, whatever the body is.

    ``status``: of HTTP; ``None`` where no answer came (time-out, no connection). ``body``: as parsed, as text or bytes,
    with or without the ``error`` around it, or the answer of a poll. A throttled answer is throttled whatever its code;
    else the most telling known code decides, the innermost first (facts/arm.md §1); else the status.
    """
    entries = sorted(_entries(body), key=lambda entry: -entry.depth)
    kind, entry = _decide(status, entries)
    code = entry.code if entry else NO_ANSWER if status is None else f"Http{status}"
    message = (entry.message if entry else "") or next((each.message for each in entries if each.message), "")
    return Failure(kind, _plain(code)[:_CODE_CHARACTERS], _plain(message), _retry_after(headers, kind))


def _decide(status: int | None, entries: list[_Entry]) -> tuple[FailureKind, _Entry | None]:
    """Give the kind, and the code that decided it; the innermost code where none is known."""
    messages = "\n".join(entry.message for entry in entries)
    coded = [entry for entry in entries if entry.code]
    known = [(row, entry) for entry in coded if (row := _row(entry.code, messages))]
    innermost = next(iter(coded), None)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        throttled = (entry for row, entry in known if row.kind is FailureKind.THROTTLED)
        return FailureKind.THROTTLED, next(throttled, innermost)
    if known:
        row, entry = min(known, key=lambda pair: pair[0].vague)
        return row.kind, entry
    return _STATUSES.get(status, FailureKind.UNKNOWN), innermost


def _row(code: str, messages: str) -> _Row | None:
    return next((row for row in _ROWS if row.covers(code, messages)), None)


def _entries(body: object) -> Iterator[_Entry]:
    """Walk through error, details, innererror and JSON within messages; bounded, since the body is anybody's."""
    waiting: deque[tuple[object, int]] = deque([(body, 0)])
    for _ in range(_MOST_NODES):
        if not waiting:
            return
        node, depth = waiting.popleft()
        value = _parsed(node)
        if isinstance(value, Mapping):
            code, message = text_field(value, "code"), text_field(value, "message")
            if code or message:
                yield _Entry(code, message, depth)
            inner = [field(value, name) for name in ("error", "details", "innererror")]
            below = [*inner, *([message] if message[:1] in ("{", "[") else [])]
        elif isinstance(value, list):
            below = value
        else:
            below = []
            if isinstance(value, str) and value.strip() and depth == 0:
                yield _Entry("", value, depth)
        if depth < _MOST_DEPTH:
            waiting.extend((each, depth + 1) for each in below[:_MOST_NODES])


def _parsed(node: object) -> object:
    """Parse what is JSON in a text or bytes, also where it was encoded twice; the text itself where it is not."""
    value = node.decode("utf-8", "replace") if isinstance(node, bytes | bytearray) else node
    for _ in range(2):
        if not isinstance(value, str):
            break
        try:
            value = json.loads(value.removeprefix("\ufeff"))
        except (ValueError, RecursionError):
            break
    return value


def _plain(message: str) -> str:
    """Put a message on one line, without the signed addresses of operations, which are secrets and 4 KB long."""
    text = _ADDRESS.sub(lambda found: "(address left out)" if _is_operation(found[0]) else found[0], message)
    return one_line(text)[:MESSAGE_CHARACTERS]


def _is_operation(address: str) -> bool:
    return "?" in address or "/operation" in address.lower()


def _retry_after(headers: Mapping[str, str], kind: FailureKind) -> timedelta | None:
    """Read how long to wait: 0 to 24 hours, ``None`` where no header says it legibly (facts/arm.md §2, §4)."""
    waits = (
        _seconds(text_field(headers, "Retry-After"), 1),
        _until(text_field(headers, "Retry-After"), text_field(headers, "Date")),
        _seconds(text_field(headers, "retry-after-ms"), 1000),
        _seconds(text_field(headers, "x-ms-retry-after-ms"), 1000),
        # Resource Graph sends it with every answer; it is a delay only where the quota is used up.
        _clock(text_field(headers, "x-ms-user-quota-resets-after")) if kind is FailureKind.THROTTLED else None,
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
    """Relate an HTTP-date to the answer's own Date: no clock is needed, and none can be wrong."""
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
