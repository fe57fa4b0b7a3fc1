"""The listener to a queue: how often it looks, how many messages it takes, and what it does with a deadly one."""

from __future__ import annotations

import asyncio
import itertools
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from azure.storage.queue.aio import QueueServiceClient

from localazure.functions.host_settings import QueueSettings
from localazure.functions.queue_listener import QueueListener
from tests.localazure.functions.small_app import PATIENCE_S, URI, Place, place

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from azure.core.pipeline import PipelineRequest
    from azure.core.rest import HttpRequest

    from localazure.functions.worker import TypedData


def test_an_idle_queue_is_looked_at_less_and_less(tmp_path: Path) -> None:
    """The waits double from a tenth of a second, and stop growing at maxPollingInterval."""

    async def story() -> list[float]:
        async with place(tmp_path) as at:
            looks: list[float] = []
            stop = asyncio.Event()

            def note(request: PipelineRequest[HttpRequest]) -> None:
                if request.http_request.method == "GET":
                    looks.append(asyncio.get_running_loop().time())
                if len(looks) == 6:
                    stop.set()

            uri, trust = at.settings[URI], at.settings["SSL_CERT_FILE"]
            settings = QueueSettings(max_polling_interval=timedelta(seconds=0.2))
            queues = QueueServiceClient(uri, at.credential, connection_verify=trust, raw_request_hook=note)
            async with queues, asyncio.timeout(PATIENCE_S):
                queue = queues.get_queue_client("signals")
                await QueueListener(queue, queue, settings, _no_work).listen(stop)
            return [later - earlier for earlier, later in itertools.pairwise(looks)]

    waits = asyncio.run(story())
    assert len(waits) == 5
    assert all(wait >= least for wait, least in zip(waits, [0.09, 0.19, 0.19, 0.19, 0.19], strict=True))
    # Without the limit it would be 3.1 s.
    assert sum(waits) < 2.5


async def _no_work(_data: TypedData, _metadata: Mapping[str, TypedData]) -> None:
    pytest.fail("the queue was not empty")


async def _listen(at: Place, settings: QueueSettings, work: Callable[[str], Any], lease: timedelta, count: int) -> None:
    """Listen to the queue in this process until so many messages are done with."""
    stop = asyncio.Event()
    left = [count]

    async def one(data: TypedData, _metadata: Mapping[str, TypedData]) -> None:
        try:
            await work(data.string or "")
        finally:
            left[0] -= 1
            if not left[0]:
                stop.set()

    poison = at.queues.get_queue_client("signals-poison")
    signals = at.queues.get_queue_client("signals")
    async with asyncio.timeout(PATIENCE_S):
        await QueueListener(signals, poison, settings, one, lease).listen(stop)


def test_a_message_is_kept_from_others_as_long_as_its_function_runs(tmp_path: Path) -> None:
    """The lease of a message is renewed: no second worker gets it, however long the first one takes."""

    async def story() -> tuple[list[Any], int | None]:
        async with place(tmp_path) as at:
            await at.signals.send_message("long")
            taken: list[Any] = []

            async def work(_body: str) -> None:
                begun = asyncio.get_running_loop().time()
                while asyncio.get_running_loop().time() < begun + 2.5:
                    taken.extend([message async for message in at.signals.receive_messages(visibility_timeout=1)])

            await _listen(at, QueueSettings(), work, timedelta(seconds=1), 1)
            return taken, (await at.signals.get_queue_properties()).approximate_message_count

    assert asyncio.run(story()) == ([], 0)


def test_no_more_messages_are_taken_than_host_json_allows(tmp_path: Path) -> None:
    """A new batch is fetched only when no more than newBatchThreshold messages are being worked on."""

    async def story() -> tuple[int, int]:
        async with place(tmp_path) as at:
            for number in range(8):
                await at.signals.send_message(str(number))
            running_now: set[str] = set()
            most = [0]

            second_batch = asyncio.Event()

            async def work(body: str) -> None:
                running_now.add(body)
                most[0] = max(most[0], len(running_now))
                if body == "2":
                    second_batch.set()
                if body == "0":
                    await second_batch.wait()
                # Long enough for a listener without restraint to fetch more.
                for _ in range(5):
                    await at.signals.get_queue_properties()
                running_now.discard(body)

            await _listen(at, QueueSettings(batch_size=2, new_batch_threshold=1), work, timedelta(seconds=60), 8)
            return most[0], (await at.signals.get_queue_properties()).approximate_message_count or 0

    assert asyncio.run(story()) == (3, 0)


def test_a_message_that_kills_the_host_each_time_is_set_aside_too(tmp_path: Path) -> None:
    """Tries that never came to an end count as well; a message that had them all is not tried again."""

    async def story() -> tuple[list[str], list[str]]:
        async with place(tmp_path) as at:
            await at.signals.send_message("deadly")
            # A host takes it, and is killed: nobody says how it ended.
            taken = await at.signals.receive_message(visibility_timeout=60)
            assert taken is not None
            await at.signals.update_message(taken.id, taken.pop_receipt, visibility_timeout=0)
            await at.signals.send_message("good")
            worked: list[str] = []

            async def work(body: str) -> None:
                worked.append(body)

            await _listen(at, QueueSettings(max_dequeue_count=1), work, timedelta(seconds=60), 1)
            return worked, await at.poison()

    assert asyncio.run(story()) == (["good"], ["ZGVhZGx5"])
