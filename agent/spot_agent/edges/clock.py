"""The clocks, and which boot of the VM this is."""

from __future__ import annotations

import os
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Final

from spot_agent.deciding.times import Now

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_KERNEL_STATISTICS: Final = Path("/proc/stat")


class SystemClock:
    """The clocks of this machine."""

    def now(self) -> Now:
        """Read both."""
        return Now(datetime.now(timezone.utc), time.monotonic())


def boot_id() -> str:
    """Give what is the same as long as the VM runs, and different after each boot.

    ``SPOT_BOOT_ID`` overrides the kernel's word: a guest that is a plain process shares its kernel with others.
    """
    given = os.environ.get("SPOT_BOOT_ID", "").strip()
    if given:
        return given
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except OSError:
        return "unknown"


def booted_at() -> datetime | None:
    """Say when the kernel started, if it says so."""
    try:
        lines = _KERNEL_STATISTICS.read_text("ascii").splitlines()
    except OSError:
        return None
    seconds = [line.split()[1] for line in lines if line.startswith("btime ")]
    return datetime.fromtimestamp(int(seconds[0]), timezone.utc) if seconds else None
