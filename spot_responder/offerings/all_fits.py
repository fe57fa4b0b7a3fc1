"""Compares one VM with one size in all aspects. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spot_responder.offerings.fits import Aspect, Fit, Pair, unfit, unknown
from spot_responder.offerings.fits_in_place import place_findings
from spot_responder.offerings.fits_machine import machine_findings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spot_responder.offerings.skus import Sku
    from spot_responder.offerings.spot_cores import SpotCores
    from spot_responder.offerings.vm_shapes import VmShape


def fit_of(
    vm: VmShape, size: str, skus: Mapping[str, Sku] | None, cores: SpotCores | None, spot_price: float | None
) -> Fit:
    """Compare a VM with a size of its region.

    ``skus``: the sizes of that region, by name in lower case; ``None`` where they are not known now. ``spot_price``: of
    the new size, in USD an hour; ``None`` where it is unknown.
    """
    if size.lower() == vm.size.lower():
        return Fit((unfit(Aspect.SIZE, "it is the size that the VM has"),))
    if skus is None:
        return Fit((unknown(Aspect.OFFERED, f"which sizes Azure offers in {vm.location} is not known now"),))
    to = skus.get(size.lower())
    if to is None:
        return Fit((unfit(Aspect.OFFERED, f"Azure offers no size {size} in {vm.location}"),))
    pair = Pair(vm, skus.get(vm.size.lower()), to)
    return Fit((*place_findings(pair, cores, spot_price), *machine_findings(pair)))
