"""How fast uploads are, by those that were done: on notice only what fits into the time left is begun."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_WEIGHT: Final = 0.5
"""Of the newest one: the network of a VM that is about to go may be slower than it was."""
_SMALLEST_BYTES: Final = 256 * 1024
"""A smaller upload says how long a request takes, not how fast bytes go."""
REQUEST_S: Final = 0.5


@dataclass(frozen=True)
class Rate:
    """The bytes a second. Before the first upload: what the smallest VMs can do."""

    bytes_per_s: float = 5_000_000.0

    def after(self, size: int, took_s: float) -> Rate:
        """Learn from an upload."""
        if size < _SMALLEST_BYTES or took_s <= 0:
            return self
        return Rate((1 - _WEIGHT) * self.bytes_per_s + _WEIGHT * size / took_s)

    def fits(self, size: int, left_s: float) -> bool:
        """Whether an upload would be over in time."""
        return REQUEST_S + size / self.bytes_per_s <= left_s
