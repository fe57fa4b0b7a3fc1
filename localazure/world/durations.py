"""How long deallocations, starts and evictions take in the world. ``vm_lifecycle.py`` goes by it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final


@dataclass(frozen=True, slots=True)
class Durations:
    """How long things take: shorter than in Azure, in the same order (docs/azure-facts.md events-10).

    These are the defaults; ``demo/run.py``, ``demo/demo.py`` and ``demo/examples.py`` have their own.
    """

    until_unavailable: timedelta = timedelta(seconds=3)
    deallocation: timedelta = timedelta(seconds=15)
    start: timedelta = timedelta(seconds=20)
    failed_start: timedelta = timedelta(seconds=20)
    until_simulated_eviction: timedelta = timedelta(seconds=60)


DEFAULT_DURATIONS: Final = Durations()
