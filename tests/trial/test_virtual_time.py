"""The time of whole trials in one process: it waits for requests, and for nothing else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.trial.harness.virtual_time import HeldLoop, clock_of, in_virtual_time

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter


def test_what_is_waited_for_has_come_at_once() -> None:
    """By the clock it took its time."""

    async def story(loop: HeldLoop) -> float:
        clock = clock_of(loop)
        began = clock.now()
        await asyncio.sleep(86400)
        return (clock.now() - began).total_seconds()

    assert in_virtual_time(story) == 86400


def test_no_time_passes_while_a_request_is_under_way() -> None:
    """However long its answer takes: no timer is due before it."""
    came: list[str] = []

    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()

    async def wait() -> None:
        await asyncio.sleep(0.001)
        came.append("timer")

    async def request(loop: HeldLoop, port: int) -> None:
        with loop.held():
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"asked\n")
            assert await reader.readline() == b"asked\n"
            came.append("answer")
            writer.close()

    async def story(loop: HeldLoop) -> None:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            await asyncio.gather(wait(), request(loop, server.sockets[0].getsockname()[1]))

    in_virtual_time(story)
    assert came == ["answer", "timer"]
