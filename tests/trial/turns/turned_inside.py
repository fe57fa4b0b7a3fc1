"""The beliefs about the inside of the VM, turned: its listener prints other things than it did."""

from __future__ import annotations

from datetime import datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from tests.trial.turns.turning import Body, Turning, printed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def _each(change: Callable[[Body], Body]) -> Turning:
    return Turning(printed(lambda lines: [change(line) for line in lines]))


def _with(what: str, **more: Any) -> Turning:  # noqa: ANN401 - JSON
    return _each(lambda line: line | more if line["what"] == what else line)


def _events(line: Body, **more: Any) -> Body:  # noqa: ANN401 - JSON
    return line | {"events": [event | more for event in line["events"]]} if line.get("events") else line


def _at(line: Body, seconds: float) -> Body:
    return line | {"at": (datetime.fromisoformat(line["at"]) + timedelta(seconds=seconds)).isoformat()}


def _not_before(line: Body, seconds: float) -> Body:
    times = [parsedate_to_datetime(event["NotBefore"]) for event in line.get("events", []) if event["NotBefore"]]
    later = [format_datetime(at + timedelta(seconds=seconds), usegmt=True) for at in times]
    return _events(line, NotBefore=later[0]) if later else line


def _noticed_early(lines: list[Body]) -> list[Body]:
    kept = [line for line in lines if line["what"] != "events" or line["events"]]
    first = next((line for line in kept if line["what"] == "events"), None)
    return [_at(line, -60) if line is first else line for line in kept]


def _and_then(**more: Any) -> Turning:  # noqa: ANN401 - JSON
    """Let the boot of the eviction print one line more."""

    def change(lines: list[Body]) -> list[Body]:
        last = next((line for line in reversed(lines) if line.get("events")), None)
        return [*lines, _at(last, 0.5) | more] if last else lines

    return Turning(printed(change))


INSIDE: Final[Mapping[str, Turning]] = {
    "E17": _each(lambda line: _at(_not_before(line, -400), -400)),
    "V1": _each(lambda line: _events(line, Resources=["sibling"])),
    "V2": _with("first answer", status=0, took_s=130.1),
    "V3": _with("service", unknown=200),
    "V4": Turning(printed(_noticed_early)),
    "V5": _and_then(events=[]),
    "V6": _each(lambda line: line | {"too_many": 3}),
    "V7": _each(lambda line: _not_before(line, 60)),
    "V10": _and_then(what="told to end"),
    "V11": _each(lambda line: line | {"boot": "always the same"}),
    "V13": _with("service", clock_error_s=30.0),
    "V14": _with("service", load_balancer=200),
    "V16": _with("service", token_lives_s=600.0),
    "V17": Turning(printed(lambda _: [])),
}
