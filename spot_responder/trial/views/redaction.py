"""Takes out of payloads what tells whose they are: ids, names, addresses, tokens. The same becomes the same. Pure.

In two passes over all payloads of a trial: the first collects what must not remain, the second puts something in its
place wherever it stands, in whatever casing: in keys, in values, in the middle of a message. A text that was cut
before it came here, by Azure or by what reads its answers, has half of something at the cut: that goes as well.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from spot_responder.text import LEFT_OUT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_GUID: Final = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_BARE_GUID: Final = re.compile(r"(?<![0-9a-z])[0-9a-f]{32}(?![0-9a-z])", re.IGNORECASE)
_MAIL: Final = re.compile(r"[^\s\"'<>,;:/\\()]+@[^\s\"'<>,;:/\\()]+\.[^\s\"'<>,;:/\\()]+")
_IPV4: Final = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])")
_IPV6: Final = re.compile(r"(?<![0-9a-f:])(?:[0-9a-f]{0,4}:){3,7}[0-9a-f]{0,4}(?![0-9a-f:])", re.IGNORECASE)
_LONG: Final = 40
_TOKEN: Final = re.compile(rf"eyJ[\w-]+\.[\w-]+\.[\w-]*|[A-Za-z0-9+/_%=-]{{{_LONG},}}")
_SUBSCRIPTION: Final = re.compile(rf"subscriptions/{_GUID.pattern}", re.IGNORECASE)
_PATH_WORD: Final = re.compile(r"(?:^|/)[A-Za-z]{5,}(?=/|$)")
_HOST: Final = re.compile(r"https?://([^/\s:\"']+)", re.IGNORECASE)
_GROUP: Final = re.compile(r"/resourcegroups/([^/\s\"'?&]+)", re.IGNORECASE)
_PROVIDERS: Final = re.compile(r"/providers/[^/\s\"'?&]+((?:/(?!providers/)[^/\s\"'?&]+/[^/\s\"'?&]+)+)", re.IGNORECASE)
"""Types and names after a provider's namespace, up to the next namespace: of one resource may hang one of another."""
_OWN_TYPE: Final = re.compile(r"Microsoft(?:\.[A-Za-z]+)+")
"""A namespace, or the type of an event: whatever is called so too, it tells nothing by itself."""
_PERSONAL: Final = frozenset({"claims", "tags"})
"""Objects whose every value may tell who somebody is, and whose keys may too."""
_NAMING: Final = frozenset({"name", "displayname", "computername", "adminusername", "caller", "username"})
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

    def hide(self, kind: str, values: Iterable[str]) -> None:
        """Let these be replaced. A value that is there already keeps its place."""
        for value in values:
            key = value.lower()
            if len(key) < _SHORTEST or key in _WORDS or key in self.places:
                continue
            self.counts[kind] = number = self.counts.get(kind, 0) + 1
            self._found = None
            self.places[key] = _SHAPES[kind].format(number=number)

    def learn(self, payload: object) -> None:
        """Collect what must not remain of a payload."""
        for text in _texts(payload):
            self._learn_text(text)
        self.hide("value", [value for value in _personal(payload) if _TELLING.search(value)])

    def _learn_text(self, text: str) -> None:
        self.hide("guid", _GUID.findall(text))
        self.hide("bare", _BARE_GUID.findall(text))
        self.hide("mail", _MAIL.findall(text))
        self.hide("host", [host for host in _HOST.findall(text) if not _is_microsofts(host)])
        self.hide("ipv4", _IPV4.findall(text))
        self.hide("ipv6", _IPV6.findall(text))
        self.hide("group", _GROUP.findall(text))
        for types_and_names in _PROVIDERS.findall(text):
            self.hide("name", types_and_names.split("/")[2::2])
        self.hide("token", [each for each in _TOKEN.findall(text) if not _is_path(each)])

    def apply(self, payload: object, *, within: bool = False) -> object:
        """Give a payload without what must not remain. ``within``: it is of claims or tags."""
        if isinstance(payload, str):
            text = self._text(payload)
            return "value" if within and text == payload else text
        if isinstance(payload, dict):
            return {
                self._text(str(key)): self.apply(value, within=within or str(key).lower() in _PERSONAL)
                for key, value in payload.items()
            }
        if isinstance(payload, list | tuple):
            return [self.apply(each, within=within) for each in payload]
        return "value" if within and payload is not None else payload

    def _text(self, text: str) -> str:
        if not self.places or _OWN_TYPE.fullmatch(text):
            return text
        if self._found is None:
            # The longest first: a name may be a part of another one.
            parts = sorted(self.places, key=len, reverse=True)
            self._found = re.compile("|".join(map(_pattern, parts)), re.IGNORECASE)
        return self._without_halves(self._found.sub(lambda match: self.places.get(match[0].lower(), "hidden"), text))

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


def _pattern(part: str) -> str:
    """Find a short one as a word only: it would be found in the middle of Azure's own words."""
    found = re.escape(part)
    return found if len(part) > _SHORT else rf"(?<![a-z0-9]){found}(?![a-z0-9])"


def _texts(payload: object) -> Iterable[str]:
    if isinstance(payload, str):
        yield payload
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
            if isinstance(value, str) and (within or str(key).lower() in _NAMING):
                yield value
            if str(key).lower() == "tags" and isinstance(value, dict):
                yield from map(str, value)
            yield from _personal(value, within=within or str(key).lower() in _PERSONAL)
    elif isinstance(payload, list | tuple):
        for each in payload:
            if within and isinstance(each, str):
                yield each
            yield from _personal(each, within=within)


def _is_path(run: str) -> bool:
    """Whether a long run of letters is of a path, as ``Compute/virtualMachines/vm-1/deallocate`` or a subscription."""
    rest, subscriptions = _SUBSCRIPTION.subn("", run)
    return len(_PATH_WORD.findall(run)) > 1 or (subscriptions > 0 and len(rest) < _LONG)


def _is_microsofts(host: str) -> bool:
    """Whether a host is Microsoft's for everybody, and tells nothing of whoever asked."""
    return host.lower() in {"management.azure.com", "aka.ms", "schemas.microsoft.com", "schemas.xmlsoap.org"}
