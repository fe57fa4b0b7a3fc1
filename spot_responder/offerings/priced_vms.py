"""A VM with what its price depends on. Pure; read by ``clients/graph.py``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spot_responder.intake.vms import PowerState, VmId
    from spot_responder.offerings.prices import Os


@dataclass(frozen=True, slots=True)
class PricedVm:
    """What a VM's price depends on, as Resource Graph shows it. ``max_price``: ``None`` is no limit."""

    vm_id: VmId
    location: str
    size: str
    os: Os | None
    max_price: float | None
    power_state: PowerState
