"""How the JSON text of a message is read, and how its fields are found, whatever their casing. Pure.

Called by ``events.py``, ``agent_reports.py``, ``azure_errors.py`` and ``own_messages.py``, and by ``offerings``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isinf
from typing import Final, Never

from spot_responder.intake.vms import NotAVmIdError, VmId
from spot_responder.text import shortened

_DEEPEST: Final = 200
"""The deepest nesting that is read; Azure's events have some six levels. A deeper one might be read, and then fail to
be written again."""

_ONE_OBJECT: Final = "one JSON object"

QUOTED_CHARACTERS: Final = 200
"""The most characters of a field that are quoted in a message."""

_TIMESTAMP: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?", re.IGNORECASE | re.ASCII)
# An id may come as the address of its resource, or without its first slash.
_ARM_HOST: Final = re.compile(r"^https?://[^/]+", re.IGNORECASE)
# A valid ARM id that is not of a stand-alone VM: a scale set, its instance, a disk, a subscription.
_OTHER_RESOURCE: Final = re.compile(
    r"(?!.*/providers/microsoft\.compute/virtualmachines(/|$))/(subscriptions|providers)(/[^/\x00-\x1f]+)+",
    re.IGNORECASE,
)
_JSON_WORDS: Final[Mapping[type, str]] = {
    dict: "an object",
    list: "a list",
    str: "a string",
    int: "a number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}
# The keys that identify payloads which are often sent here by mistake; one set of them is enough.
_LOOKALIKES: Final = (
    ("an IMDS Scheduled Events document", ({"documentincarnation"}, {"eventid", "eventstatus"})),
    ("an Azure Monitor alert", ({"schemaid"}, {"alertcontext"}, {"webhookname", "requestbody"})),
    (
        "an Activity Log record",
        ({"records"}, {"eventtimestamp"}, {"eventdataid"}, {"operationnamevalue"}, {"eventsubmissiontimestamp"}),
    ),
)


@dataclass(frozen=True, slots=True)
class NotOurs:
    """A valid event that asks nothing of the app. ``reason`` is one plain sentence."""

    reason: str


class UnreadableEvent(ValueError):  # noqa: N818 - the name is a contract of the design
    """The message is not an event that can be read. Its text says what is wrong and what was expected."""


def parse_body(text: str | bytes) -> Mapping[str, object]:
    """Read the JSON text of a queue message or file: one object, or a list of exactly one, as Event Grid delivers.

    Raises:
        UnreadableEvent: not UTF-8, not JSON, or not one object.
    """
    body = parse_json(text, _ONE_OBJECT)
    if isinstance(body, list):
        if len(body) != 1:
            refuse(f"a list of {len(body)}; expected {_ONE_OBJECT}, or a list of exactly one")
        body = body[0]
    if not isinstance(body, dict):
        refuse(f"the JSON holds {kind_of_json(body)}; expected {_ONE_OBJECT}")
    if _is_deeper(body, _DEEPEST):
        refuse(f"the JSON is nested more than {_DEEPEST} deep; expected {_ONE_OBJECT}")
    return body


def _is_deeper(body: object, levels: int) -> bool:
    level = [body]
    for _ in range(levels):
        inner = (each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list))
        level = [child for children in inner for child in children]
        if not level:
            return False
    return True


def parse_json(text: str | bytes, expected: str) -> object:
    """Read any JSON text; ``expected`` says in an error what should have been there.

    Raises:
        UnreadableEvent: not UTF-8, not JSON, or nested too deeply.
    """
    try:
        decoded = text.decode("utf-8") if isinstance(text, bytes) else text
        text = decoded.removeprefix("\ufeff")
        parsed: object = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except UnicodeDecodeError as error:
        refuse(f"the text is not UTF-8 (at byte {error.start}); expected {expected}")
    except RecursionError:
        refuse(f"the JSON is nested too deeply; expected {expected}")
    except json.JSONDecodeError as error:
        refuse(f"the text is not JSON ({error.msg}, line {error.lineno}); expected {expected}")
    except ValueError as error:
        refuse(f"the text is not JSON ({cut(str(error))}); expected {expected}")
    return parsed


def _refuse_constant(word: str) -> Never:
    message = f"{word} is no JSON number"
    raise ValueError(message)


def _finite(text: str) -> float:
    """Read a number; one that is too large would be written as ``Infinity``, which is not JSON, when it is requeued."""
    number = float(text)
    if isinf(number):
        _refuse_constant(cut(text))
    return number


def refuse(why: str) -> Never:
    """Raise ``UnreadableEvent`` with this text."""
    raise UnreadableEvent(why)


def cut(text: str) -> str:
    """Keep beginning and end of a text that may be of any length."""
    return shortened(text, QUOTED_CHARACTERS)


def quote(value: object) -> str:
    """Quote one field for a message, on one line; of an object or a list, only its kind."""
    if isinstance(value, str):
        return repr(cut(value))
    return "missing" if value is None else kind_of_json(value)


def kind_of_json(value: object) -> str:
    """Say what kind of JSON a value is."""
    return _JSON_WORDS.get(type(value), "no JSON")


def field(within: object, *path: str) -> object:
    """Find a field by its path, without regard to case; ``None`` where a part of the path is missing."""
    for name in path:
        if not isinstance(within, Mapping):
            return None
        within = _member(within, name)
    return within


def _member(within: Mapping[object, object], name: str) -> object:
    if name in within:
        return within[name]
    lower = name.lower()
    return next((value for key, value in within.items() if isinstance(key, str) and key.lower() == lower), None)


def text_field(within: object, *path: str) -> str:
    """Find a text, without the blanks around it; ``""`` where there is none."""
    value = field(within, *path)
    return value.strip() if isinstance(value, str) else ""


def needed_text(within: object, *path: str) -> str:
    """Find a text that must be there.

    Raises:
        UnreadableEvent: naming the path.
    """
    text = text_field(within, *path)
    if not text:
        refuse(f"{'.'.join(path)} is {quote(field(within, *path))}; expected a text")
    return text


def moment(text: str) -> datetime | None:
    """Read an ISO 8601 time as UTC; ``None`` where the text is not one.

    Azure writes UTC, with up to seven digits of a second and now and then without the ``Z``. .NET writes year 1 for a
    time that was never set.
    """
    if not _TIMESTAMP.fullmatch(text):
        return None
    try:
        read = datetime.fromisoformat(text.upper())
        at = read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return at if at.year > 1 else None


def plain_guid(text: str) -> str:
    """Give a guid in lower case and without hyphens: Azure writes the same one in either way."""
    return text.lower().replace("-", "")


def type_of(event: Mapping[str, object]) -> str:
    """Give the type of an event of either schema; ``""`` where it has none.

    "specversion" marks a CloudEvent; either schema may carry a field of the other as an unknown extra.
    """
    names = ("eventType", "type") if field(event, "specversion") is None else ("type", "eventType")
    return next((text for text in (text_field(event, name) for name in names) if text), "")


def lookalike(payload: Mapping[str, object]) -> str | None:
    """Say what a payload that is not an Event Grid event seems to be instead; ``None`` if not known."""
    keys = {key.lower() for key in payload if isinstance(key, str)}
    return next((name for name, marks in _LOOKALIKES if any(mark <= keys for mark in marks)), None)


def vm_or_not_ours(*candidates: str) -> VmId | NotOurs:
    """Take the first candidate that is an ARM id: a VM's, or else another resource's, which is not for the app."""
    for text in filter(None, candidates):
        arm_id = "/" + _ARM_HOST.sub("", text).strip("/")
        try:
            return VmId.parse(arm_id)
        except NotAVmIdError as problem:
            if _OTHER_RESOURCE.fullmatch(arm_id):
                return NotOurs(f"It is about another resource: {problem}.")
    tried = next(filter(None, candidates), None)
    return refuse(f"the VM's id is {quote(tried)}; expected /subscriptions/…/virtualMachines/… of an Event Grid event")


def envelope_time(event: Mapping[str, object]) -> datetime | None:
    """Read when an event says it happened, in UTC; ``None`` where it does not say, as CloudEvents 1.0 allows.

    Raises:
        UnreadableEvent: quoting the text that is not a time.
    """
    texts = [text for text in (text_field(event, "time"), text_field(event, "eventTime")) if text]
    at = next(filter(None, map(moment, texts)), None)
    if at is None and texts:
        refuse(f"the event's time is {quote(texts[0])}; expected ISO 8601 such as '2026-03-01T10:00:00Z'")
    return at
