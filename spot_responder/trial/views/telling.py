"""What in a payload tells whose it is: by its shape, by its key, or since it stands in a sentence. Pure.

Azure's own words are few and known, and what people write is not. So where people may have written something, what
stays is listed, and all else goes: hosts, the parameters of an address, what a message quotes.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv6Address
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_GUID: Final = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_BARE_GUID: Final = re.compile(r"(?<![0-9a-z])[0-9a-f]{32}(?![0-9a-z])", re.IGNORECASE)
_MAIL: Final = re.compile(r"[^\s\"'<>,;:/\\()=&?@]+@[\w-]+(?:\.[\w-]+)*")
_ACCOUNT: Final = re.compile(r"(?<![\w\\])[A-Z][A-Z0-9-]{1,14}\\[\w.-]+")
"""A login as Windows writes it."""
_IPV4: Final = re.compile(r"(?<!\d)(?<!\d\.)(?:\d{1,3}\.){3}\d{1,3}(?!\d)(?!\.\d)")
_IPV6: Final = re.compile(r"(?<![0-9a-f:])(?:[0-9a-f]{0,4}:){3,7}[0-9a-f]{0,4}(?![0-9a-f:])", re.IGNORECASE)
_SHORT_IPV6: Final = re.compile(r"(?<![\w:.])[0-9a-f:]*::[0-9a-f:]*(?![\w:])", re.IGNORECASE)
_MAC: Final = re.compile(r"(?<![0-9a-z])(?:[0-9a-f]{2}[-:]){5}[0-9a-f]{2}(?![0-9a-z])", re.IGNORECASE)
_LONG: Final = 40
_TOKEN: Final = re.compile(
    rf"eyJ[\w-]+\.[\w-]+\.[\w-]*|[A-Za-z0-9+/_%=~-]{{{_LONG},}}|\w{{3}}\dQ~[\w.~-]+|(?<=Bearer )\S+", re.IGNORECASE
)
_PARAMETER: Final = re.compile(r"(?:[?&;\s]|^)([\w$-]+)=([^&;\s\"'<>]+)")
_OWN_PARAMETERS: Final = frozenset({"api-version", "$filter", "$expand", "$select", "$top", "monitor", "statusonly"})
_SUBSCRIPTION: Final = re.compile(rf"subscriptions/{_GUID.pattern}", re.IGNORECASE)
_PATH_WORD: Final = re.compile(r"(?:^|/)[A-Za-z]{5,}(?=/|$)")
_HOST: Final = re.compile(r"https?://([^/\s:\"']+)", re.IGNORECASE)
_BARE_HOST: Final = re.compile(
    r"(?<![\w.@-])(?:\w[\w-]*\.)+(?:com|net|org|io|edu|gov|mil|int|info|biz|dev|app|cloud|local|internal|lan|corp|ms"
    r"|(?-i:[a-z]{2}))(?![\w-]|\.\w)",
    re.IGNORECASE,
)
_NO_HOST: Final = re.compile(
    r"(?:properties|parameters|resources|microsoft\.(?!com$|net$))\b.*|.*\.(?:id|md|py|sh)", re.IGNORECASE
)
"""Parts of a template, namespaces, files."""
_MICROSOFTS: Final = frozenset(
    {
        *("management.azure.com", "management.core.windows.net", "prices.azure.com", "portal.azure.com"),
        *("login.microsoftonline.com", "aka.ms", "schemas.microsoft.com", "schemas.xmlsoap.org"),
        *("docs.microsoft.com", "learn.microsoft.com", "go.microsoft.com", "graph.microsoft.com"),
    }
)
"""Hosts that are the same for everybody."""
_PART: Final = r"[^/\s\"'?&,;<>|\\`\u2018\u2019\u201c\u201d]+"
_GROUP: Final = re.compile(rf"/resourcegroups/({_PART})", re.IGNORECASE)
_PROVIDERS: Final = re.compile(rf"/providers/{_PART}((?:/(?!providers/){_PART}/{_PART})+)", re.IGNORECASE)
"""Types and names after a provider's namespace, up to the next namespace: of one resource may hang one of another."""
_PUNCTUATION: Final = ".:!?]}>*"
_NAMESPACE: Final = (
    r"Microsoft\.(?:Authorization|AzureFleet|Capacity|Compute|EventGrid|Features|Insights|ManagedIdentity|Network"
    r"|Quota|ResourceHealth|ResourceNotifications|Resources|Storage|Support)"
)
_OWN_TYPE: Final = re.compile(rf"{_NAMESPACE}(?:\.[A-Za-z]+)*(?:/[A-Za-z]+)*", re.IGNORECASE)
"""A namespace, the type of a resource or an event, an operation: whatever is called so too, it tells nothing."""
OWN: Final = (
    rf"(?<![\w./-]){_NAMESPACE}(?:\.[a-z]+)*(?:/[a-z]+)+/(?:action|read|write|delete)(?![\w/-])"
    rf"|(?<![\w.-]){_NAMESPACE}(?:\.[a-z]+)*/[a-z]+(?![\w-])"
)
"""An operation, or a type: they stay where a VM or a group is called as a word of them."""
_PUBLIC: Final = re.compile(
    r"(?:Standard|Basic|Premium|PremiumV2|StandardSSD|UltraSSD)_\w+"
    r"|[\d.,:%+-]{1,24}(?:e[+-]\d+)?(?: ?USD)?|\d{4}-\d\d-\d\d(?:-preview|T[\d:.]+Z?)?"
    r"|(?:non|pre|re)-[a-z]+|low-priority|read-only|on-demand|long-running|built-in|up-to-date|retry-after|x-ms-[a-z-]+"
    r"|ipv[46]|utf-?8|gen[12]|x64|arm64|start|stop|restart|deallocate|poweroff|redeploy|reimage|simulateeviction",
    re.IGNORECASE,
)
"""Sizes, kinds of disks, numbers, versions, times; what anybody writes with a hyphen or a digit; what VMs can do."""
_QUOTED: Final = re.compile(
    r"(?<!\w)(?:'(.{1,200}?)'|\"(.{1,200}?)\"|`(.{1,200}?)`|[\u2018\u201c](.{1,200}?)[\u2019\u201d])(?!\w)"
)
_STRUCTURED: Final = re.compile(r"/subscriptions/|/providers/|/resourcegroups/|://", re.IGNORECASE)
_IDENTIFIER: Final = re.compile(r"(?=.*[^\W\d_])(?=.*[\d_-])[\w-][\w.()-]*")
"""What no language writes in a sentence: a word with a digit, a hyphen, an underscore."""
_NAMING: Final = ("name", "caller", "by", "owner", "user", "upn", "mail", "title", "resourcegroup", "phone")
"""So end the keys of names, and of people."""
_AZURES_NAMES: Final = frozenset(
    {
        *("operationname", "annotationname", "eventname", "resourceprovidername", "categoryname", "rolename"),
        *("osname", "skuname", "armskuname", "armregionname", "productname", "metername", "servicename"),
    }
)
"""Keys of names that Azure has given."""
_SECRET: Final = re.compile(
    r".*(?:password|secret|token|credential|connectionstring|signature)|sas|sig|key|keydata|macaddress"
    r"|.*(?:access|account|primary|secondary|shared|private|api|host|function|master|storage|encryption)_?keys?",
)
_PROSE: Final = frozenset(
    {
        *("", "message", "statusmessage", "description", "details", "reason", "reasons", "summary", "comment"),
        *("comments", "notes", "error", "error_description", "cause"),
    }
)
"""Keys of sentences, in which names stand; a text without a key may be one too."""
_VOCABULARY: Final = (
    *("type", "code", "state", "status", "kind", "tier", "level", "location", "size", "sku", "priority"),
    *("evictionpolicy", "version", "category"),
)
"""So end the keys of words that Azure has chosen."""
_WORD: Final = re.compile(r"[A-Za-z]\w*", re.ASCII)


