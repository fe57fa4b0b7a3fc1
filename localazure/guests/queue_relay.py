"""The network between one VM and a storage service: it passes everything on, until it is told to fail.

TLS goes through as it is. ``guests.py`` opens one for each VM that is to reach the queue ``agents``.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_CHUNK: Final = 65536


class Reach(StrEnum):
    """What becomes of a connection."""

    THROUGH = "through"
    REFUSED = "refused"
    """It is ended at once, and those that are open with it."""
    SILENT = "silent"
    """It is taken, and nothing comes back, ever."""


@dataclass(slots=True)
class QueueRelay:
    """The way to one service. ``url`` is what a VM uses in place of the service's own."""

    url: str
    reach: Reach = Reach.THROUGH
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    def let(self, reach: Reach) -> None:
        """Let connections fare so from now on, those that are open too."""
        self.reach = reach
        if reach is not Reach.THROUGH:
            for writer in self._open:
                writer.transport.abort()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int) -> None:
        """Carry one connection."""
        if self.reach is Reach.REFUSED:
            writer.transport.abort()
            return
        self._open.add(writer)
        try:
            with suppress(ConnectionError):
                if self.reach is Reach.SILENT:
                    await _swallow(reader)
                else:
                    await self._connect(reader, writer, host, port)
        finally:
            self._open.discard(writer)
            writer.close()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int) -> None:
        their_reader, their_writer = await asyncio.open_connection(host, port)
        self._open.add(their_writer)
        try:
            await asyncio.gather(_pump(reader, their_writer), _pump(their_reader, writer))
        finally:
            self._open.discard(their_writer)
            their_writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what comes; the end too, unless who was to have it has gone."""
    with suppress(OSError):
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()


async def _swallow(reader: asyncio.StreamReader) -> None:
    while await reader.read(_CHUNK):
        pass


@asynccontextmanager
async def queue_relay(target: str) -> AsyncIterator[QueueRelay]:
    """Open the way to the service at ``target``, a URL of loopback, on a free port of loopback."""
    parts = urlsplit(target)
    host, port = parts.hostname or "", parts.port or 443

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await relay.carry(reader, writer, host, port)

    relay = QueueRelay(url="")
    server = await asyncio.start_server(carry, "127.0.0.1", 0)
    relay.url = urlunsplit(parts._replace(netloc=f"127.0.0.1:{server.sockets[0].getsockname()[1]}"))
    try:
        yield relay
    finally:
        server.close()
        relay.let(Reach.REFUSED)
        await server.wait_closed()
