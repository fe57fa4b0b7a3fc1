"""What in a text tells whose it is: ids, names, addresses, tokens, in whatever encoding they stand. Pure.

Called by ``redaction.py``, which puts something else in their places.
"""

from __future__ import annotations

import base64
import re
from ipaddress import AddressValueError, IPv6Address
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_GUID: Final = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_BARE_GUID: Final = re.compile(r"(?<![0-9a-z])[0-9a-f]{32}(?![0-9a-z])", re.IGNORECASE)
_MAIL: Final = re.compile(r"[^\s\"'<>,;:/\\()]+@([^\s\"'<>,;:/\\()]+\.[^\s\"'<>,;:/\\().]+)")
_IPV4: Final = re.compile(r"(?<!\d)(?<!\d\.)(?:\d{1,3}\.){3}\d{1,3}(?!\d|\.\d)")
_IPV6: Final = re.compile(r"(?<![0-9a-f:])(?:[0-9a-f]{0,4}:){3,7}[0-9a-f]{0,4}(?![0-9a-f:])", re.IGNORECASE)
_SHORT_IPV6: Final = re.compile(r"(?<![\w:.])[0-9a-f:]*::[0-9a-f:]*(?![\w:])", re.IGNORECASE)
_LOGIN: Final = re.compile(r"(?<![\w@.-])[\w.-]+@[\w-]+(?![\w@.-])")
_MAC: Final = re.compile(r"(?<![0-9a-f-])(?:[0-9a-f]{2}-){5}[0-9a-f]{2}(?![0-9a-f-])", re.IGNORECASE)
_LONG: Final = 40
_TOKEN: Final = re.compile(rf"eyJ[\w-]+\.[\w-]+\.[\w-]*|[A-Za-z0-9+/_%=-]{{{_LONG},}}")
_SHORT_SECRET: Final = re.compile(r"(?:[?&]sig=|Bearer )([^&\s\"']+)")
_SUBSCRIPTION: Final = re.compile(rf"subscriptions/{_GUID.pattern}", re.IGNORECASE)
_PATH_WORD: Final = re.compile(r"(?:^|/)[A-Za-z]{5,}(?=/|$)")
_HOST: Final = re.compile(r"https?://([^/\s:\"']+)", re.IGNORECASE)
_BARE_HOST: Final = re.compile(
    r"(?<![\w.-])[\w-]+(?:\.[\w-]+)*\.(?:windows\.net|onmicrosoft\.com|vault\.azure\.net|azurewebsites\.net"
    r"|eventgrid\.azure\.net|cloudapp\.azure\.com|cloudapp\.net|azurecr\.io|documents\.azure\.com|sharepoint\.com)"
    r"(?![\w.-]*\w)",
    re.IGNORECASE,
)
_GROUP: Final = re.compile(r"/resourcegroups/([^/\s\"'?&]+)", re.IGNORECASE)
_QUOTED: Final = re.compile(r"(?:resource group|management group|assignment with name) '([^']+)'", re.IGNORECASE)
_PROVIDERS: Final = re.compile(r"/providers/[^/\s\"'?&]+((?:/(?!providers/)[^/\s\"'?&]+/[^/\s\"'?&]+)+)", re.IGNORECASE)
"""Types and names after a provider's namespace, up to the next namespace: of one resource may hang one of another."""
_PUNCTUATION: Final = ".,;:)"
"""What may follow a name in a sentence; no name ends so."""
_PERCENT: Final = re.compile(r"%[0-9a-f]{2}", re.IGNORECASE)
_ENCODED: Final = re.compile(r"[^\s\"'<>]*%[0-9a-f]{2}[^\s\"'<>]*", re.IGNORECASE)
_ESCAPED: Final = re.compile(r"\\u00([0-9a-f]{2})", re.IGNORECASE)
_BASE64: Final = re.compile(r"(?<![A-Za-z0-9+/_-])([A-Za-z0-9+/_-]{8,})={0,2}")
_SEGMENT: Final = re.compile(r"[A-Za-z0-9+_-]{8,}={0,2}")
_ENCODINGS: Final = 3
"""How often a text may be percent-encoded: an address in an address in an address."""


