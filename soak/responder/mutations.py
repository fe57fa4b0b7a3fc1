"""Malformed messages: real payloads, mutated as JSON and as text, and texts that are not events."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

_FOLDER: Final = Path(__file__).resolve().parents[2] / "tests" / "payloads"
PAYLOADS: Final = (_FOLDER / "events", _FOLDER / "agent")
_VM_OF_PAYLOADS: Final = re.compile(
    "/subscriptions/(?:11111111-aaaa-4bbb-8ccc-222222222222/resourcegroups/rg-batch"
    "/providers/microsoft.compute/virtualmachines/spot-01"
    "|11111111-1111-4111-8111-111111111111/resourcegroups/rg-spot"
    "/providers/microsoft.compute/virtualmachines/render-1)",
    re.IGNORECASE,
)
_DAY_OF_PAYLOADS: Final = "2026-03-01T"
_NESTED: Final = re.compile('"@nested ([0-9]+)@"')
"""Stands for JSON that is nested so deeply, until all is written as text: Python could not write it."""

_PARSED_JUST_SO: Final = 9990
"""About so deep is the deepest that Python's parser takes."""

_ODD_TEXTS: Final = (
    "",
    " ",
    "\x00",
    "null",
    "true",
    "NaN",
    "\u202e\u2066evil",
    "\ud800",
    "e\u0301" * 40,
    "İıſß",
    "💥" * 2000,
    "\u2028\r\n<script>",
    "' or 1=1 //",
    "{vm_ids}",
    "%00%2e%2e",
    "x" * 70_000,
)
_TIMES: Final = (
    "2026-03-02T10:03:00Z",
    "2026-03-02T10:03:00",
    "2026-03-02 10:03:00+14:00",
    "9999-12-31T23:59:59.9999999Z",
    "9999-12-31T23:59:59-12:00",
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "0002-01-01T00:00:00Z",
    "1970-01-01T00:00:00Z",
    "2026-02-30T10:00:00Z",
    "2026-03-02T24:00:00Z",
    "2026-03-02T23:59:60Z",
    "2026-03-02T10:00:00.123456789123Z",
    "2016-W01-1",
    "20260302T100000Z",
    "yesterday",
    "1772445600",
)
_NUMBERS: Final = (0, -1, 1, 2**31, 2**63, -(2**64), 10**30, 10**4299, 1.5, -0.0, 1e308, float("nan"), float("inf"))
_FOREIGN: Final[tuple[str | bytes, ...]] = (
    "",
    " \n\t ",
    "hello",
    "<xml><event/></xml>",
    "null",
    "true",
    "17",
    '"text"',
    "[]",
    "{}",
    "[[[]]]",
    "[{}, {}]",
    '{"a":1e999}',
    '{"a":NaN}',
    '{"": ""}',
    b"\x00\x01\x02\xff\xfe",
    b"\xef\xbb\xbf{}",
    '{"type": "x", "source": "y"}'.encode("utf-16"),
    '{"records": [{"operationName": "x"}]}',
    '{"specversion": "1.0", "type": "com.example.order", "source": "/orders", "id": "1", "data": {"vmId": 1}}',
    "eyJ0eXAiOiJKV1QifQ.e30.c2ln",
)


