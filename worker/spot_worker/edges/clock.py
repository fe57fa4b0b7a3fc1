"""The clocks of this machine."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import Final

# It counts the time that the VM stood still, too: leases ran out meanwhile.
_MONOTONIC: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SystemClock:
    """The clocks of this machine."""

    def monotonic(self) -> float:
        """Give seconds that only ever grow, also while the VM stands still."""
        return time.clock_gettime(_MONOTONIC)

    def now(self) -> datetime:
        """Give the time of day in UTC."""
        return datetime.now(timezone.utc)
