"""Takes out of payloads what tells whose they are: ids, names, addresses, tokens. The same becomes the same. Pure.

In two passes over all payloads of a trial: the first collects what must not remain, the second puts something in its
place wherever it stands, in whatever casing: in keys, in values, in the middle of a message, and however it is encoded.
What tells is said in ``telling.py``. A text that was cut before it came here, by Azure or by what reads its answers,
has half of something at the cut: that goes as well.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from spot_responder.trial.views.encodings import texts_in, unescaped
from spot_responder.trial.views.places import RUNS, SHORTEST, places_of
from spot_responder.trial.views.telling import (
    is_naming,
    is_own_type,
    is_prose,
    is_public,
    is_secret,
    is_telling,
    is_vocabulary,
    mentioned_in,
    tells_by_shape,
    vocabulary_in,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from spot_responder.trial.views.places import Places

_GUID: Final = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_UNKNOWN_FROM: Final = 16
"""A shorter run of letters may happen to be base64 of something."""
_JSON: Final = re.compile(r"[\[{]\s*[\"{\[]")
_DECODER: Final = json.JSONDecoder()
_POLICY: Final = re.compile(r"(disallowed by policy)\b.*", re.IGNORECASE | re.DOTALL)
"""What follows is written by whoever wrote the policy: reasons, and the names of people and departments."""
_OWN_KEY: Final = re.compile(r"(?:@odata\.)?[A-Za-z]\w*", re.ASCII)
"""A key that Azure has named; one that is an id or a name has other letters too, or stands in tags."""
_LEFT_OUT_KEYS: Final = frozenset(
    {"additionalinfo", "policyassignmentparameters", "requestbody", "responsebody", "customdata"}
)
"""What is below them is written by people, and no belief is about it."""
_PERSONAL: Final = frozenset({"claims", "tags"})
"""Objects whose every value may tell who somebody is, and whose keys may too."""
_WORDS: Final = frozenset(
    {
        *("default", "current", "true", "false", "none", "null", "latest", "server", "succeeded", "user", "app"),
        # Of the address of an activity log; ARM's own host has it too.
        "management",
        *("witness", "witness-dead-letters", "trial", "tried", "moment"),
    }
)
"""Azure's own words, and those of the trial: as names they tell nothing."""


@dataclass(slots=True)
class Redaction:
    """What must not remain, each with what stands in its place. Begin with what is known: names of group, VM, login."""

    places: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    _mentioned: dict[str, None] = field(default_factory=dict)
    """What sentences quote: it is hidden, unless ``_vocabulary`` has it when all is learned."""
    _vocabulary: set[str] = field(default_factory=set)
    _spelt: set[str] = field(default_factory=set)
    """Those that are longer in lower case, as they are spelled: of İ there become two letters."""
    _parts: dict[str, str] = field(default_factory=dict)
    """Of known ids the first part, by which resources are called; with a pattern, for it is no part of the whole id."""
    _ready: Places | None = None

    def hide(self, kind: str, values: Iterable[str]) -> None:
        """Let these be replaced. A value that is there already keeps its place."""
        for value in values:
            key = value.lower()
            if len(key) != len(value):
                self._spelt.add(value)
            if len(key) < SHORTEST or key in _WORDS or key in self.places:
                continue
            self.counts[kind] = number = self.counts.get(kind, 0) + 1
            self._ready = None
            self.places[key] = place = _SHAPES[kind].format(number=number)
            if _GUID.fullmatch(key):
                # It is also a part of names, which may have no hyphens.
                self.places[key.replace("-", "_")] = place.replace("-", "_")
                self.places[key.replace("-", "")] = place.replace("-", "")
                if kind == "known":
                    self.places[key[:8]] = place[:8]
                    self._parts[key[:8]] = rf"{key[:8]}(?![-_]?{key[9]})"

    def learn(self, payload: object) -> None:
        """Collect what must not remain of a payload."""
        self._learn(payload, "", within=False)

    def _learn(self, payload: object, key: str, *, within: bool) -> None:
        """Collect it. ``key``: under which it stands; ``within``: it is of claims or tags."""
        if isinstance(payload, dict):
            for name, value in payload.items():
                self._learn_key(str(name), key, within=within)
                self._learn(value, str(name).lower(), within=within or str(name).lower() in _PERSONAL)
        elif isinstance(payload, list | tuple):
            for each in payload:
                self._learn(each, key, within=within)
        elif isinstance(payload, str):
            self._learn_value(payload, key, within=within)
            for reading in dict.fromkeys((payload, unescaped(payload), *_hidden_texts(payload))):
                self._learn_text(reading, key)
                for each in _json_in(reading):
                    self._learn(each, key if key in _PERSONAL else "", within=within)

    def _learn_key(self, name: str, above: str, *, within: bool) -> None:
        self._learn_text(name, "key")
        if above == "tags" and is_telling(name) and not is_public(name):
            self.hide("value", [name])
        if not within and _OWN_KEY.fullmatch(name):
            self._vocabulary.add(name.lower())

    def _learn_value(self, value: str, key: str, *, within: bool) -> None:
        if is_telling(value) and not is_public(value) and (within or is_naming(key)):
            self.hide("value", [value, unescaped(value)])
        if is_telling(value) and is_secret(key):
            self.hide("token", [value, unescaped(value)])
        if not within and is_vocabulary(key):
            self._vocabulary.update(vocabulary_in(value))

    def _learn_text(self, text: str, key: str) -> None:
        for kind, value in tells_by_shape(text):
            self.hide(kind, [value])
        if is_prose(key) and any(map(str.isspace, text)):
            self._ready = None
            self._mentioned |= dict.fromkeys(mentioned_in(text))

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
        if lower in _LEFT_OUT_KEYS and value is not None:
            return "left out"
        hidden = self.apply(value, within=within or lower in _PERSONAL)
        is_as_it_was = isinstance(value, str) and value != "" and value == hidden
        if is_as_it_was and is_secret(lower):
            return "token"
        return "name" if is_as_it_was and is_naming(lower) and not is_telling(str(value)) else hidden

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
        places = self._places()
        if is_own_type(text):
            return text
        plain = unescaped(text)
        if plain != text and places.without(plain) != plain:
            text = plain
        return places.without(text)

    def _places(self) -> Places:
        if self._ready is None:
            own = self._vocabulary
            self.hide("name", [each for each in self._mentioned if not own.issuperset(each.lower().split("/"))])
            self._ready = places_of(self.places, self._spelt, self._parts)
        return self._ready


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


def _hidden_texts(text: str) -> Iterable[str]:
    """Give the texts that stand in a text in base64 or hexadecimal digits."""
    for runs in RUNS:
        for run in runs.findall(unescaped(text)):
            yield from texts_in(run) if len(run) >= _UNKNOWN_FROM else ()


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