@dataclass(frozen=True, slots=True)
class Mutator:
    """Makes messages about the VMs with these ids; ``day`` is the present one: ``2026-03-02T``."""

    chance: Random
    vm_ids: Sequence[str]
    day: str
    payloads: Sequence[str]

    def message(self) -> str | bytes:
        """Make one message."""
        draw = self.chance.random()
        if draw < 0.06:  # noqa: PLR2004 - now and then
            return self.chance.choice(_FOREIGN)
        event = json.loads(self._payload())
        if draw > 0.2:  # noqa: PLR2004 - most
            for _ in range(self.chance.choice((1, 1, 1, 2, 4))):
                event = self._mutated(event)
        text = json.dumps(event, ensure_ascii=self.chance.random() < 0.5)  # noqa: PLR2004 - either
        text = _NESTED.sub(lambda match: _nested(int(match[1])), text)
        return self._spoiled(text) if self.chance.random() < 0.15 else text  # noqa: PLR2004 - some

    def giant(self) -> str:
        """Make a message of 60 KB and more."""
        event = json.loads(self._payload())
        holder = event[0] if isinstance(event, list) else event
        holder["padding"] = self.chance.choice(("x", "é", "💥", '"')) * self.chance.choice((60_000, 90_000))
        return json.dumps(event, ensure_ascii=False)

    def _payload(self) -> str:
        """Take a payload, about a VM of the world; its times are of today, or of the day before."""
        text = self.chance.choice(self.payloads)
        vm_id = self.chance.choice(self.vm_ids)
        text = _VM_OF_PAYLOADS.sub(lambda _: vm_id, text)
        return text.replace(_DAY_OF_PAYLOADS, self.day) if self.chance.random() < 0.7 else text  # noqa: PLR2004 - most

    def _mutated(self, event: Any) -> Any:  # noqa: ANN401 - JSON
        """Change one place of it, or all of it."""
        if self.chance.random() < 0.08:  # noqa: PLR2004 - now and then
            return self.chance.choice(self._wholes())(event)
        places = list(_places(event))
        if not places:
            return event
        holder, key = self.chance.choice(places)
        self.chance.choice(self._moves())(holder, key)
        return event

    def _wholes(self) -> tuple[Callable[[Any], Any], ...]:
        other = json.loads(self._payload())
        return (
            lambda event: [event],
            lambda event: [event, other],
            lambda event: {"data": event},
            lambda event: {**_first(other), **_first(event)},
            lambda event: {**_first(event), "data": _first(other).get("data")},
            lambda event: {**_first(event), "requeued": self._odd(), "waited": self._odd()},
            lambda event: {**_first(event), "type": _first(other).get("type"), "eventType": None},
        )

    def _moves(self) -> tuple[Callable[[Any, Any], None], ...]:
        return (
            self._drop,
            self._replace,
            self._replace,
            self._retype,
            self._retime,
            self._rename,
            self._aim_elsewhere,
            self._double,
        )

    def _drop(self, holder: Any, key: Any) -> None:  # noqa: ANN401 - JSON
        del holder[key]

    def _replace(self, holder: Any, key: Any) -> None:  # noqa: ANN401 - JSON
        holder[key] = self._odd()

    def _retype(self, holder: Any, key: Any) -> None:  # noqa: ANN401 - JSON
        value = holder[key]
        as_text = value if isinstance(value, str) else json.dumps(value)
        holder[key] = self.chance.choice((as_text, [value], {"value": value}, as_text.swapcase(), bool(value)))

    def _retime(self, holder: Any, _key: Any) -> None:  # noqa: ANN401 - JSON
        name = self.chance.choice(("time", "eventTime", "occurredTime"))
        if isinstance(holder, dict):
            holder[name] = self.chance.choice(_TIMES)

    def _rename(self, holder: Any, key: Any) -> None:  # noqa: ANN401 - JSON
        if isinstance(holder, dict):
            holder[self.chance.choice((key.upper(), key.swapcase(), f" {key}", f"{key}\u0000", ""))] = holder.pop(key)

    def _aim_elsewhere(self, holder: Any, key: Any) -> None:  # noqa: ANN401 - JSON
        holder[key] = self._odd_id()

    def _double(self, holder: Any, key: Any) -> None:  # noqa: ANN401 - JSON
        """Say it twice: the same name in another casing, with another value."""
        if isinstance(holder, dict):
            holder[key.title()] = self._odd()
        else:
            holder.append(holder[key])

    def _odd(self) -> Any:  # noqa: ANN401 - JSON
        kind = self.chance.randrange(6)
        if kind == 0:
            return self.chance.choice(_NUMBERS)
        if kind == 1:
            return self.chance.choice((None, True, False, [], {}, [None], {"": None}))
        if kind == 2:  # noqa: PLR2004 - of six
            just = _PARSED_JUST_SO + self.chance.randrange(-10, 10)
            return f"@nested {self.chance.choice((3, 900, just, just, 50_000))}@"
        if kind == 3:  # noqa: PLR2004 - of six
            return self.chance.choice(_TIMES)
        if kind == 4:  # noqa: PLR2004 - of six
            return self._odd_id()
        return self.chance.choice(_ODD_TEXTS)

    def _odd_id(self) -> str:
        vm_id = self.chance.choice(self.vm_ids)
        group, _, name = vm_id.rpartition("/providers/")
        return self.chance.choice(
            (
                vm_id.upper(),
                vm_id.lower(),
                vm_id.swapcase(),
                f"{vm_id}/",
                f"{vm_id}//",
                f"{vm_id}/extensions/x",
                vm_id.lstrip("/"),
                f"https://management.azure.com{vm_id}",
                f"\n{vm_id}\t",
                f"{vm_id}\u0000",
                f"{vm_id}' or id != '",
                f"{group}/providers/Microsoft.Compute/virtualMachineScaleSets/set/virtualMachines/0",
                f"{group}/providers/Microsoft.Compute/virtualMachines/{'n' * 128}",
                f"{group}/providers/Microsoft.Compute/virtualMachines/{'n' * 129}",
                f"{group}/providers/Microsoft.Compute/virtualMachines/..",
                f"{group}/providers/Microsoft.Compute/virtualMachines/İı💥",
                f"{group}/providers/Microsoft.Compute/disks/{name}",
                vm_id.replace("resourceGroups", "resourceGroups/extra"),
                vm_id.replace("/subscriptions/", f"/subscriptions/{self.chance.randrange(10**6)}-"),
                "/subscriptions//resourceGroups//providers/Microsoft.Compute/virtualMachines/",
                "/",
            )
        )

    def _spoiled(self, text: str) -> str | bytes:
        """Change it as text, or as bytes."""
        at = self.chance.randrange(len(text) + 1)
        raw = text.encode("utf-8", "surrogatepass")
        return self.chance.choice(
            (
                text[:at],
                text[at:],
                text + text,
                f"{text}\n{self._payload()}",
                text[:at] + self.chance.choice(_ODD_TEXTS) + text[at:],
                text[:at] + chr(self.chance.randrange(32, 0x2FF)) + text[at + 1 :],
                text.replace('"', "'"),
                text.replace(":", ": " + " " * 500),
                re.sub(r'"(\w+)":', r'"\1": 0, "\1":', text, count=3),
                f"\ufeff{text}",
                text.encode("utf-16", "surrogatepass"),
                raw[: len(raw) // 2] + bytes([self.chance.randrange(256)]) + raw[len(raw) // 2 :],
                raw,
            )
        )


def read_payloads() -> tuple[str, ...]:
    """Read every payload of the tests, in the order of their names."""
    return tuple(path.read_text("utf-8") for folder in PAYLOADS for path in sorted(folder.glob("*.json")))


def _places(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Give every place in a JSON value: what holds it, and its key or index."""
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])


def _nested(depth: int) -> str:
    return '{"data": [' * (depth // 2) + "1" + "]}" * (depth // 2)


def _first(event: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    value = event[0] if isinstance(event, list) and event else event
    return value if isinstance(value, dict) else {"data": value}
