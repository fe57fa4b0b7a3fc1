"""What Spot VMs compete for: capacity, price and quota. Asked by ``vm_lifecycle.py``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

_CORES: Final = re.compile(r"[a-z]+_[a-z]+(\d+)", re.IGNORECASE)


class PoolGate(NamedTuple):
    """The spare capacity that a VM competes for. Regular VMs have one of their own."""

    subscription_id: str
    location: str
    zone: str | None
    size: str
    is_spot: bool = True


def cores(size: str) -> int:
    """Read the number of cores out of a size's name: 2 in ``Standard_D2s_v5``."""
    match = _CORES.match(size)
    if match is None:
        message = f"cannot read the number of cores from the VM size {size!r}; expected one like Standard_D2s_v5"
        raise ValueError(message)
    return int(match[1])


class Market:
    """Free places by pool, prices by size and region, core limits by subscription and region.

    What was never set is plentiful: places without number, a price of nothing, no limit.
    """

    def __init__(self) -> None:
        """Begin with plenty of everything."""
        self._free: dict[PoolGate, int] = {}
        self._prices: dict[tuple[str, str], float] = {}
        self._core_limits: dict[tuple[str, str], int] = {}
        self._restricted: set[tuple[str, str]] = set()

    def set_capacity(self, pool: PoolGate, free: int | None) -> None:
        """Leave so many places in the pool; ``None`` is plenty."""
        self._free.pop(_folded(pool), None)
        if free is not None:
            self._free[_folded(pool)] = free

    def free(self, pool: PoolGate) -> int | None:
        """Say how many places are left; ``None`` is plenty."""
        return self._free.get(_folded(pool))

    def take(self, pool: PoolGate) -> bool:
        """Take one place, and say whether there was one."""
        left = self.free(pool)
        if left is not None and left > 0:
            self._free[_folded(pool)] = left - 1
        return left is None or left > 0

    def give_back(self, pool: PoolGate) -> None:
        """Return the place of a VM that its owner stopped. An eviction returns none: Azure wanted that place."""
        left = self.free(pool)
        if left is not None:
            self._free[_folded(pool)] = left + 1

    def set_price(self, size: str, location: str, usd_per_hour: float) -> None:
        """Set the Spot price of a size in a region."""
        self._prices[size.lower(), location.lower()] = usd_per_hour

    def price(self, size: str, location: str) -> float:
        """Say the Spot price in USD an hour."""
        return self._prices.get((size.lower(), location.lower()), 0.0)

    def told_price(self, size: str, location: str) -> float | None:
        """Say the Spot price if one was set: the price list has no other."""
        return self._prices.get((size.lower(), location.lower()))

    def restrict(self, size: str, location: str) -> None:
        """Offer a size to no subscription in a region."""
        self._restricted.add((size.lower(), location.lower()))

    def is_restricted(self, size: str, location: str) -> bool:
        """Whether a size is not offered in a region."""
        return (size.lower(), location.lower()) in self._restricted

    def set_quota(self, subscription_id: str, location: str, core_limit: int | None) -> None:
        """Limit the Spot cores (``LowPriorityCores``) of a subscription in a region; ``None`` lifts the limit."""
        self._core_limits.pop((subscription_id.lower(), location.lower()), None)
        if core_limit is not None:
            self._core_limits[subscription_id.lower(), location.lower()] = core_limit

    def core_limit(self, subscription_id: str, location: str) -> int | None:
        """Say the limit of Spot cores; ``None`` where there is none."""
        return self._core_limits.get((subscription_id.lower(), location.lower()))


def total_cores(sizes: Iterable[str]) -> int:
    """Add up the cores of VMs."""
    return sum(cores(size) for size in sizes)


def _folded(pool: PoolGate) -> PoolGate:
    zone = pool.zone.lower() if pool.zone else None
    return PoolGate(pool.subscription_id.lower(), pool.location.lower(), zone, pool.size.lower(), pool.is_spot)
