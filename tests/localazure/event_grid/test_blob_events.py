"""A blob in a container becomes a job: from the upload by way of Event Grid and the queues to one result and a wake."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

from azure.data.tables.aio import TableClient
from azure.storage.blob.aio import ContainerClient
from azure.storage.queue import TextBase64DecodePolicy
from azure.storage.queue.aio import QueueClient
from workbench.real_worker import NO_METADATA_SERVICE

from localazure.event_grid.azure_events import EventKind
from localazure.event_grid.blob_events import WrittenBlob, blob_event, blob_topic, watch_container
from localazure.event_grid.event_delivery import QueueDelivery
from localazure.event_grid.event_faults import Fault
from localazure.event_grid.event_log import Step
from localazure.event_grid.service import EventGrid, Wiring
from localazure.guests.guests import trust
from localazure.laptop import WallClock
from localazure.runtime.azurite import WORK_ACCOUNT, azurite
from localazure.runtime.certificate import write_certificate
from localazure.runtime.identity import PrincipalCredential, TokenIssuer
from spot_responder.demand.wakes import read_wake
from spot_responder.demand.work_queues import WorkQueue
from spot_responder.intake.work_queue_names import WorkQueueName

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from localazure.runtime.certificate import Certificate

ACCOUNT_ID: Final = (
    f"/subscriptions/s/resourceGroups/rg-farm/providers/Microsoft.Storage/storageAccounts/{WORK_ACCOUNT}"
)
FILTER: Final = Path(__file__).resolve().parents[3] / "infra" / "blob-event-filter.json"
FRAMES: Final = WorkQueue(WorkQueueName(WORK_ACCOUNT, "frames"), "https://q", "https://t", container="frames-in")
JOBS, WAKES = "frames-jobs", "frames-wakes"
FOREVER: Final = timedelta(days=1)


@dataclass(frozen=True)
class Farm:
    """A storage account with a work queue, a container, and Event Grid between them."""

    grid: EventGrid
    container: ContainerClient
    wakes: QueueClient
    environment: Mapping[str, str]

    async def settled(self, deliveries: int) -> None:
        """Wait until Event Grid has delivered so often."""
        enough = asyncio.Event()

        def look(_: object) -> None:
            if sum(entry.step is Step.DELIVERED for entry in self.grid.log.entries) >= deliveries:
                enough.set()

        self.grid.log.listen(look)
        look(None)
        await asyncio.wait_for(enough.wait(), 60)


@asynccontextmanager
async def farm(folder: Path) -> AsyncIterator[Farm]:
    """Make one, on Azurite."""
    certificate, clock = write_certificate(folder), WallClock()
    issuer = TokenIssuer(secrets.token_bytes(32), clock.now)
    authority = certificate.authority
    async with azurite(None, certificate, secrets.token_bytes(32)) as storage:
        given: dict[str, Any] = {"conn_str": storage.work, "connection_verify": str(authority)}
        address = dict(part.split("=", 1) for part in storage.work.rstrip(";").split(";"))["QueueEndpoint"]
        who = PrincipalCredential(issuer, "event-grid")
        async with (
            ContainerClient.from_connection_string(container_name=FRAMES.container, **given) as container,
            QueueClient.from_connection_string(queue_name="frames", **given) as frames,
            QueueClient.from_connection_string(
                queue_name="wakes", message_decode_policy=TextBase64DecodePolicy(), **given
            ) as wakes,
            QueueDelivery(address, "frames", who, FOREVER, authority) as to_jobs,
            QueueDelivery(address, "wakes", who, FOREVER, authority) as to_wakes,
        ):
            for made in (container.create_container(), frames.create_queue(), wakes.create_queue()):
                await made
            topic = blob_topic(FILTER, FRAMES.container, (JOBS, WAKES))
            wiring = Wiring((topic,), to_jobs, lambda _: None, elsewhere={WAKES: to_wakes})
            async with EventGrid(wiring, clock, Random(0)) as grid:  # noqa: S311 - no secret
                watching = asyncio.create_task(watch_container(container, ACCOUNT_ID, grid.publish_blob, clock.now))
                yield Farm(grid, container, wakes, environment(storage.work, certificate))
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)


def environment(connection_string: str, certificate: Certificate) -> dict[str, str]:
    """Give the variables by which a worker finds the account."""
    found = {"AZURE_STORAGE_CONNECTION_STRING": connection_string, **trust(certificate.authority)}
    path = os.pathsep.join(part for part in sys.path if part)
    return {**os.environ, **found, "PYTHONPATH": path, "SPOT_BOOT_ID": "boot-1"}


async def work(farm: Farm, folder: Path) -> None:
    """Let a worker do all jobs; each is fetched and read."""
    options = ("--state", str(folder / "state"), "--agent-state", str(folder / "agent"), "--imds", NO_METADATA_SERVICE)
    words = ("run", "workbench.jobs:fetches", "--queue", "frames", "--until-empty", "--slots", "2", *options)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "spot_worker", *words, cwd=folder, env=dict(farm.environment)
    )
    assert await asyncio.wait_for(process.wait(), 120) == 0


async def results(farm: Farm) -> list[tuple[str, int]]:
    """Give the results of all jobs, and how often each was claimed."""
    trusted = farm.environment["SSL_CERT_FILE"]
    table = TableClient.from_connection_string(
        farm.environment["AZURE_STORAGE_CONNECTION_STRING"], "framesresults", connection_verify=trusted
    )
    async with table:
        return sorted([(str(row["result"]), int(row["attempts"])) async for row in table.list_entities()])


def test_each_write_of_a_blob_is_one_result_and_wakes_though_each_event_comes_twice(tmp_path: Path) -> None:
    """Two blobs; one is written again, and is another job. Each event comes twice, to both queues."""

    async def scene() -> tuple[list[tuple[str, int]], WorkQueueName]:
        async with farm(tmp_path) as made:
            made.grid.faults.set(Fault(copies=1), kind=EventKind.BLOB)
            await made.container.upload_blob("a b.txt", b"first")
            await made.container.upload_blob("c.txt", b"second")
            await made.settled(8)
            await made.container.upload_blob("c.txt", b"third", overwrite=True)
            await made.settled(12)
            await work(made, tmp_path)
            wake = await made.wakes.receive_message()
            assert wake
            return await results(made), read_wake(wake.content, [FRAMES]).queue

    done, woken = asyncio.run(scene())
    # A job has the blob's address: it finds what was written last.
    assert done == [('"first"', 1), ('"third"', 1), ('"third"', 1)]
    assert woken == FRAMES.name


def test_a_blob_of_another_container_and_an_unfinished_one_are_no_jobs() -> None:
    """The event subscription leaves them out."""
    (subscription, _) = blob_topic(FILTER, "frames-in", (JOBS, WAKES)).subscriptions
    blob = WrittenBlob(ACCOUNT_ID, "frames-in", "a", "https://farm/frames-in/a", '"0x8D"', datetime.now(UTC))
    event = blob_event(blob).data
    passes = {
        (container, api): subscription.filter.passes(
            {
                "eventType": "Microsoft.Storage.BlobCreated",
                "subject": f"/blobServices/default/containers/{container}/blobs/a",
                "data": {**event, "api": api},
            }
        )
        for container in ("frames-in", "frames-in-2", "frames-checkpoints")
        for api in ("PutBlob", "CreateFile")
    }
    assert [which for which, passed in passes.items() if passed] == [("frames-in", "PutBlob")]
