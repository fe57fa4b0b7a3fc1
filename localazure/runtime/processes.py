"""Processes that belong to a run: their environment, and how they are ended."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_PATIENCE_S: Final = 20.0

OF_ITS_OWN: Final = 0
"""A process group of its own: Ctrl-C in the terminal is for us, who end what we have begun, one after the other."""


class StartError(RuntimeError):
    """A process of the laptop Azure did not come up. The message says which, and what it said."""


class NotAloneError(RuntimeError):
    """Another laptop Azure runs in the same folder."""


class CommandFailedError(RuntimeError):
    """A command ended with another exit code than 0. The message says which, and what it said."""


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


async def printed_by(module: str, arguments: Sequence[str], environment: Mapping[str, str], given: str = "") -> str:
    """Run a command of ``python -m module``, with ``given`` as its standard input; give what it printed.

    Raises:
        CommandFailedError: it failed.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *arguments,
        env=bare_environment(environment),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate(given.encode())
    if process.returncode != 0:
        name, said = module.replace("_", "-"), err.decode(errors="replace").strip()
        message = f"{name} {arguments[0]} ended with {process.returncode}: {said}"
        raise CommandFailedError(message)
    return out.decode()


async def stop(process: asyncio.subprocess.Process) -> None:
    """Ask the process to end; after a while, end it. Does nothing where it has ended already."""
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _PATIENCE_S)
    except TimeoutError:
        process.kill()
        await process.wait()
