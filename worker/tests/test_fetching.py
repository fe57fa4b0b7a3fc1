"""What ``job.fetch`` makes of servers that break off: half a file is never given as a whole one."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from spot_worker.edges.account import by_connection_string
from spot_worker.edges.storage import AccountInputs
from spot_worker.edges.web import download
from spot_worker.running.ports import DiskError, MissingError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_OK = b"HTTP/1.1 200 OK\r\n"
_HALF = _OK + b"Content-Length: 1000\r\n\r\n" + b"x" * 500
_WHOLE = _OK + b"Content-Length: 4\r\n\r\nfile"
_RESETS = struct.pack("ii", 1, 0)
_HALF_A_CHUNK = _OK + b"Transfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n"
_NO_PAUSES = (0.0, 0.0)


class Server:
    """Gives these answers, one a connection, and the last one again and again. ``asked``: how often it was."""

    def __init__(self, listening: socket.socket, answers: list[bytes], *, resets: bool) -> None:
        """Begin to answer."""
        self.asked = 0
        self._listening, self._answers, self._resets = listening, answers, resets
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def url(self) -> str:
        """Say where it is."""
        return f"http://127.0.0.1:{self._listening.getsockname()[1]}/file"

    def _serve(self) -> None:
        while True:
            try:
                taken, _ = self._listening.accept()
            except OSError:
                return
            with taken:
                self.asked += 1
                taken.recv(65_536)
                answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
                taken.sendall(answer)
                if self._resets:
                    taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESETS)


@contextmanager
def server(*answers: bytes, resets: bool = False) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield Server(listening, list(answers), resets=resets)


@pytest.mark.parametrize("answer", [_HALF, _OK + b"Content-Length: 9\r\n\r\n", _HALF_A_CHUNK])
def test_half_a_file_is_asked_for_again_and_then_refused(tmp_path: Path, answer: bytes) -> None:
    with server(answer) as found:
        with pytest.raises(MissingError, match="cannot be fetched"):
            download(found.url, str(tmp_path / "file"), _NO_PAUSES)
        assert found.asked == 3


def test_a_file_that_comes_whole_the_second_time_is_given(tmp_path: Path) -> None:
    with server(_HALF, _WHOLE) as found:
        download(found.url, str(tmp_path / "file"), _NO_PAUSES)
    assert (tmp_path / "file").read_bytes() == b"file"


def test_a_connection_that_is_reset_in_the_middle_is_no_trouble_of_storage(tmp_path: Path) -> None:
    with server(_HALF, resets=True) as found:
        with pytest.raises(MissingError, match="cannot be fetched"):
            download(found.url, str(tmp_path / "file"), _NO_PAUSES)
        assert found.asked == 3


def test_a_disk_that_is_full_is_told_from_a_server_that_breaks_off() -> None:
    account = by_connection_string("DefaultEndpointsProtocol=http;AccountName=a;AccountKey=aaaa;EndpointSuffix=x")
    with server(_WHOLE) as found, pytest.raises(DiskError, match="No space left"):
        asyncio.run(AccountInputs(account, 1).fetch(found.url, "/dev/full"))


def test_the_scheme_of_an_address_may_be_in_capitals(tmp_path: Path) -> None:
    with server(_WHOLE) as found:
        download(found.url.replace("http", "HTTP"), str(tmp_path / "file"), _NO_PAUSES)
    assert (tmp_path / "file").read_bytes() == b"file"
