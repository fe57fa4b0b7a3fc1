"""Azurite on a laptop: let in by token over TLS, kept in a folder or not at all, gone with its parent."""

from __future__ import annotations

import asyncio
import secrets
import signal
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ServiceRequestError
from azure.data.tables.aio import TableServiceClient
from azure.storage.queue.aio import QueueServiceClient

from localazure.runtime.azurite import Storage, azurite
from localazure.runtime.certificate import Certificate, write_certificate
from localazure.runtime.identity import PrincipalCredential, TokenIssuer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from azure.core.credentials import AccessToken

    type _WayIn = tuple[str, AsyncTokenCredential | dict[str, str], str | bool, type[Exception]]

REPOSITORY = Path(__file__).resolve().parents[3]
PATIENCE_S = 20.0
PARENT = """
import asyncio, pathlib, sys
from localazure.runtime.azurite import azurite
from localazure.runtime.certificate import write_certificate
async def main():
    async with azurite(None, write_certificate(pathlib.Path(sys.argv[1])), b"k" * 32) as storage:
        print(storage.queue_uri, flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""


def _credential() -> PrincipalCredential:
    return PrincipalCredential(TokenIssuer(secrets.token_bytes(32), lambda: datetime.now(UTC)), "owner")


@dataclass(frozen=True)
class _ManagementCredential(AsyncTokenCredential):
    """Gives tokens for ARM, whatever is asked for."""

    real: PrincipalCredential

    async def get_token(self, *_scopes: str, **_options: object) -> AccessToken:
        return await self.real.get_token("https://management.azure.com/.default")

    async def close(self) -> None:
        await self.real.close()

    async def __aexit__(self, *_error: object) -> None:
        await self.close()


def _queues(storage: Storage, certificate: Certificate) -> QueueServiceClient:
    return QueueServiceClient(
        storage.queue_uri, _credential(), connection_verify=str(certificate.authority), retry_total=0
    )


@asynccontextmanager
async def _queues_of_a_run(folder: Path, certificate: Certificate) -> AsyncIterator[QueueServiceClient]:
    async with (
        azurite(folder, certificate, secrets.token_bytes(32)) as storage,
        _queues(storage, certificate) as queues,
    ):
        yield queues


def test_queues_and_tables_take_a_token_over_tls(tmp_path: Path) -> None:
    """The SDKs reach queues and tables by identity, with this run's certificate and no key at all."""

    async def story() -> None:
        certificate = write_certificate(tmp_path)
        async with (
            azurite(None, certificate, secrets.token_bytes(32)) as storage,
            _queues(storage, certificate) as queues,
            TableServiceClient(
                storage.table_uri, credential=_credential(), connection_verify=str(certificate.authority)
            ) as tables,
        ):
            await queues.create_queue("signals")
            await queues.get_queue_client("signals").send_message("hello")
            assert [message.content for message in await queues.get_queue_client("signals").peek_messages()] == [
                "hello"
            ]
            table = await tables.create_table("recoveries")
            await table.upsert_entity({"PartitionKey": "a", "RowKey": "b", "attempts": 1})
            assert (await table.get_entity("a", "b"))["attempts"] == 1

    asyncio.run(story())


def test_who_brings_no_good_token_stays_out(tmp_path: Path) -> None:
    """A token for another resource, Azurite's well-known key, and a client that trusts nobody of ours: none gets in."""
    well_known = {"account_name": "devstoreaccount1", "account_key": "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1"}

    async def story() -> None:
        certificate = write_certificate(tmp_path)
        trust = str(certificate.authority)
        async with azurite(None, certificate, secrets.token_bytes(32)) as storage:
            ways_in: list[_WayIn] = [
                (storage.queue_uri, _ManagementCredential(_credential()), trust, ClientAuthenticationError),
                (storage.queue_uri.replace("spotresponder", "devstoreaccount1"), well_known, trust, HttpResponseError),
                (storage.queue_uri, _credential(), True, ServiceRequestError),
            ]
            for uri, credential, verify, error in ways_in:
                async with QueueServiceClient(uri, credential, connection_verify=verify, retry_total=0) as queues:
                    with pytest.raises(error):
                        await queues.create_queue("signals")

    asyncio.run(story())


def test_a_folder_keeps_what_memory_forgets(tmp_path: Path) -> None:
    """A queue in a folder is there again after a restart."""

    async def story() -> None:
        certificate = write_certificate(tmp_path / "tls")
        async with _queues_of_a_run(tmp_path / "storage", certificate) as queues:
            await queues.create_queue("signals")
        async with _queues_of_a_run(tmp_path / "storage", certificate) as queues:
            assert [queue.name async for queue in queues.list_queues()] == ["signals"]

    asyncio.run(story())


def test_azurite_ends_when_whoever_started_it_is_killed(tmp_path: Path) -> None:
    """A run that is killed outright leaves no Azurite behind."""

    async def story() -> None:
        parent = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PARENT, str(tmp_path), cwd=REPOSITORY, stdout=asyncio.subprocess.PIPE
        )
        assert parent.stdout is not None
        address = urlsplit((await asyncio.wait_for(parent.stdout.readline(), PATIENCE_S)).decode().strip())
        assert address.hostname is not None
        assert await _answers(address.hostname, address.port)
        parent.send_signal(signal.SIGKILL)
        await parent.wait()
        async with asyncio.timeout(PATIENCE_S):
            while await _answers(address.hostname, address.port):  # noqa: ASYNC110  it is another process
                await asyncio.sleep(0.05)

    asyncio.run(story())


async def _answers(host: str, port: int | None) -> bool:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True
