"""What the tests of the Functions host share: a small app, its storage, and a host that runs it."""

from __future__ import annotations

import asyncio
import json
import secrets
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue import TextBase64EncodePolicy
from azure.storage.queue.aio import QueueServiceClient

from localazure.functions.host import RunningHost, functions_host
from localazure.runtime.azurite import azurite
from localazure.runtime.certificate import write_certificate
from localazure.runtime.identity import PrincipalCredential, TokenIssuer, identity_endpoint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    from azure.storage.queue.aio import QueueClient


PATIENCE_S = 30.0
APP = """
import asyncio, json, logging, pathlib
import azure.functions as func

HERE = pathlib.Path(__file__).parent
app = func.FunctionApp()

def record(name, **what):
    with (HERE / name).open("a") as file:
        file.write(json.dumps(what) + "\\n")

@app.queue_trigger(arg_name="message", queue_name="%SIGNALS%", connection="AzureWebJobsStorage")
async def on_signal(message: func.QueueMessage) -> None:
    body = message.get_body().decode()
    record("begun", body=body)
    logging.getLogger("azure.library").info("a library logs %s", body)
    if body == "bad":
        raise ValueError("this is no event")
    if body == "slow":
        while not (HERE / "go").exists():
            await asyncio.sleep(0.02)
    record("done", body=body, id=message.id, tries=message.dequeue_count, receipt=message.pop_receipt,
           times=[message.insertion_time.isoformat(), message.expiration_time.isoformat(),
                  message.time_next_visible.isoformat()])

@app.timer_trigger(arg_name="timer", schedule="%SWEEP%")
def sweep(timer: func.TimerRequest) -> None:
    record("ticks", past_due=timer.past_due, **timer.schedule_status)

@app.event_grid_trigger(arg_name="event")
async def on_event(event: func.EventGridEvent) -> None:
    record("events", id=event.id)

@app.event_grid_trigger(arg_name="event")
async def on_cloud_event(event: func.CloudEvent) -> None:
    record("events", id=event.id)
    if event.type == "bad":
        raise ValueError("this is no event")
"""
QUEUES = {"maxPollingInterval": "00:00:00.2", "visibilityTimeout": "00:00:00", "maxDequeueCount": 3}
NEVER = "0 0 0 1 1 *"
URI = "AzureWebJobsStorage__queueServiceUri"


@dataclass(frozen=True)
class Place:
    """Where a test takes place: the app's folder, its storage, and what the host was given."""

    folder: Path
    queues: QueueServiceClient
    credential: PrincipalCredential
    settings: Mapping[str, str]

    @property
    def signals(self) -> QueueClient:
        """Give the queue that the app listens to, written to as Event Grid writes: in base64."""
        return self.queues.get_queue_client("signals", message_encode_policy=TextBase64EncodePolicy())

    @property
    def log(self) -> str:
        """Give all that host and app said."""
        return (self.folder / "log").read_text("utf-8")

    def recorded(self, name: str) -> list[dict[str, Any]]:
        """Give what the app wrote down under this name; a line that it is just writing is not there yet."""
        path = self.folder / name
        whole = path.read_text("utf-8").rpartition("\n")[0] if path.exists() else ""
        return [json.loads(line) for line in whole.splitlines()]

    async def emptied(self) -> None:
        """Wait until the host is done with all messages: it deletes one only after its function."""
        async with asyncio.timeout(PATIENCE_S):
            while (await self.signals.get_queue_properties()).approximate_message_count:  # noqa: ASYNC110  see `until`
                await asyncio.sleep(0.02)

    async def poison(self) -> list[str]:
        """Give the texts of the poison queue."""
        try:
            return [
                str(message.content)
                for message in await self.queues.get_queue_client("signals-poison").peek_messages(32)
            ]
        except ResourceNotFoundError:
            return []


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something to come true; a test that waits for ever fails."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110  what is waited for happens in other processes
            await asyncio.sleep(0.02)


def write_app(folder: Path, app: str = APP) -> None:
    """Write an app, and its host.json."""
    (folder / "function_app.py").write_text(app, "utf-8")
    (folder / "host.json").write_text(json.dumps({"version": "2.0", "extensions": {"queues": QUEUES}}), "utf-8")


@asynccontextmanager
async def place(folder: Path, **settings: str) -> AsyncIterator[Place]:
    """Make the storage, the identity and the app; the host is not started yet."""
    write_app(folder)
    certificate = write_certificate(folder / "tls")
    issuer = TokenIssuer(secrets.token_bytes(32), lambda: datetime.now(UTC))
    async with AsyncExitStack() as stack:
        storage = await stack.enter_async_context(azurite(None, certificate, secrets.token_bytes(32)))
        identity = await stack.enter_async_context(identity_endpoint(issuer, {"": "responder"}, "header"))
        owner, trust = PrincipalCredential(issuer, "owner"), str(certificate.authority)
        queues = await stack.enter_async_context(QueueServiceClient(storage.queue_uri, owner, connection_verify=trust))
        await queues.create_queue("signals")
        given = storage.environment() | identity.environment() | {"SIGNALS": "signals", "SWEEP": NEVER} | settings
        yield Place(folder, queues, owner, given | {"SSL_CERT_FILE": trust})


@asynccontextmanager
async def running(folder: Path, **settings: str) -> AsyncIterator[tuple[Place, RunningHost]]:
    """Make a place, and run the app in it."""
    async with (
        place(folder, **settings) as made,
        functions_host(folder, made.settings, folder / "log") as host,
    ):
        yield made, host
