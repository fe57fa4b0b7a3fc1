"""Whom the agent asks and tells, as the configuration names them. Apart from the clients: a helper needs no HTTP."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

ADDRESS: Final = "http://169.254.169.254"
_LOCAL: Final = frozenset({"127.0.0.1", "localhost", "::1"})


def check_address(url: str) -> str:
    """Give the address without a slash at its end. Raises ``ValueError`` if it is none."""
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname or parts.path.strip("/") or parts.query or parts.port == 0:
        message = f"the metadata service's address is like {ADDRESS}, not {url!r}"
        raise ValueError(message)
    return url.rstrip("/")


def check_url(url: str) -> str:
    """Give the queue's URL without a slash at its end. Raises ``ValueError``: a token must not travel in the clear."""
    parts = urlsplit(url)
    try:
        is_port_fine = parts.port != 0
    except ValueError:
        is_port_fine = False
    is_plain = is_port_fine and "@" not in parts.netloc and not re.search(r"[\s\x00-\x1f\x7f]", url)
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOCAL)
    if not is_plain or not is_safe or not parts.hostname or not parts.path.strip("/") or parts.query:
        message = f"the queue's URL is like https://ACCOUNT.queue.core.windows.net/agents, not {url!r}"
        raise ValueError(message)
    return url.rstrip("/")
