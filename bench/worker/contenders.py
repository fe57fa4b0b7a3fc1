"""Who is in the contest: how each puts jobs into its queue, works in a VM, and where its results are."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.worker.environment import BROKER, LATE, LOG

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.worker.storage import Account

REPOSITORY: Final = Path(__file__).resolve().parents[2]
SLOTS: Final = 2
"""A VM works on so many jobs at a time."""

INTERVAL_S: Final = 3
"""From one checkpoint to the next; only ``spot_worker`` has any."""

QUEUE: Final = "contest"
_CELERYS_QUEUE: Final = "celery"
_CELERY: Final = str(REPOSITORY / ".venv-celery" / "bin" / "python")
_SPOT_WORKER: Final = (sys.executable, "-m", "spot_worker")
_LOOPS: Final = (sys.executable, "-m", "bench.worker.loops")


@dataclass(frozen=True, slots=True)
class Contender:
    """``submit`` takes jobs on standard input, a line each. ``worker``: one VM's processes; ``{vm}`` is its folder."""

    name: str
    queue: str | None
    """Its Azure queue. Without one, its broker is Redis."""

    submit: Sequence[str]
    worker: Sequence[Sequence[str]]
    settings: Mapping[str, str] = field(default_factory=dict)
    results: Sequence[str] = ()
    """Prints the table of results. Without one, a function that has come to its end has told its result."""

    def environment(self, account: Account, broker: str, log: Path) -> dict[str, str]:
        """Give the environment of its processes, which see nothing of whoever starts the bench."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "AZURE_STORAGE_CONNECTION_STRING": account.connection_string,
            BROKER: broker,
            LOG: str(log),
            **self.settings,
        }


def spot_worker(function: str, *more: str) -> Contender:
    """Make the contender that this is about, for a function of ``jobs.py``."""
    run = ("run", f"bench.worker.jobs:{function}", "--queue", QUEUE, "--slots", str(SLOTS), "--state", "{vm}", *more)
    return Contender(
        name="spot_worker",
        queue=QUEUE,
        submit=(*_SPOT_WORKER, "submit", "--queue", QUEUE, "-"),
        worker=[(*_SPOT_WORKER, *run)],
        results=(*_SPOT_WORKER, "results", "--queue", QUEUE, "--json"),
    )


def _loop(name: str, deletes: str) -> Contender:
    return Contender(
        name=name,
        queue=QUEUE,
        submit=(*_LOOPS, "submit", QUEUE),
        worker=[(*_LOOPS, "run", QUEUE, deletes)] * SLOTS,
    )


def _celery(name: str, queue: str | None, settings: Mapping[str, str]) -> Contender:
    return Contender(
        name=name,
        queue=queue,
        submit=(_CELERY, "-m", "bench.worker.celery_app"),
        worker=[(_CELERY, "-m", "celery", "-A", "bench.worker.celery_app", "worker", "-c", str(SLOTS))],
        settings=settings,
    )


SEED: Final = _loop("the seed's worker", "after")
PLAIN: Final = _loop("plain loop, deletes first", "before")
CELERY: Final = _celery("Celery, defaults", _CELERYS_QUEUE, {})
CELERY_LATE: Final = _celery("Celery, acks_late", _CELERYS_QUEUE, {LATE: "1"})
CELERY_LATE_REDIS: Final = _celery("Celery, acks_late, on Redis", None, {LATE: "1"})


def is_celery_installed() -> bool:
    """Whether ``make celery`` was run."""
    return Path(_CELERY).exists()