def telling_parts(text: str) -> Iterator[tuple[str, list[str]]]:
    """Give what in a text tells whose it is, by kind; also what stands there percent-encoded or in base64."""
    yield from _plain_parts(text)
    if _PERCENT.search(text) or _ESCAPED.search(text):
        yield from _plain_parts(decoded(text))
    for run in _BASE64.finditer(text):
        yield from _plain_parts(from_base64(run[1]))


def _plain_parts(text: str) -> Iterator[tuple[str, list[str]]]:
    yield "guid", _GUID.findall(text)
    yield "bare", _BARE_GUID.findall(text)
    mails = list(_MAIL.finditer(text))
    yield "mail", [found[0] for found in mails]
    yield "host", [found[1] for found in mails]
    yield "mail", _LOGIN.findall(text)
    yield "host", [host for host in _HOST.findall(text) if not _is_microsofts(host)]
    yield "ipv4", _IPV4.findall(text)
    yield "host", _BARE_HOST.findall(text)
    yield "ipv6", _IPV6.findall(text)
    yield "ipv6", [each for each in _SHORT_IPV6.findall(text) if _is_address(each)]
    yield "mac", _MAC.findall(text)
    yield "group", [each.rstrip(_PUNCTUATION) for each in _GROUP.findall(text)]
    yield "name", _QUOTED.findall(text)
    for types_and_names in _PROVIDERS.findall(text):
        yield "name", [each.rstrip(_PUNCTUATION) for each in types_and_names.split("/")[2::2]]
    yield "token", [*_SHORT_SECRET.findall(text), *(each for each in _TOKEN.findall(text) if not _is_path(each))]


def bare_forms(text: str) -> list[str]:
    """Give an id without its dashes, as names have it that may hold none; nothing for what is no id."""
    return [text.replace("-", other) for other in ("", "_")] if _GUID.fullmatch(text) else []


def decoded(text: str) -> str:
    """Give a text without percent-encoding, however often it was encoded, and without escapes of JSON."""
    text = _unescaped(text)
    for _ in range(_ENCODINGS):
        if not _PERCENT.search(text):
            break
        text = unquote(text)
    return text


def encoded_runs_replaced(text: str, tells: Callable[[str], bool]) -> str:
    """Give a text in which each run that tells something, but in an encoding, is decoded, or is the word "token"."""
    unescaped = _unescaped(text)
    if unescaped != text and tells(unescaped):
        text = unescaped
    text = _ENCODED.sub(
        lambda run: plain if tells(plain := decoded(run[0])) or _has_base64(plain, tells) else run[0], text
    )
    return _BASE64.sub(lambda run: _token_or_as_it_is(run[0], tells), text)


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def _has_base64(text: str, tells: Callable[[str], bool]) -> bool:
    return any(tells(from_base64(run[1])) for run in _BASE64.finditer(text))


def _token_or_as_it_is(run: str, tells: Callable[[str], bool]) -> str:
    """Replace a run of letters whose text in base64 tells something; of a path, the part that does."""
    if tells(from_base64(run)):
        return "token"
    return _SEGMENT.sub(lambda part: "token" if tells(from_base64(part[0])) else part[0], run)


def from_base64(run: str) -> str:
    """Give the text that a run of letters is in base64, with either alphabet; ``""`` where it is none."""
    letters = run.rstrip("=").replace("+", "-").replace("/", "_")
    try:
        read = base64.urlsafe_b64decode(letters + "=" * (-len(letters) % 4))
        text = read.decode("utf-16-le" if b"\0" in read else "utf-8")
    except ValueError:
        return ""
    return text if all(letter.isprintable() or letter in "\n\r\t" for letter in text) else ""


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
