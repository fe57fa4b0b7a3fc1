"""Takes out of payloads what tells whose they are: ids, names, addresses, tokens. The same becomes the same. Pure.

In two passes over all payloads of a trial: the first collects what must not remain, the second puts something in its
place wherever it stands, in whatever casing: in keys, in values, in the middle of a message. A text that was cut
before it came here, by Azure or by what reads its answers, has half of something at the cut: that goes as well.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv6Address
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from spot_responder.text import LEFT_OUT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_GUID: Final = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_BARE_GUID: Final = re.compile(r"(?<![0-9a-z])[0-9a-f]{32}(?![0-9a-z])", re.IGNORECASE)
_MAIL: Final = re.compile(r"[^\s\"'<>,;:/\\()]+@[^\s\"'<>,;:/\\()]+\.[^\s\"'<>,;:/\\()]+")
_IPV4: Final = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])")
_IPV6: Final = re.compile(r"(?<![0-9a-f:])(?:[0-9a-f]{0,4}:){3,7}[0-9a-f]{0,4}(?![0-9a-f:])", re.IGNORECASE)
_SHORT_IPV6: Final = re.compile(r"(?<![\w:.])[0-9a-f:]*::[0-9a-f:]*(?![\w:])", re.IGNORECASE)
_LONG: Final = 40
_TOKEN: Final = re.compile(rf"eyJ[\w-]+\.[\w-]+\.[\w-]*|[A-Za-z0-9+/_%=-]{{{_LONG},}}")
_BASE64: Final = re.compile(r"(?<![A-Za-z0-9+/_-])([A-Za-z0-9+/_-]{8,})(?:=|%3d){0,2}", re.IGNORECASE)
_SUBSCRIPTION: Final = re.compile(rf"subscriptions/{_GUID.pattern}", re.IGNORECASE)
_PATH_WORD: Final = re.compile(r"(?:^|/)[A-Za-z]{5,}(?=/|$)")
_HOST: Final = re.compile(r"https?://([^/\s:\"']+)", re.IGNORECASE)
_BARE_HOST: Final = re.compile(
    r"(?<![\w.-])[\w-]+(?:\.[\w-]+)*\.(?:windows\.net|onmicrosoft\.com|vault\.azure\.net|azurewebsites\.net"
    r"|eventgrid\.azure\.net|cloudapp\.azure\.com)(?![\w.-]*\w)",
    re.IGNORECASE,
)
_ENCODED: Final = re.compile(r"%2f", re.IGNORECASE)
_JSON: Final = re.compile(r"[\[{]\s*[\"{\[]")
_DECODER: Final = json.JSONDecoder()
_POLICY: Final = re.compile(r"(disallowed by policy)\b.*", re.IGNORECASE | re.DOTALL)
"""What follows is written by whoever wrote the policy: reasons, and the names of people and departments."""
_GROUP: Final = re.compile(r"/resourcegroups/([^/\s\"'?&]+)", re.IGNORECASE)
_PROVIDERS: Final = re.compile(r"/providers/[^/\s\"'?&]+((?:/(?!providers/)[^/\s\"'?&]+/[^/\s\"'?&]+)+)", re.IGNORECASE)
"""Types and names after a provider's namespace, up to the next namespace: of one resource may hang one of another."""
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
_NAMING: Final = ("name", "caller")
"""So end the keys of names."""
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

    def learn(self, payload: object) -> None:
        """Collect what must not remain of a payload."""
        for text in _texts(payload):
            self._learn_text(text)
        found = _personal(payload)
        self.hide("value", [each for each in found if _TELLING.search(each) and not _OWN_TYPE.match(each)])

    def _learn_text(self, text: str) -> None:
        if _ENCODED.search(text):
            self._learn_text(unquote(text))
        self.hide("guid", _GUID.findall(text))
        self.hide("bare", _BARE_GUID.findall(text))
        self.hide("mail", _MAIL.findall(text))
        self.hide("host", [host for host in _HOST.findall(text) if not _is_microsofts(host)])
        self.hide("ipv4", _IPV4.findall(text))
        self.hide("host", _BARE_HOST.findall(text))
        self.hide("ipv6", _IPV6.findall(text))
        self.hide("ipv6", [each for each in _SHORT_IPV6.findall(text) if _is_address(each)])
        self.hide("group", _GROUP.findall(text))
        for types_and_names in _PROVIDERS.findall(text):
            self.hide("name", types_and_names.split("/")[2::2])
        self.hide("token", [each for each in _TOKEN.findall(text) if not _is_path(each)])

    def apply(self, payload: object, *, within: bool = False) -> object:
        """Give a payload without what must not remain. ``within``: it is of claims or tags."""
        if isinstance(payload, str):
            text = self._inner(payload)
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
        is_short = isinstance(value, str) and value == hidden and not _TELLING.search(value)
        return "name" if is_short and value and _is_naming(lower) else hidden

    def _inner(self, text: str) -> str:
        """Hide what must not remain of a text, which may be JSON itself."""
        if text.lstrip()[:1] in {"{", "["}:
            try:
                read = json.loads(text)
            except (ValueError, RecursionError):
                return self._text(text)
            hidden = self.apply(read)
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
        text = _BASE64.sub(lambda run: "token" if _tells(found, _decoded(run[1])) else run[0], text)
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


def _decoded(run: str) -> str:
    """Give the text that a run of letters is in base64, with either alphabet; ``""`` where it is none."""
    letters = run.replace("+", "-").replace("/", "_")
    try:
        text = base64.urlsafe_b64decode(letters + "=" * (-len(letters) % 4)).decode()
    except ValueError:
        return ""
    return text if text.isprintable() else ""


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
            yield from _personal(each)


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


def _is_address(text: str) -> bool:
    try:
        return IPv6Address(text).compressed != "::"
    except AddressValueError:
        return False


def _is_path(run: str) -> bool:
    """Whether a long run of letters is of a path, as ``Compute/virtualMachines/vm-1/deallocate`` or a subscription."""
    rest, subscriptions = _SUBSCRIPTION.subn("", run)
    return len(_PATH_WORD.findall(run)) > 1 or (subscriptions > 0 and len(rest) < _LONG)


def _is_microsofts(host: str) -> bool:
    """Whether a host is Microsoft's for everybody, and tells nothing of whoever asked."""
    return host.lower() in {"management.azure.com", "aka.ms", "schemas.microsoft.com", "schemas.xmlsoap.org"}
