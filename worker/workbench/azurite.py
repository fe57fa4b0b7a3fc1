"""Azurite, Microsoft's storage emulator, for one run of tests: on free ports, in memory, ended with the tests."""

from __future__ import annotations

import base64
import os
import re
import secrets
import subprocess
import threading
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient, generate_account_sas
from azure.storage.queue import QueueServiceClient

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM: Final = Path(__file__).resolve().parents[2] / "node_modules" / ".bin" / "azurite"
_ACCOUNT: Final = "worker"
_LISTENING: Final = re.compile(r"Azurite (\w+) service is successfully listening at (http://\S+)")
_REQUEST: Final = re.compile(r'"(GET|PUT|POST|DELETE|HEAD|PATCH|MERGE) (\S+) HTTP')
_WITHIN_S: Final = 60.0


class Storage:
    """A storage account. ``requests``: what was asked of it, as method and path."""

    def __init__(self, process: subprocess.Popen[str], secret: str) -> None:
        """Wait until it listens."""
        self._process, self._secret = process, secret
        self._found: dict[str, str] = {}
        self._listens = threading.Event()
        self.requests: list[tuple[str, str]] = []
        threading.Thread(target=self._read, daemon=True).start()
        assert self._listens.wait(_WITHIN_S), "Azurite did not start"

    @property
    def connection_string(self) -> str:
        """Say how to reach it."""
        ends = "".join(f"{name}Endpoint={url}/{_ACCOUNT};" for name, url in sorted(self._found.items()))
        return f"DefaultEndpointsProtocol=http;AccountName={_ACCOUNT};AccountKey={self._secret};{ends}"

    def read_only(self) -> str:
        """Say how to reach it as somebody who may read what is there."""
        may: dict[str, Any] = {
            "resource_types": "sco",
            "permission": "rl",
            "expiry": datetime.now(timezone.utc) + timedelta(hours=1),
        }
        signed = generate_account_sas(_ACCOUNT, self._secret, services="bqt", **may)
        ends = "".join(f"{name}Endpoint={url}/{_ACCOUNT};" for name, url in sorted(self._found.items()))
        return f"{ends}SharedAccessSignature={signed}"

    @property
    def queues(self) -> QueueServiceClient:
        """Give Microsoft's client of the queues."""
        return QueueServiceClient.from_connection_string(self.connection_string)

    @property
    def blobs(self) -> BlobServiceClient:
        """Give Microsoft's client of the blobs."""
        return BlobServiceClient.from_connection_string(self.connection_string)

    @property
    def tables(self) -> TableServiceClient:
        """Give Microsoft's client of the tables."""
        return TableServiceClient.from_connection_string(self.connection_string)

    def _read(self) -> None:
        assert self._process.stdout
        with self._process.stdout as lines:
            for line in lines:
                if request := _REQUEST.search(line):
                    self.requests.append((request[1], request[2]))
                elif listening := _LISTENING.search(line):
                    self._found[listening[1]] = listening[2]
                    if len(self._found) == 3:  # noqa: PLR2004 - blobs, queues and tables
                        self._listens.set()


@contextmanager
def storage() -> Iterator[Storage]:
    """Run Azurite."""
    secret = base64.b64encode(secrets.token_bytes(64)).decode()
    ports = [word for service in ("blob", "queue", "table") for word in (f"--{service}Port", "0")]
    process = subprocess.Popen(  # noqa: S603 - our own choice of words
        [str(PROGRAM), "--inMemoryPersistence", "--disableTelemetry", "--skipApiVersionCheck", *ports],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={"AZURITE_ACCOUNTS": f"{_ACCOUNT}:{secret}", "PATH": os.environ["PATH"]},
    )
    try:
        yield Storage(process, secret)
    finally:
        process.kill()
        process.wait()
