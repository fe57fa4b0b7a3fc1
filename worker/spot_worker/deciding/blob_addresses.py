"""Addresses of blobs of the worker's storage account. ``account`` is the address of its blobs."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl, unquote

_SIGNATURE: Final = "sig"
_OTHER_BLOBS: Final = frozenset({"snapshot", "versionid"})


def blob_at(account: str, url: str) -> tuple[str, str] | None:
    """Give container and name of the blob of the account that is at this address, if one is; with a query none is."""
    ours = account.split("?", 1)[0].rstrip("/") + "/"
    container, _, name = url[len(ours) :].partition("/")
    if not _is_at(url, ours) or not name or "?" in url:
        return None
    return container, unquote(name)


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


def _is_at(url: str, place: str) -> bool:
    """Whether an address begins with a place; of scheme and host, upper and lower case are the same."""
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    return f"{scheme.lower()}://{host.lower()}/{path}".startswith(place)
