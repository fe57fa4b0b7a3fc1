"""The views as JSON for programs. Pure; called by ``cli.py`` and ``web/status.py``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

from spot_responder.intake.vms import VmId


def json_form(value: object) -> object:
    """Write a view as JSON: names as in the code, times in UTC, durations in seconds, ids as ARM writes them."""
    match value:
        case VmId():
            return str(value)
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case Mapping():
            return {str(key): json_form(each) for key, each in value.items()}
        case tuple() | list():
            return [json_form(each) for each in value]
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = dataclasses.fields(value)
            return {field.name: json_form(getattr(value, field.name)) for field in fields}
    return value
