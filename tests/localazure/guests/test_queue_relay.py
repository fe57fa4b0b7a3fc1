"""The way from a VM to the queue: open, closed, or silent."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from socket import socket
from typing import TYPE_CHECKING, Final

import pytest

from localazure.guests.queue_relay import QueueRelay, Reach, queue_relay

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    type Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

LARGE: Final = b"x" * 3_000_000
PATIENCE_S: Final = 10.0


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Give back what comes."""
    with contextlib.suppress(ConnectionError):
        while chunk := await reader.read(65536):
            writer.write(chunk)
    writer.close()


async def slow_farewell(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say something to who has ended already, and end a moment later: as TLS does."""
    await reader.read()
    writer.write(b"farewell")
    await asyncio.sleep(0.05)
    writer.close()


@asynccontextmanager
async def way(serve: Serve = echo) -> AsyncIterator[QueueRelay]:
    """Open the way to a service."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with queue_relay(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/account/agents") as relay:
        yield relay
    server.close()


async def connect(relay: QueueRelay) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect as a client in the VM does."""
    return await asyncio.open_connection("127.0.0.1", port(relay))


def port(relay: QueueRelay) -> int:
    """Read the port out of the address that the VM is given."""
    assert relay.url.startswith("https://127.0.0.1:")
    assert relay.url.endswith("/account/agents")
    return int(relay.url.split(":")[2].partition("/")[0])


async def ended(reader: asyncio.StreamReader) -> bytes:
    """Give all that comes until the connection ends, well or not."""
    try:
        return await asyncio.wait_for(reader.read(), PATIENCE_S)
    except ConnectionResetError:
        return b""


def play(story: Callable[[QueueRelay], Awaitable[None]], serve: Serve = echo) -> None:
    """Open a way and play a story with it."""
    lost: list[object] = []

    async def whole() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: lost.append(context))
        async with way(serve) as relay:
            await story(relay)

    asyncio.run(whole())
    assert lost == []


def test_everything_goes_through() -> None:
    """All of it, both ways, and the end too."""

    async def story(relay: QueueRelay) -> None:
        reader, writer = await connect(relay)
        writer.write(LARGE)
        writer.write_eof()
        assert await ended(reader) == LARGE
        writer.close()

    play(story)


def test_a_queue_that_is_out_refuses() -> None:
    """Who has a connection loses it, who comes gets none; until it is back."""

    async def story(relay: QueueRelay) -> None:
        reader, writer = await connect(relay)
        writer.write(b"half of a mess")
        await writer.drain()
        relay.let(Reach.REFUSED)
        assert await ended(reader) == b""
        late_reader, late_writer = await connect(relay)
        assert await ended(late_reader) == b""
        relay.let(Reach.THROUGH)
        back_reader, back_writer = await connect(relay)
        back_writer.write(b"a message")
        back_writer.write_eof()
        assert await ended(back_reader) == b"a message"
        for one in (writer, late_writer, back_writer):
            one.close()

    play(story)


def test_a_queue_may_say_nothing() -> None:
    """The connection stands, and nothing comes back."""

    async def story(relay: QueueRelay) -> None:
        relay.let(Reach.SILENT)
        reader, writer = await connect(relay)
        writer.write(b"a message")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.2)
        relay.let(Reach.REFUSED)
        assert await ended(reader) == b""
        writer.close()

    play(story)


def test_a_client_that_has_gone_is_no_trouble() -> None:
    """With a last word on its way to it, which nobody takes."""

    async def story(relay: QueueRelay) -> None:
        _, writer = await connect(relay)
        writer.write(b"a message")
        writer.close()
        await writer.wait_closed()
        reader, late = await connect(relay)
        late.write_eof()
        # It began later, so what became of the first is known when this one is over.
        assert await ended(reader) == b"farewell"
        late.close()

    play(story, slow_farewell)


def test_a_service_that_is_not_there_is_refused() -> None:
    """As without a relay between."""

    async def story(relay: QueueRelay) -> None:
        with socket() as taken:
            # Bound, and not listened at: nobody else is there either.
            taken.bind(("127.0.0.1", 0))
            await refused(f"https://127.0.0.1:{taken.getsockname()[1]}/account/agents")
        assert relay.reach is Reach.THROUGH

    play(story)


async def refused(url: str) -> None:
    """Hold that a service cannot be reached."""
    async with queue_relay(url) as nowhere:
        reader, writer = await connect(nowhere)
        assert await ended(reader) == b""
        writer.close()
