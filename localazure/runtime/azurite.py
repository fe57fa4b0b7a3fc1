"""Azurite, Microsoft's storage emulator: started for one run on free ports of loopback, stopped with it."""

from __future__ import annotations

import asyncio
import base64
import re
import secrets
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, Final, cast

from localazure.runtime.processes import OF_ITS_OWN, StartError, bare_environment, stop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from localazure.runtime.certificate import Certificate

ACCOUNT: Final = "spotresponder"
DEAD_LETTERS_ACCOUNT: Final = "spotresponderdead"
WORK_ACCOUNT: Final = "spotwork"
"""An account that is none of the app's: of a team that has its jobs done on Spot VMs."""

_PROGRAM: Final = Path(__file__).resolve().parents[2] / "node_modules" / ".bin" / "azurite"
_PATIENCE_S: Final = 180.0
_SERVICES: Final = frozenset({"Blob", "Queue", "Table"})
_LISTENING: Final = re.compile(r"Azurite (\w+) service is successfully listening at (https?://\S+)")
# A parent that is killed outright cannot stop its child; so the child looks whether its parent is still there.
_END_WITH_PARENT: Final = (
    "data:text/javascript,const parent=process.ppid;"
    "setInterval(()=>{if(process.ppid!==parent)process.exit(0)},500).unref()"
)


@dataclass(frozen=True, slots=True)
class Storage:
    """The addresses of the app's storage account, each with the account's name as its path and no slash behind.

    ``dead_letters_uri``: the blobs of the other account, which is for dead letters alone. ``work_queue_uri`` and
    ``work_table_uri``: the account for jobs; ``work``: its connection string, with its key.
    """

    queue_uri: str
    table_uri: str
    blob_uri: str
    dead_letters_uri: str
    work_queue_uri: str
    work_table_uri: str
    work: str = field(repr=False)

    def environment(self) -> dict[str, str]:
        """Give the app settings of a host that reaches its storage by identity (docs/azure-facts.md functions-2)."""
        return {
            "AzureWebJobsStorage__credential": "managedidentity",
            "AzureWebJobsStorage__queueServiceUri": self.queue_uri,
            "AzureWebJobsStorage__tableServiceUri": self.table_uri,
            "AzureWebJobsStorage__blobServiceUri": self.blob_uri,
            "DEAD_LETTERS_ENDPOINT": self.dead_letters_uri,
        }


@asynccontextmanager
async def azurite(folder: Path | None, certificate: Certificate | None, account_key: bytes) -> AsyncIterator[Storage]:
    """Run Azurite, with its data in ``folder`` or, for ``None``, in memory only.

    It takes bearer tokens over TLS; without a certificate, the account's key over HTTP. ``account_key`` (random, of
    this run) replaces Azurite's well-known key, so that nobody reaches an account who was not let in. The account for
    jobs has another one, of its own.

    Raises:
        StartError: Azurite is not installed, or did not come up; with what it said.
    """
    _prepare(folder)
    secret = base64.b64encode(account_key).decode()
    work_secret = base64.b64encode(secrets.token_bytes(64)).decode()
    accounts = f"{ACCOUNT}:{secret};{DEAD_LETTERS_ACCOUNT}:{secret};{WORK_ACCOUNT}:{work_secret}"
    process = await asyncio.create_subprocess_exec(
        *_command(folder, certificate),
        env=bare_environment({"AZURITE_ACCOUNTS": accounts}),
        cwd=folder or (certificate.authority.parent if certificate else gettempdir()),
        stdin=asyncio.subprocess.DEVNULL,
        process_group=OF_ITS_OWN,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        # It is a pipe: asked for above.
        output = cast("asyncio.StreamReader", process.stdout)
        storage = await _addresses(output, work_secret)
        # A pipe that nobody reads fills up, and then Azurite stands still.
        drain = asyncio.create_task(_drain(output))
        try:
            yield storage
        finally:
            await stop(process)
            await drain
    finally:
        await stop(process)


def _prepare(folder: Path | None) -> None:
    if not _PROGRAM.exists():
        message = f"Azurite is not installed: {_PROGRAM} is missing. Run `npm ci` in {_PROGRAM.parents[2]}."
        raise StartError(message)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)


def _command(folder: Path | None, certificate: Certificate | None) -> list[str]:
    place = ["--inMemoryPersistence"] if folder is None else ["--location", str(folder)]
    ports = [word for service in sorted(_SERVICES) for word in (f"--{service.lower()}Port", "0")]
    tls = ["--oauth", "basic", "--cert", str(certificate.chain), "--key", str(certificate.key)] if certificate else []
    # The SDKs speak newer API versions than Azurite knows of; what we use of them has not changed.
    manner = ["--silent", "--disableTelemetry", "--skipApiVersionCheck"]
    return ["node", "--import", _END_WITH_PARENT, str(_PROGRAM), *place, *ports, *tls, *manner]


async def _addresses(output: asyncio.StreamReader, work_secret: str) -> Storage:
    said: list[str] = []
    try:
        async with asyncio.timeout(_PATIENCE_S):
            found = await _listening(output, said)
    except TimeoutError:
        found = {}
    if found.keys() != _SERVICES:
        message = f"Azurite did not start. It said: {' / '.join(said) or 'nothing'}"
        raise StartError(message)
    return Storage(
        queue_uri=f"{found['Queue']}/{ACCOUNT}",
        table_uri=f"{found['Table']}/{ACCOUNT}",
        blob_uri=f"{found['Blob']}/{ACCOUNT}",
        dead_letters_uri=f"{found['Blob']}/{DEAD_LETTERS_ACCOUNT}",
        work_queue_uri=f"{found['Queue']}/{WORK_ACCOUNT}",
        work_table_uri=f"{found['Table']}/{WORK_ACCOUNT}",
        work=_connection_string(found, WORK_ACCOUNT, work_secret),
    )


def _connection_string(found: Mapping[str, str], account: str, secret: str) -> str:
    endpoints = ";".join(f"{service}Endpoint={found[service]}/{account}" for service in sorted(_SERVICES))
    return f"AccountName={account};AccountKey={secret};{endpoints};"


async def _listening(output: asyncio.StreamReader, said: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    while found.keys() != _SERVICES and (line := await output.readline()):
        said.append(line.decode(errors="replace").strip())
        match = _LISTENING.search(said[-1])
        if match:
            found[match[1]] = match[2]
    return found


async def _drain(output: asyncio.StreamReader) -> None:
    while await output.read(65536):
        pass
