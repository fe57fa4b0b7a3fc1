"""Bad input, push delivery and missing settings, through the whole: real host, real worker, real storage."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import aiohttp
import pytest

from localazure.demo.demo import APP_SETTINGS, DURATIONS
from localazure.demo.scenarios import TAG
from localazure.demo.timeline import app_lines
from localazure.event_grid.azure_events import DeliverySchema
from localazure.event_grid.event_delivery import WebhookDelivery
from localazure.functions.host import functions_host
from localazure.laptop import REPOSITORY, Laptop, laptop_azure
from localazure.runtime.processes import StartError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

PATIENCE_S: Final = 60


@pytest.fixture
def hasty_app(tmp_path: Path) -> Path:
    """Give the app as it is, but for one thing: a failed message comes again after a second, not after 30."""
    folder = tmp_path / "app"
    folder.mkdir()
    for name in ("function_app.py", "spot_responder", "queries"):
        (folder / name).symlink_to(REPOSITORY / name)
    host = json.loads((REPOSITORY / "host.json").read_text())
    host["extensions"]["queues"]["visibilityTimeout"] = "00:00:01"
    (folder / "host.json").write_text(json.dumps(host))
    return folder


@asynccontextmanager
async def laptop_with(app: Path, tmp_path: Path) -> AsyncIterator[Laptop]:
    """Run a laptop Azure with this app."""
    async with laptop_azure(tmp_path / "laptop", APP_SETTINGS, DURATIONS, app) as laptop:
        yield laptop


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something holds; patience ends after a minute."""
    async with asyncio.timeout(PATIENCE_S):
        while not await holds():  # noqa: ASYNC110 - another process tells nobody when it is done
            await asyncio.sleep(0.2)


async def restore(laptop: Laptop, name: str) -> None:
    """Evict a new VM, and wait until it runs again."""
    vm = laptop.world.add_vm(name, size="Standard_D2s_v5", tags=TAG)
    laptop.world.evict(name)

    async def runs() -> bool:
        return vm.running_at is not None and bool(vm.start_calls)

    await until(runs)


def test_rubbish_goes_to_poison_with_one_line_each_and_delays_nobody(hasty_app: Path, tmp_path: Path) -> None:
    """Three messages that are no events, and an eviction behind them: it is answered, and they end in poison."""
    rubbish = ["not JSON", '{"hello": "world"}', '{"type": "SpotResponder.FollowUp", "data": {}}']

    async def story() -> list[dict[str, str]]:
        async with laptop_with(hasty_app, tmp_path) as laptop:
            for text in rubbish:
                await laptop.queue.send_message(text)
            await restore(laptop, "backup-1")

            async def all_are_poison() -> bool:
                return len(await laptop.poison.peek_messages(max_messages=32)) == len(rubbish)

            await until(all_are_poison)
            poison = [message.content async for message in laptop.poison.receive_messages()]
            assert sorted(poison) == sorted(rubbish)
            return app_lines(laptop.host_log)[0]

    unreadable = [line for line in asyncio.run(story()) if line["event"] == "unreadable"]
    assert len(unreadable) == len(rubbish)
    assert all("signals-poison" in line["what_to_do"] for line in unreadable)


@pytest.mark.parametrize("schema", list(DeliverySchema))
def test_pushed_events_take_the_same_way(tmp_path: Path, schema: DeliverySchema) -> None:
    """Event Grid pushes to ``on_event`` instead of the queue, in either schema: the VM comes back after one start."""

    async def story() -> None:
        async with laptop_with(REPOSITORY, tmp_path) as laptop, aiohttp.ClientSession() as session:
            address = f"{laptop.host.url}/runtime/webhooks/EventGrid?functionName=on_event"
            wiring = laptop.event_grid.wiring
            names = [subscription.name for topic in wiring.topics for subscription in topic.subscriptions]
            delivery = WebhookDelivery(session, address)
            laptop.event_grid.wiring = replace(wiring, delivery=delivery, schemas=dict.fromkeys(names, schema))
            await restore(laptop, "pushed-1")
            assert len(laptop.world.machine("pushed-1").start_calls) == 1

    asyncio.run(story())


WHOLE: Final = {
    "SWEEP_SCHEDULE": "0 */15 * * * *",
    "AzureWebJobsStorage__queueServiceUri": "https://127.0.0.1:1/spotresponder",
    "AzureWebJobsStorage__tableServiceUri": "https://127.0.0.1:2/spotresponder",
}


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, "setting AzureWebJobsStorage__queueServiceUri is missing"),
        ({**WHOLE, "SWEEP_SCHEDULE": "hourly"}, "setting SWEEP_SCHEDULE is 'hourly': expected a six-field NCRONTAB"),
        ({**WHOLE, "DRY_RUN": "perhaps"}, "setting DRY_RUN is 'perhaps': expected true or false"),
    ],
)
def test_a_setting_that_is_missing_or_senseless_stops_the_app_at_its_start(
    tmp_path: Path, settings: dict[str, str], told: str
) -> None:
    """The host's log names the variable, in one line."""

    async def story() -> None:
        async with functions_host(REPOSITORY, settings, tmp_path / "host.log"):
            pass

    with pytest.raises(StartError, match=told):
        asyncio.run(story())
    lines = (tmp_path / "host.log").read_text().splitlines()
    assert len([line for line in lines if told in line]) == 1
