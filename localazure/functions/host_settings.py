"""The settings of the host, read from ``host.json`` and the app settings. Called by ``host.py`` and ``triggers.py``."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, fields
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_SETTING: Final = re.compile(r"%([^%]+)%")
_TIME_SPAN: Final = re.compile(r"(\d{1,2}):(\d{2}):(\d{2}(?:\.\d+)?)")
_LARGEST_BATCH: Final = 32


class HostSettingsError(ValueError):
    """``host.json`` or an app setting is missing or senseless. The message names it."""


class MessageEncoding(StrEnum):
    """How the text of a queue message is written."""

    BASE64 = "base64"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """``extensions.queues`` of ``host.json``; the defaults are Azure's own (docs/azure-facts.md functions-1)."""

    batch_size: int = 16
    """Messages fetched at once."""
    new_batch_threshold: int = 8
    """The next batch is fetched when no more than this many messages are being worked on."""
    max_polling_interval: timedelta = timedelta(minutes=1)
    """The longest wait between two looks at an empty queue."""
    visibility_timeout: timedelta = timedelta(0)
    """How long a message whose function failed stays out of sight."""
    max_dequeue_count: int = 5
    """Tries before a message goes to the poison queue."""
    message_encoding: MessageEncoding = MessageEncoding.BASE64


def read_queue_settings(host_json: Path) -> QueueSettings:
    """Read ``extensions.queues`` of a ``host.json``; what it leaves out keeps Azure's default.

    Raises:
        HostSettingsError: naming file and setting.
    """
    try:
        content = json.loads(host_json.read_text("utf-8"))
        given = content.get("extensions", {}).get("queues", {})
    except (OSError, ValueError, AttributeError) as error:
        message = f"{host_json} cannot be read as host.json: {error}"
        raise HostSettingsError(message) from error
    names = {_camel(field.name): field.name for field in fields(QueueSettings)}
    unknown = sorted(given.keys() - names.keys())
    if unknown:
        message = f"{host_json}: extensions.queues.{unknown[0]} is not a setting; there are {', '.join(sorted(names))}"
        raise HostSettingsError(message)
    return QueueSettings(**{names[key]: _read(host_json, key, value) for key, value in given.items()})


def resolved(text: str, settings: Mapping[str, str], where: str) -> str:
    """Fill ``%NAME%`` in a trigger's setting from the app settings, as Azure does.

    Raises:
        HostSettingsError: naming the app setting that is missing, and where it is wanted.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name not in settings:
            message = f"the app setting {name} is not set; {where} asks for it. Set {name} and start again."
            raise HostSettingsError(message)
        return settings[name]

    return _SETTING.sub(value, text)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _read(host_json: Path, key: str, value: object) -> Any:  # noqa: ANN401  the type is the field's
    try:
        return _READERS[key](value)
    except (TypeError, ValueError) as error:
        message = f"{host_json}: extensions.queues.{key} is {value!r}: {error}"
        raise HostSettingsError(message) from error


def _whole(low: int, high: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            message = f"it must be a whole number from {low} to {high}"
            raise ValueError(message)
        return value

    return read


def _time_span(low: timedelta) -> Callable[[object], timedelta]:
    def read(value: object) -> timedelta:
        match = _TIME_SPAN.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            message = 'it must be a time span like "00:00:30"'
            raise ValueError(message)
        span = timedelta(hours=int(match[1]), minutes=int(match[2]), seconds=float(match[3]))
        if span < low:
            message = f"it must be {low} or longer"
            raise ValueError(message)
        return span

    return read


_READERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "batchSize": _whole(1, _LARGEST_BATCH),
    "newBatchThreshold": _whole(0, 1000),
    "maxPollingInterval": _time_span(timedelta(milliseconds=100)),
    "visibilityTimeout": _time_span(timedelta(0)),
    "maxDequeueCount": _whole(1, 1000),
    "messageEncoding": MessageEncoding,
}