def tells_by_shape(text: str) -> Iterable[tuple[str, str]]:
    """Give the ids, addresses, hosts, names in paths, and tokens of a text, each with its kind."""
    mails = _MAIL.findall(text)
    hosts = [*(mail.rpartition("@")[2] for mail in mails), *_HOST.findall(text), *_BARE_HOST.findall(text)]
    found = {
        "guid": _GUID.findall(text),
        "bare": _BARE_GUID.findall(text),
        "mail": [*mails, *_ACCOUNT.findall(text)],
        "host": [trimmed(host) for host in hosts if not _is_for_everybody(trimmed(host))],
        "ipv4": _IPV4.findall(text),
        "mac": _MAC.findall(text),
        "ipv6": [*_IPV6.findall(text), *(each for each in _SHORT_IPV6.findall(text) if _is_address(each))],
        "group": [trimmed(name) for name in _GROUP.findall(text)],
        "name": [name for listed in _PROVIDERS.findall(text) for name in _names_in(listed)],
        "token": [each for each in _TOKEN.findall(text) if not _is_path(each) and not is_public(each)],
    }
    yield from ((kind, value) for kind, values in found.items() for value in values)
    for name, value in _PARAMETER.findall(text):
        if name.lower() not in _OWN_PARAMETERS and is_telling(value) and not is_public(value):
            yield "token", value


