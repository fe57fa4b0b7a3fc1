"""Processes that belong to a run: what they are given, and how they are ended."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_PATIENCE_S: Final = 20.0


class StartError(RuntimeError):
    """A process of the laptop Azure did not come up. The message says which, and what it said."""


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
