"""Redis, a broker that keeps what is not acknowledged, for Celery: Debian's package ``redis-server``, where it is."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from localazure.runtime.processes import stop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

_LOOK_S: Final = 0.1
_WAITING: Final = ("LLEN", "celery")
_TAKEN: Final = ("HLEN", "unacked")


@dataclass(frozen=True, slots=True)
class Redis:
    """An empty server on loopback."""

    port: int

    @property
    def broker(self) -> str:
        """Write it as Celery reads it."""
        return f"redis://127.0.0.1:{self.port}/0"

    def left(self) -> int:
        """Count the tasks that wait, and those that workers have taken and not acknowledged."""
        return sum(int(self.says(*question)) for question in (_WAITING, _TAKEN))

    def says(self, *words: str) -> str:
        """Ask it."""
        command = ["redis-cli", "-p", str(self.port), *words]
        answer = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)  # noqa: S603 - our own words
        return answer.stdout.decode().strip()


def is_installed() -> bool:
    """Whether there is a Redis here."""
    return bool(shutil.which("redis-server"))


@asynccontextmanager
async def redis(folder: Path) -> AsyncIterator[Redis]:
    """Run Redis, in memory only."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *("redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", str(folder)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
    )
    server = Redis(port)
    try:
        # It tells nobody that it listens.
        while await asyncio.to_thread(server.says, "PING") != "PONG" and process.returncode is None:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_S)
        yield server
    finally:
        await stop(process)
