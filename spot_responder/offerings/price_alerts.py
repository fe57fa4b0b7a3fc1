"""VMs whose max price has fallen behind the Spot price of their size, or nearly: what is kept of each, and told once.

Pure. Called by ``responder/sizes/max_prices.py`` with each sweep; ``clients/offerings/price_alerts.py`` keeps them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from spot_responder.offerings.max_prices import Standing, standing

if TYPE_CHECKING:
    from datetime import datetime

    from spot_responder.intake.vms import VmId
    from spot_responder.offerings.priced_vms import PricedVm

HOLDS: Final = timedelta(days=1)
"""How long an alert is kept after a sweep compared the prices last: neither a price list nor a Resource Graph that does
not answer says that all is well."""


@dataclass(frozen=True, slots=True)
class PriceAlert:
    """A VM whose max price is below the Spot price of its size, or near it; both in USD an hour.

    ``since``: since when it has not been well; ``seen_at``: when a sweep compared the prices last. ``told``: the worst
    standing that was published since then; ``None``: none was.
    """

    vm_id: VmId
    location: str
    size: str
    max_price: float
    spot: float
    standing: Standing
    since: datetime
    seen_at: datetime
    told: Standing | None = None

    @property
    def is_due(self) -> bool:
        """Whether it is to be published: once when it is near, and once when it is below."""
        return self.told is None or (self.standing is Standing.BELOW and self.told is not Standing.BELOW)

    def is_told(self) -> PriceAlert:
        """Note that it was published as it stands."""
        return replace(self, told=self.standing)

    def holds(self, now: datetime) -> bool:
        """Whether the prices were compared lately."""
        return now - self.seen_at < HOLDS

    @property
    def says(self) -> str:
        """Say it in one sentence without its full stop."""
        is_below = self.standing is Standing.BELOW
        so = "a start would be refused" if is_below else "the next change of the price may be above it"
        return (
            f"its max price of {self.max_price:g} USD an hour is {self.standing} the Spot price of {self.size} in "
            f"{self.location}, {self.spot:g}: {so}"
        )


def alert_of(vm: PricedVm, spot: float | None, before: PriceAlert | None, now: datetime) -> PriceAlert | None:
    """Compare a VM's max price with the Spot price of its size; ``None`` where there is nothing to keep.

    ``spot``: in USD an hour; ``None`` is unknown, which is never taken for too high, nor for well. ``before``: what was
    kept; a new max price, or another size, begins anew.
    """
    stands = standing(vm.max_price, spot)
    if before is not None and (before.max_price, before.size) != (vm.max_price, vm.size):
        before = None
    if stands is Standing.UNKNOWN:
        return before
    if vm.max_price is None or spot is None or stands not in {Standing.BELOW, Standing.NEAR}:
        return None
    return PriceAlert(
        vm_id=vm.vm_id,
        location=vm.location,
        size=vm.size,
        max_price=vm.max_price,
        spot=spot,
        standing=stands,
        since=before.since if before else now,
        seen_at=now,
        told=before.told if before else None,
    )
