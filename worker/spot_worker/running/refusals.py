"""That storage refuses for good: for how long a worker goes on all the same.

A right that was taken away may be given back within minutes, and a right that is given works after some minutes only.
After that the worker ends with its reason, so that whoever started it sees that it is of no use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spot_worker.running.ports import StorageError

if TYPE_CHECKING:
    from spot_worker.running.ports import Clock

PATIENCE_S: Final = 600.0


class Refusals:
    """Since when a slot is refused what it asks for, without anything having been done in between."""

    def __init__(self, clock: Clock) -> None:
        """Nothing is refused yet."""
        self._clock = clock
        self._since: dict[str, float] = {}

    def done(self, what: str) -> None:
        """Hear that it was not refused this time."""
        self._since.pop(what, None)

    def refused(self, what: str, error: StorageError) -> None:
        """Hear that it was. Raises ``StorageError`` if that is so for too long."""
        since = self._since.setdefault(what, self._clock.monotonic())
        if self._clock.monotonic() - since >= PATIENCE_S:
            message = f"for {PATIENCE_S / 60:.0f} minutes now: {error}"
            raise StorageError(message, is_lasting=True) from error
