"""The laptop's metadata service as users run it, ``python -m localazure imds``, and what it says of the VM's power."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from aiohttp import ClientSession

from bench.recipes.recipe import OURS, REPOSITORY
from localazure.runtime.processes import stop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_LISTENS: Final = re.compile(r"listens at (http://\S+):")
_DOWN: Final = "the VM is down"
_UP: Final = "the VM runs again"
_PATIENCE_S: Final = 240.0


class Metadata:
    """The service of one VM."""

    def __init__(self, output: asyncio.StreamReader, url: str) -> None:
        """Take what it prints, and where it listens."""
        self._output, self.url = output, url

    async def evict(self, notice_s: int | None) -> None:
        """Evict the VM; ``down`` waits for that."""
        notice = "none" if notice_s is None else str(notice_s)
        async with ClientSession() as session, session.post(f"{self.url}/emulator/Preempt?notice={notice}") as answer:
            answer.raise_for_status()

    async def down(self) -> None:
        """Wait until the VM has lost its power."""
        await _until_said(self._output, _DOWN)

    async def up(self) -> None:
        """Wait until the VM has power again."""
        await _until_said(self._output, _UP)


@asynccontextmanager
async def metadata(vm: str) -> AsyncIterator[Metadata]:
    """Serve the metadata of a VM."""
    process = await asyncio.create_subprocess_exec(
        *(str(OURS), "-m", "localazure", "imds", "--name", vm), cwd=REPOSITORY, stdout=asyncio.subprocess.PIPE
    )
    try:
        output = process.stdout
        assert output is not None  # noqa: S101 - asked for above
        line = await _until_said(output, "listens at")
        found = _LISTENS.search(line)
        url = found[1] if found else ""
        yield Metadata(output, url)
    finally:
        await stop(process)


async def _until_said(output: asyncio.StreamReader, words: str) -> str:
    async with asyncio.timeout(_PATIENCE_S):
        while line := (await output.readline()).decode():
            if words in line:
                return line
    message = f"the metadata service ended before it said: {words}"
    raise RuntimeError(message)
