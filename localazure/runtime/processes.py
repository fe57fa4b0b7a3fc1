"""Processes that belong to a run: their environment, and how they are ended."""

from __future__ import annotations

import asyncio
import fcntl
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_PATIENCE_S: Final = 20.0

OF_ITS_OWN: Final = 0
"""A process group of its own: Ctrl-C in the terminal is for us, who end what we have begun, one after the other."""


class StartError(RuntimeError):
    """A process of the laptop Azure did not come up. The message says which, and what it said."""


class NotAloneError(RuntimeError):
    """Another laptop Azure runs in the same folder."""


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep the folder to one run at a time, until this process ends, however it ends.

    Raises:
        NotAloneError: if another run has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            message = "another `make run` or `make demo` is running here: end it first"
            raise NotAloneError(message) from None
        yield


def bare_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Give the environment of a process that shall see its settings, and nothing of whoever starts it.

    A developer's own proxies and ``AZURE_…`` variables would send the app to a real Azure, or nowhere.
    """
    return {"PATH": os.environ.get("PATH", os.defpath), **settings}


async def stop(process: asyncio.subprocess.Process) -> None:
    """Ask the process to end; after a while, end it. Does nothing where it has ended already."""
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _PATIENCE_S)
    except TimeoutError:
        process.kill()
        await process.wait()
