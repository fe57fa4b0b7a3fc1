"""Runs commands in a real guest, as root, over its second serial port. For those who tell stories, and for tests.

The other end is ``root/usr/local/sbin/guest-shell``.
"""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from localazure.guests.linux.qemu import SHELL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

_AGAIN_S: Final = 0.5
_FIRST_ANSWER_S: Final = 3.0
_LONGEST_ANSWER: Final = 4 * 1024 * 1024
_ids = count(1)


class GuestCommandError(Exception):
    """A command failed in the guest, or had no answer in time; the message has what it said."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a command: its exit code, and what it printed."""

    code: int
    out: str


@dataclass(frozen=True, slots=True)
class Shell:
    """The way into one guest. ``disk``: the folder in which its QEMU runs."""

    disk: Path

    async def run(self, command: str, within_s: float = 60.0) -> str:
        """Run a command of sh; give what it printed. Raises ``GuestCommandError`` where it failed."""
        answer = await self.ask(command, within_s)
        if answer.code != 0:
            message = f"`{command}` ended with {answer.code} in the guest: {answer.out.strip()}"
            raise GuestCommandError(message)
        return answer.out

    async def ask(self, command: str, within_s: float = 60.0) -> Answer:
        """Run a command of sh; give its exit code and what it printed. It waits while the guest boots.

        Raises:
            GuestCommandError: there was no answer in time, or the machine went off meanwhile.
        """
        try:
            async with asyncio.timeout(within_s), self._connected() as connection:
                return await connection.answer(command)
        except TimeoutError:
            message = f"the guest gave no answer to `{command}` within {within_s:.0f} s"
            raise GuestCommandError(message) from None

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[_Connection]:
        """Wait until somebody answers, and give the way there."""
        while (connection := await self._connect()) is None:  # noqa: ASYNC110 - seen by looking
            await asyncio.sleep(_AGAIN_S)
        try:
            yield connection
        finally:
            connection.writer.close()

    async def _connect(self) -> _Connection | None:
        """Connect once; ``None`` where the machine is off, or does not answer yet."""
        try:
            with short_path(self.disk / SHELL) as path:
                connection = _Connection(*await asyncio.open_unix_connection(path, limit=_LONGEST_ANSWER))
        except OSError:
            return None
        try:
            # What is sent before the shell has opened its port is lost.
            await asyncio.wait_for(connection.answer(":"), _FIRST_ANSWER_S)
        except (TimeoutError, GuestCommandError):
            connection.writer.close()
            return None
        return connection


@dataclass(frozen=True, slots=True)
class _Connection:
    """An open way to the shell."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def answer(self, command: str) -> Answer:
        number = next(_ids)
        try:
            self.writer.write((json.dumps({"id": number, "run": command}) + "\n").encode())
            await self.writer.drain()
            while line := await self.reader.readline():
                read = _read(line)
                if read.get("id") == number and "code" in read:
                    return Answer(read["code"], read["out"])
        except OSError:
            pass
        message = f"the guest went off while it ran `{command}`"
        raise GuestCommandError(message)


def _read(line: bytes) -> dict[str, Any]:
    """Read a line; what is no answer, as an echo of the asking before the shell is there, reads as nothing."""
    try:
        read = json.loads(line)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


@contextmanager
def short_path(socket: Path) -> Iterator[str]:
    """Name a socket by a path that is short enough for one, wherever it is."""
    folder = os.open(socket.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{socket.name}"
    finally:
        os.close(folder)
