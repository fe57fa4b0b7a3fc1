"""Whether a size may be had where a VM is: offered, as Spot, in its zone, within quota and max price. Pure.

Called by ``all_fits.py``. The sources of the rules: docs/azure-facts.md skus-1, skus-3 and prices-8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spot_responder.offerings.fits import Aspect, fits, unfit, unknown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spot_responder.offerings.fits import Finding, Pair
    from spot_responder.offerings.spot_cores import SpotCores


def place_findings(pair: Pair, cores: SpotCores | None, spot_price: float | None) -> Iterator[Finding]:
    """Compare the place. ``spot_price``: of the new size, in USD an hour; ``None`` where it is unknown."""
    yield _offered(pair)
    yield _spot(pair)
    yield _zone(pair)
    if pair.vm.has_placement_group:
        told = f"the VM is in a proximity placement group, whose hardware may not have {pair.to.name}"
        yield unknown(Aspect.PLACEMENT_GROUP, told)
    yield _quota(pair, cores)
    yield _price(pair, spot_price)


def _offered(pair: Pair) -> Finding:
    name, place = pair.to.name, pair.vm.location
    if pair.to.refused:
        return unfit(Aspect.OFFERED, f"Azure does not offer {name} to this subscription in {place} ({pair.to.refused})")
    kinds = pair.to.words("VMDeploymentTypes")
    if kinds and "iaas" not in kinds:
        return unfit(Aspect.OFFERED, f"{name} is not for virtual machines")
    if pair.to.odd_restriction:
        return unknown(Aspect.OFFERED, f"{name} has a restriction that is not known here: {pair.to.odd_restriction}")
    return fits(Aspect.OFFERED)


def _spot(pair: Pair) -> Finding:
    is_capable = pair.to.flag("LowPriorityCapable")
    if is_capable is None:
        return unknown(Aspect.SPOT, f"Azure does not say whether {pair.to.name} can be Spot")
    return fits(Aspect.SPOT) if is_capable else unfit(Aspect.SPOT, f"{pair.to.name} cannot be Spot")


def _zone(pair: Pair) -> Finding:
    if pair.vm.zone is None or pair.vm.zone in pair.to.zones:
        return fits(Aspect.ZONE)
    there = f"in zone {', '.join(sorted(pair.to.zones))} only" if pair.to.zones else "in no zone"
    return unfit(Aspect.ZONE, f"the VM is in zone {pair.vm.zone}, and {pair.to.name} is offered {there}")


def _quota(pair: Pair, cores: SpotCores | None) -> Finding:
    """Compare the difference: the cores of a VM that is deallocated count already."""
    own = pair.own.number("vCPUs") if pair.own else None
    to = pair.to.number("vCPUs")
    if own is None or to is None:
        which = pair.to.name if to is None else pair.vm.size
        return unknown(Aspect.QUOTA, f"Azure does not say how many cores {which} has")
    more = to - own
    if more <= 0:
        return fits(Aspect.QUOTA)
    if cores is None:
        return unknown(Aspect.QUOTA, f"it takes {more:g} Spot cores more, and how many are left is not known")
    if more > cores.spare:
        told = f"it takes {more:g} Spot cores more, and {cores.spare} of {cores.limit} are left in {pair.vm.location}"
        return unfit(Aspect.QUOTA, told)
    return fits(Aspect.QUOTA)


def _price(pair: Pair, spot_price: float | None) -> Finding:
    limit = pair.vm.max_price
    if limit is None:
        return fits(Aspect.PRICE)
    if spot_price is None:
        told = f"the VM's max price is {limit:g} USD an hour, and the Spot price of {pair.to.name} is not known"
        return unknown(Aspect.PRICE, told)
    if spot_price == limit:
        # docs/azure-facts.md prices-8: Azure's pages disagree about a max price that is just enough.
        return unknown(Aspect.PRICE, f"{pair.to.name} costs just what the VM's max price is, {limit:g} USD an hour")
    if spot_price > limit:
        told = f"{pair.to.name} costs {spot_price:g} USD an hour, more than the VM's max price of {limit:g}"
        return unfit(Aspect.PRICE, told)
    return fits(Aspect.PRICE)