def mentioned_in(sentence: str) -> Iterable[str]:
    """Give what a sentence quotes, and its words that no language has; not what tells by its shape, or is public."""
    quoted = [next(filter(None, groups)).strip() for groups in _QUOTED.findall(sentence)]
    yield from (each for each in quoted if not _STRUCTURED.search(each) and not is_public(each))
    for each in sentence.split():
        word = trimmed(each.strip("'\"()[]{}<>.,;!?`\u2018\u2019\u201c\u201d"))
        if _IDENTIFIER.fullmatch(word) and not is_public(word):
            yield word


def vocabulary_in(text: str) -> list[str]:
    """Give the words of a code, a state, a region: in lower case."""
    return [word.lower() for word in _WORD.findall(text)] if len(text) < _LONG else []


def trimmed(name: str) -> str:
    """Take off what a sentence puts after a name; a bracket only where the name does not open it."""
    while name and (name[-1] in _PUNCTUATION or (name[-1] == ")" and name.count(")") > name.count("("))):
        name = name[:-1]
    return name


def is_telling(text: str) -> bool:
    """Whether a text is long enough, and no number: it may be ``1.0``."""
    return len(text) > 2 and any(char.isalpha() for char in text)  # noqa: PLR2004 - a word has three letters


def is_own_type(text: str) -> bool:
    """Whether a text is a namespace, a type or an operation of Azure's."""
    return bool(_OWN_TYPE.fullmatch(text))


def is_public(text: str) -> bool:
    """Whether a text is the same for everybody: a type, a size, a version, an address of Microsoft's."""
    host = _HOST.match(text)
    is_address = host is not None and _is_for_everybody(host[1]) and text[host.end() :] in {"", "/"}
    return is_address or is_own_type(text) or bool(_PUBLIC.fullmatch(text))


def is_naming(key: str) -> bool:
    """Whether the value of a key is somebody's name, or a name that somebody gave. Keys are in lower case here."""
    return key.endswith(_NAMING) and key not in _AZURES_NAMES


def is_secret(key: str) -> bool:
    """Whether the value of a key is a secret, however short."""
    return bool(_SECRET.fullmatch(key))


def is_prose(key: str) -> bool:
    """Whether the value of a key is a sentence."""
    return key in _PROSE


def is_vocabulary(key: str) -> bool:
    """Whether the value of a key is a word of Azure's."""
    return key.endswith(_VOCABULARY) or key in _AZURES_NAMES


def _names_in(types_and_names: str) -> list[str]:
    """Give the names of ``/type/name/type/name``; a region is none."""
    parts = types_and_names.split("/")[1:]
    pairs = zip(parts[::2], parts[1::2], strict=True)
    return [trimmed(name) for kind, name in pairs if kind.lower() != "locations"]


def _is_for_everybody(host: str) -> bool:
    return host.lower() in _MICROSOFTS or bool(_NO_HOST.fullmatch(host))


def _is_address(text: str) -> bool:
    try:
        return IPv6Address(text).compressed != "::"
    except AddressValueError:
        return False


def _is_path(run: str) -> bool:
    """Whether a long run of letters is of a path, as ``Compute/virtualMachines/vm-1/deallocate`` or a subscription."""
    rest, subscriptions = _SUBSCRIPTION.subn("", run)
    return len(_PATH_WORD.findall(run)) > 1 or (subscriptions > 0 and len(rest) < _LONG)
