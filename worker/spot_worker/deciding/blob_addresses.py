"""Addresses of blobs of the worker's storage account. ``account`` is the address of its blobs."""

from __future__ import annotations

import re
from posixpath import splitext
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

_SIGNATURE: Final = "sig"
_CONTAINER: Final = re.compile(r"\$root|\$web|\$logs|[a-z0-9][a-z0-9-]{0,62}")
_IN_NO_NAME: Final = re.compile("[\x00\ud800-\udfff]")
"""No text, so that no request can name it: the libraries raise all kinds of errors for it."""
_OTHER_BLOBS: Final = frozenset({"snapshot", "versionid"})
_MOST_NAME_BYTES: Final = 240
"""Linux takes 255 in a file's name; a second file of the same name has a number before it."""
_LONGEST_ENDING: Final = 20


def without_sas(account: str) -> str:
    """Give the address of an account's blobs, without the SAS that it may end with."""
    return account.split("?", 1)[0].rstrip("/")


def blob_at(account: str, url: str) -> tuple[str, str] | None:
    """Give container and name of the blob of the account that is at this address, if one is; with a query none is.

    ``None`` too for what can be no blob's address.
    """
    ours = without_sas(account) + "/"
    container, _, name = url[len(ours) :].partition("/")
    if not _is_at(url, ours) or "?" in url or not _CONTAINER.fullmatch(container):
        return None
    plain = unquote(name)
    is_name = plain and not _IN_NO_NAME.search(plain) and not {".", ".."} & set(plain.split("/"))
    return (container, plain) if is_name else None


def to_delete(account: str, url: str) -> str:
    """Give the plain address of a blob that is to be deleted: a SAS is for others. Raises ``ValueError``."""
    plain, _, query = url.partition("?")
    if blob_at(account, plain) is None:
        message = f"{plain!r:.200} is no blob of the worker's storage account: those are at {account}"
        raise ValueError(message)
    members = {name.lower() for name, _ in parse_qsl(query, keep_blank_values=True)}
    if query and (_SIGNATURE not in members or members & _OTHER_BLOBS):
        message = f"{plain!r:.200} is given with a query that is no SAS of the blob itself: give the plain address"
        raise ValueError(message)
    return plain


def file_name(url: str) -> str:
    """Name a file for what is at an address: as it is called there, if a file can be called so, or shorter."""
    name = unquote(urlsplit(url).path.rpartition("/")[2]).encode("utf-8", "replace").decode()
    if name in {"", ".", ".."} or "/" in name or "\0" in name:
        return "input"
    stem, ending = splitext(name)
    ending = ending if len(ending) <= _LONGEST_ENDING else ""
    room = _MOST_NAME_BYTES - len(ending.encode())
    return name if len(name.encode()) <= _MOST_NAME_BYTES else stem.encode()[:room].decode("utf-8", "ignore") + ending


def _is_at(url: str, place: str) -> bool:
    """Whether an address begins with a place; of scheme and host, upper and lower case are the same."""
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    return f"{scheme.lower()}://{host.lower()}/{path}".startswith(place)
