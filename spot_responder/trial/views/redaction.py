"""Takes out of payloads what tells whose they are: ids, names, addresses, tokens. The same becomes the same. Pure.

In two passes over all payloads of a trial: the first collects what must not remain, the second puts something in its
place wherever it stands, in whatever casing: in keys, in values, in the middle of a message. A text that was cut
before it came here, by Azure or by what reads its answers, has half of something at the cut: that goes as well.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from spot_responder.text import LEFT_OUT
from spot_responder.trial.views.telling_parts import bare_forms, encoded_runs_replaced, telling_parts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_JSON: Final = re.compile(r"[\[{]\s*[\"{\[]")
_DECODER: Final = json.JSONDecoder()
_POLICY: Final = re.compile(r"(disallowed by policy)\b.*", re.IGNORECASE | re.DOTALL)
"""What follows is written by whoever wrote the policy: reasons, and the names of people and departments."""
_OWN_TYPE: Final = re.compile(r"Microsoft(?:\.[A-Za-z]+)+")
"""A namespace, or the type of an event: whatever is called so too, it tells nothing by itself."""
_OWN: Final = (
    r"(?<![\w./-])Microsoft(?:\.[a-z]+)+(?:/[a-z]+)+/(?:action|read|write|delete)(?![\w/-])"
    r"|(?<![\w.-])Microsoft(?:\.[a-z]+)+/[a-z]+(?![\w-])"
)
"""An operation, or a type: they stay where a VM or a group is called as a word of them."""
_OWN_KEY: Final = re.compile(r"(?:@odata\.)?[A-Za-z]\w*", re.ASCII)
"""A key that Azure has named; one that is an id or a name has other letters too, or stands in tags."""
_LEFT_OUT_KEYS: Final = frozenset(
    {"additionalinfo", "policyassignmentparameters", "requestbody", "responsebody", "customdata"}
)
"""What is below them is written by people, and no belief is about it."""
_PERSONAL: Final = frozenset({"claims", "tags"})
"""Objects whose every value may tell who somebody is, and whose keys may too."""
_NAMING: Final = ("name", "caller", "createdby", "modifiedby", "resourcegroup")
"""So end the keys of names."""
_SECRET: Final = ("password", "secret", "accesskey", "sharedkey", "connectionstring")
"""So end the keys of secrets."""
_AZURES_NAMES: Final = frozenset(
    {
        *("operationname", "annotationname", "eventname", "resourceprovidername", "categoryname", "rolename"),
        *("skuname", "armskuname", "armregionname", "productname", "metername", "servicename"),
    }
)
"""Keys of names that Azure has given."""
_WORDS: Final = frozenset(
    {
        *("default", "current", "true", "false", "none", "null", "latest", "server", "succeeded"),
        # Of the address of an activity log; ARM's own host has it too.
        "management",
        *("witness", "witness-dead-letters", "trial", "tried", "moment"),
    }
)
"""Azure's own words, and those of the trial: as names they tell nothing."""
_SHORTEST: Final = 2
_HALF: Final = "(cut)"
_CUT_FROM: Final = 80
"""Nothing cuts the end off a shorter text: it ends as it was written."""
_SHORT: Final = 6
_TELLING: Final = re.compile(r"(?=.{3}).*[^\W\d_]", re.DOTALL)
"""Any other claim, tag or name is taken out where it stands, but not from other texts: it may be "1.0"."""


