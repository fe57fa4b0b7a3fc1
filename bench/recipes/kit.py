"""Our own worker kit, on Azurite. It needs no hook on a notice: it reads the agent's state."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from bench.recipes.recipe import OURS, Recipe
from bench.worker.storage import account

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

_KIT: Final = (str(OURS), "-m", "spot_worker")
_NOBODY: Final = "http://127.0.0.1:9"
"""Nothing listens there: the worker hears of the eviction from the agent, or not at all."""


@asynccontextmanager
async def _storage(_folder: Path) -> AsyncIterator[Mapping[str, str]]:
    async with account() as storage:
        yield {"AZURE_STORAGE_CONNECTION_STRING": storage.connection_string}


SPOT_WORKER: Final = Recipe(
    name="spot-worker",
    worker=(
        *(*_KIT, "run", "bench.recipes.software.jobs:work_of_kit", "--queue", "jobs", "--slots", "2"),
        *("--checkpoint-interval", "3", "--agent-state", "{folder}/state", "--state", "{folder}/worker"),
        *("--imds", _NOBODY),
    ),
    submit=(*_KIT, "submit", "--queue", "jobs", "-"),
    service=_storage,
    missing=lambda: "",
)
