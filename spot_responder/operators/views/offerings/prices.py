"""The max prices of VMs against today's Spot prices. Pure; ``operators/prices.py`` gathers what it compares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from spot_responder.advised_command import shell_words
from spot_responder.intake.vms import PowerState
from spot_responder.offerings.max_prices import Standing, standing, suggested

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from spot_responder.intake.vms import VmId
    from spot_responder.offerings.priced_vms import PricedVm
    from spot_responder.offerings.prices import Os, Prices

_ORDER: Final = (Standing.BELOW, Standing.UNKNOWN, Standing.NEAR, Standing.OK, Standing.NO_LIMIT)
"""What needs somebody comes first."""


type Product = tuple[str, str, Os]
"""What has a price: region in lower case, size in lower case, operating system."""


@dataclass(frozen=True, slots=True)
class VmPrice:
    """A VM's max price against the Spot price of its size; prices in USD an hour, ``None`` where unknown.

    ``suggested``: a max price that would do, and ``commands`` those that set it; for one that is below or near.
    """

    vm_id: VmId
    location: str
    size: str
    os: Os | None
    max_price: float | None
    spot: float | None
    on_demand: float | None
    standing: Standing
    why: tuple[str, ...]
    suggested: float | None
    commands: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PriceReport:
    """All covered VMs, those that need somebody first."""

    at: datetime
    vms: tuple[VmPrice, ...]

    @property
    def needs_somebody(self) -> bool:
        """Whether a start would be refused for its price, or may be for all that is known."""
        return any(each.standing.needs_somebody for each in self.vms)


def product_of(vm: PricedVm) -> Product | None:
    """Say what has the VM's price; ``None`` where its operating system is not known."""
    return (vm.location.lower(), vm.size.lower(), vm.os) if vm.os else None


def price_report(vms: Sequence[PricedVm], prices: Mapping[Product, Prices], at: datetime) -> PriceReport:
    """Compare each VM's max price."""
    compared = [_vm_price(vm, prices) for vm in vms]
    return PriceReport(at, tuple(sorted(compared, key=lambda each: (_ORDER.index(each.standing), each.vm_id.key))))


def _vm_price(vm: PricedVm, prices: Mapping[Product, Prices]) -> VmPrice:
    product = product_of(vm)
    found = prices.get(product) if product else None
    spot, on_demand = (found.spot, found.on_demand) if found else (None, None)
    stands = standing(vm.max_price, spot)
    why = tuple(found.why) if found else ("Azure does not say whether it runs Linux or Windows",)
    wanted = suggested(spot, on_demand) if spot and stands in {Standing.BELOW, Standing.NEAR} else None
    return VmPrice(
        vm_id=vm.vm_id,
        location=vm.location,
        size=vm.size,
        os=vm.os,
        max_price=vm.max_price,
        spot=spot,
        on_demand=on_demand,
        standing=stands,
        why=why,
        suggested=wanted,
        commands=_commands(vm, wanted) if wanted else (),
    )


def _commands(vm: PricedVm, price: float) -> tuple[str, ...]:
    """Write what sets a max price: Azure takes it while the VM is deallocated only (docs/azure-facts.md prices-8)."""
    vm_id = ("--ids", vm.vm_id)
    update = f"{shell_words('az', 'vm', 'update', *vm_id)} --set billingProfile.maxPrice={price}"
    if vm.power_state is PowerState.DEALLOCATED:
        return (update,)
    return (
        shell_words("az", "vm", "deallocate", *vm_id),
        update,
        shell_words("az", "vm", "start", *vm_id),
    )