@dataclass(slots=True)
class Redaction:
    """What must not remain, each with what stands in its place. Begin with what is known: names of group, VM, login."""

    places: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    _found: re.Pattern[str] | None = None
    _spelt: set[str] = field(default_factory=set)
    """Those that are longer in lower case, as they are spelt: of İ there become two letters."""

    def hide(self, kind: str, values: Iterable[str]) -> None:
        """Let these be replaced. A value that is there already keeps its place."""
        for value in values:
            key = value.lower()
            if len(key) != len(value):
                self._spelt.add(value)
            if len(key) < _SHORTEST or key in _WORDS or key in self.places:
                continue
            self.counts[kind] = number = self.counts.get(kind, 0) + 1
            self._found = None
            self.places[key] = _SHAPES[kind].format(number=number)
            self.hide("bare", bare_forms(value))

    def learn(self, payload: object) -> None:
        """Collect what must not remain of a payload."""
        for text in _texts(payload):
            for kind, parts in telling_parts(text):
                self.hide(kind, parts)
        found = _personal(payload)
        self.hide("value", [each for each in found if _TELLING.search(each) and not _OWN_TYPE.fullmatch(each)])

    def apply(self, payload: object, *, within: bool = False) -> object:
        """Give a payload without what must not remain. ``within``: it is of claims or tags."""
        if isinstance(payload, str):
            text = self._inner(payload, within=within)
            return "value" if within and text == payload else text
        if isinstance(payload, dict):
            return {self._key(str(key), within=within): self._of(str(key), payload[key], within) for key in payload}
        if isinstance(payload, list | tuple):
            return [self.apply(each, within=within) for each in payload]
        return "value" if within and payload is not None else payload

    def _key(self, key: str, *, within: bool) -> str:
        return self._text(key) if within or not _OWN_KEY.fullmatch(key) else key

    def _of(self, key: str, value: object, within: bool) -> object:  # noqa: FBT001 - passed on as it is
        lower = key.lower()
        if (lower in _LEFT_OUT_KEYS or lower.endswith(_SECRET)) and value is not None:
            return "left out"
        hidden = self.apply(value, within=within or lower in _PERSONAL)
        is_short = isinstance(value, str) and value == hidden and not _TELLING.search(value)
        return "name" if is_short and value and _is_naming(lower) else hidden

    def _inner(self, text: str, *, within: bool) -> str:
        """Hide what must not remain of a text, which may be JSON itself."""
        if text.lstrip()[:1] in {"{", "["}:
            try:
                read = json.loads(text)
            except (ValueError, RecursionError):
                return self._text(text)
            hidden = self.apply(read, within=within)
            return text if hidden == read else json.dumps(hidden, ensure_ascii=False)
        return self._text(text)

    def _text(self, text: str) -> str:
        text = _POLICY.sub(r"\1 (left out)", text)
        if not self.places or _OWN_TYPE.fullmatch(text):
            return text
        if self._found is None:
            # The longest first: a name may be a part of another one.
            parts = sorted({*self.places, *self._spelt}, key=len, reverse=True)
            self._found = re.compile("|".join([f"(?P<own>{_OWN})", *map(_pattern, parts)]), re.IGNORECASE)
        found = self._found
        text = encoded_runs_replaced(text, lambda plain: _tells(found, plain))
        return self._without_halves(found.sub(self._instead, text))

    def _instead(self, match: re.Match[str]) -> str:
        return match[0] if match["own"] else self.places.get(match[0].lower(), "hidden")

    def _without_halves(self, text: str) -> str:
        """Take out what a cut has left of something: its beginning before the cut, its end after it."""
        parts = text.split(LEFT_OUT)
        ends = parts if len(text) >= _CUT_FROM else parts[:-1]
        for number, part in enumerate(ends):
            half = max((_overlap(part.lower(), each) for each in self.places), default=0)
            parts[number] = f"{part[: len(part) - half]}{_HALF}" if half else part
        for number, part in enumerate(parts[1:], 1):
            half = max((_overlap(each, part.lower()) for each in self.places), default=0)
            parts[number] = f"{_HALF}{part[half:]}" if half else part
        return LEFT_OUT.join(parts)


_SHAPES: Final[Mapping[str, str]] = {
    "guid": "00000000-0000-4000-8000-{number:012d}",
    "bare": "{number:032d}",
    "mail": "person-{number}@example.com",
    "host": "host-{number}.example",
    "ipv4": "192.0.2.{number}",
    "ipv6": "2001:db8::{number}",
    "mac": "00-00-5E-00-53-{number:02X}",
    "group": "group-{number}",
    "name": "name-{number}",
    "token": "token-{number}",
    "value": "value-{number}",
    "known": "known-{number}",
}


def _overlap(first: str, then: str) -> int:
    """Give how many characters at the end of one text are the beginning of the other; but few are no part of a name."""
    longest = min(len(first), len(then))
    return next((size for size in range(longest, _SHORTEST, -1) if first.endswith(then[:size])), 0)


def _tells(found: re.Pattern[str], text: str) -> bool:
    return any(not match["own"] for match in found.finditer(text))


def _pattern(part: str) -> str:
    """Find a short one as a word only: it would be found in the middle of Azure's own words."""
    found = re.escape(part)
    return found if len(part) > _SHORT else rf"(?:(?<![a-z0-9])|(?<=%2f)){found}(?![a-z0-9])"


def _texts(payload: object) -> Iterable[str]:
    if isinstance(payload, str):
        yield payload
        for each in _json_in(payload):
            yield from _texts(each)
    elif isinstance(payload, dict):
        for key, value in payload.items():
            yield str(key)
            yield from _texts(value)
    elif isinstance(payload, list | tuple):
        for each in payload:
            yield from _texts(each)


def _personal(payload: object, *, within: bool = False) -> Iterable[str]:
    """Give the values of claims and tags, the names of tags, and what is called a name."""
    if isinstance(payload, dict):
        for key, value in payload.items():
            if isinstance(value, str) and (within or _is_naming(str(key).lower())):
                yield value
            if str(key).lower() == "tags" and isinstance(value, dict):
                yield from map(str, value)
            yield from _personal(value, within=within or str(key).lower() in _PERSONAL)
    elif isinstance(payload, list | tuple):
        for each in payload:
            if within and isinstance(each, str):
                yield each
            yield from _personal(each, within=within)
    elif isinstance(payload, str):
        for each in _json_in(payload):
            yield from _personal(each, within=within)


def _json_in(text: str) -> Iterable[object]:
    """Give the JSON that stands in a text, as in a refusal of Azure Policy; or is the whole text."""
    position = 0
    while found := _JSON.search(text, position):
        try:
            value, position = _DECODER.raw_decode(text, found.start())
        except (ValueError, RecursionError):
            position = found.start() + 1
        else:
            yield value


def _is_naming(key: str) -> bool:
    return key.endswith(_NAMING) and key not in _AZURES_NAMES
