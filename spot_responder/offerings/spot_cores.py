"""Reads how many Spot cores a subscription may still use in a region, from Compute's usages. Pure.

``fits_in_place.py`` compares it with what a change of size adds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from spot_responder.intake.payloads import field, text_field

if TYPE_CHECKING:
    from collections.abc import Iterable

NAME: Final = "lowprioritycores"
"""The name of the quota, in lower case: one for all sizes of a region (docs/azure-facts.md skus-3)."""


@dataclass(frozen=True, slots=True)
class SpotCores:
    """The quota of Spot cores: deallocated VMs count as used."""

    used: int
    limit: int

    @property
    def spare(self) -> int:
        """How many cores may be added; 0 where more are used than are allowed."""
        return max(0, self.limit - self.used)


def read_spot_cores(usages: Iterable[object]) -> SpotCores | None:
    """Find the quota among a region's usages; ``None`` where it is not told."""
    for usage in usages:
        used, limit = field(usage, "currentValue"), field(usage, "limit")
        is_quota = text_field(usage, "name", "value").lower() == NAME
        if is_quota and isinstance(used, int) and isinstance(limit, int):
            return SpotCores(used, limit)
    return None
