"""One HTTP request with one deadline for all of it, and no proxy, whatever the environment says.

``metadata.py`` and ``storage_queue.py`` call it. ``http.client`` limits each read only: a peer that sends a byte now
and then would hold us for as long as it likes.
"""

from __future__ import annotations

import http.client
import io
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

_MOST_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class NoAnswerError(Exception):
    """There was no whole answer in time."""


def request(method: str, url: str, headers: Mapping[str, str], *, body: bytes | None = None, within_s: float) -> Answer:
    """Send a request, and read the whole answer. Raises ``NoAnswerError``."""
    deadline = time.monotonic() + within_s
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection = None
    try:
        connection = kind(parts.hostname or "", parts.port, timeout=within_s)
        connection.response_class = _reads_until(deadline)
        connection.request(method, path, body=body, headers=dict(headers))
        with connection.getresponse() as response:
            content = response.read(_MOST_BYTES + 1)
            if len(content) > _MOST_BYTES:
                message = f"the answer is too large, more than {_MOST_BYTES // 1024 // 1024} MB"
                raise NoAnswerError(message)
            return Answer(response.status, content, {name.lower(): value for name, value in response.getheaders()})
    except (OSError, http.client.HTTPException, ValueError) as error:
        message = str(error) or type(error).__name__
        raise NoAnswerError(message) from error
    finally:
        if connection is not None:
            connection.close()


class UntilDeadline(io.RawIOBase):
    """Reads from a socket until the deadline (monotonic seconds); after it, ``TimeoutError``.

    ``http.client`` closes the socket before it reads the body of an answer with ``Connection: close``. A file of the
    socket's own keeps it open until we are closed.
    """

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        """Nothing is read yet."""
        self._socket, self._deadline = sock, deadline
        self._keeps_open = sock.makefile("rb", 0)

    def close(self) -> None:
        """Let the socket be closed."""
        super().close()
        self._keeps_open.close()

    def readable(self) -> bool:
        """Say so."""
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - a buffer, which has no name in 3.9
        """Read what is there, or wait for some."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            message = "the answer did not end in time"
            raise TimeoutError(message)
        self._socket.settimeout(left)
        return self._socket.recv_into(buffer)


class _Socket:
    """What ``HTTPResponse`` needs of a socket."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._socket, self._deadline = sock, deadline

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(UntilDeadline(self._socket, self._deadline))


def _reads_until(deadline: float) -> Any:  # noqa: ANN401 - a stand-in for a class
    def response(sock: socket.socket, *given: Any, **named: Any) -> http.client.HTTPResponse:  # noqa: ANN401
        return http.client.HTTPResponse(_Socket(sock, deadline), *given, **named)  # type: ignore[arg-type]

    return response
