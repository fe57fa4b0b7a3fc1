"""Events of Event Grid that tell of a new blob, read into jobs: a blob is one job, however often its event comes.

Called by ``messages.py``. Event Grid delivers at least once, and what tells of one write has one ETag
(docs/azure-facts.md blobs-1): so the job's id is made of the blob's address and its ETag.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

_CREATED: Final = "Microsoft.Storage.BlobCreated"


@dataclass(frozen=True)
class NewBlob:
    """A blob that was written: its address, and the ETag that this write gave it."""

    url: str
    etag: str

    @property
    def job_id(self) -> str:
        """Give the id of its job: the same for each event of this write, another one for the next write."""
        return hashlib.sha256(f"{self.url}\n{self.etag}".encode("utf-8", "surrogatepass")).hexdigest()[:40]


def new_blob(event: dict[str, Any]) -> NewBlob | None:
    """Read an event, as a CloudEvent or in Event Grid's schema; ``None`` for anything else.

    Nothing is read but address and ETag: what else stands there may be whatever the writer of the blob chose.
    """
    data = event.get("data")
    if _CREATED not in {_text(event.get("type")), _text(event.get("eventType"))} or not isinstance(data, dict):
        return None
    url, etag = _text(data.get("url")), _text(data.get("eTag"))
    return NewBlob(url, etag) if etag and _is_address(url) else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)
