"""Gets what is at an address by HTTP, for ``job.fetch``. It is no storage of ours: after a few tries the job fails."""

from __future__ import annotations

import http.client
import shutil
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final

from spot_worker.edges.azure_errors import is_of_the_disk
from spot_worker.running.ports import MissingError

_PATIENCE_S: Final = 30.0
_PAUSES_S: Final = (1.0, 3.0)
_PASSES: Final = frozenset({408, 425, 429})
_SERVER_ERROR: Final = 500


def download(url: str, path: str, pauses: tuple[float, ...] = _PAUSES_S) -> None:
    """Get it into a file; ``pauses`` are between the tries. Raises ``MissingError``, and ``OSError`` of the disk."""
    if not url.lower().startswith(("http://", "https://")):
        message = f"{url[:200]!r} cannot be fetched: an address begins with http:// or https://"
        raise MissingError(message)
    for pause in (*pauses, None):
        try:
            _download(url, path)
        except (OSError, http.client.HTTPException, ValueError) as error:
            if is_of_the_disk(error):
                raise
            if pause is None or not _passes(error):
                message = f"{url[:200]!r} cannot be fetched: {error}"
                raise MissingError(message) from error
            time.sleep(pause)
        else:
            return


def _download(url: str, path: str) -> None:
    with urllib.request.urlopen(url, timeout=_PATIENCE_S) as answer, Path(path).open("wb") as stream:  # noqa: S310 - HTTP, see above
        shutil.copyfileobj(answer, stream)
        if answer.length:  # http.client raises nothing where a body that is read in parts ends early
            message = f"the connection ended {answer.length} bytes before the end"
            raise http.client.HTTPException(message)


def _passes(error: Exception) -> bool:
    """Whether to ask again may help."""
    if isinstance(error, urllib.error.HTTPError):
        return error.code >= _SERVER_ERROR or error.code in _PASSES
    return not isinstance(error, (http.client.InvalidURL, ValueError))
