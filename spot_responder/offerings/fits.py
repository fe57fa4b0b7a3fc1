"""Whether a deallocated Spot VM could become another size and start: each rule with its reason. Pure.

Azure has no list of the sizes that a VM may take: the one that it gives holds sizes that it then refuses
(docs/azure-facts.md sizes-1). So each refusal that is known is foreseen here. Where Azure did not tell what a rule
needs, its finding is *unknown*, which is neither yes nor no.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from spot_responder.offerings.skus import Sku
    from spot_responder.offerings.vm_shapes import VmShape


class Verdict(StrEnum):
    """Whether a size suits a VM, in one aspect or as a whole."""

    FITS = "fits"
    UNFIT = "unfit"
    UNKNOWN = "unknown"


class Aspect(StrEnum):
    """What is compared."""

    SIZE = "size"
    OFFERED = "offered"
    SPOT = "Spot"
    ARCHITECTURE = "architecture"
    GENERATION = "generation"
    DISK_CONTROLLER = "disk controller"
    TEMPORARY_DISK = "temporary disk"
    NETWORKING = "accelerated networking"
    PREMIUM_DISKS = "premium disks"
    DATA_DISKS = "data disks"
    NICS = "network interfaces"
    ZONE = "zone"
    SECURITY_TYPE = "security type"
    ENCRYPTION = "encryption"
    EPHEMERAL_OS_DISK = "ephemeral OS disk"
    PLACEMENT_GROUP = "proximity placement group"
    QUOTA = "quota"
    PRICE = "price"


_AZURE_REFUSES: Final = frozenset(
    {
        Aspect.SPOT,
        Aspect.NETWORKING,
        Aspect.PREMIUM_DISKS,
        Aspect.DATA_DISKS,
        Aspect.NICS,
        Aspect.PLACEMENT_GROUP,
        Aspect.QUOTA,
        Aspect.PRICE,
    }
)
"""The aspects in which a size that does not suit is refused by Azure, and nothing else happens. In the others the VM
might be changed, and then not boot."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one comparison came to. ``told`` is one sentence without its full stop; ``""`` where nothing is to say."""

    aspect: Aspect
    verdict: Verdict
    told: str = ""


@dataclass(frozen=True, slots=True)
class Fit:
    """All comparisons of one size with one VM."""

    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """One aspect that does not fit is enough; without one, anything unknown leaves the whole unknown."""
        verdicts = {finding.verdict for finding in self.findings}
        return next((each for each in (Verdict.UNFIT, Verdict.UNKNOWN) if each in verdicts), Verdict.FITS)

    @property
    def may_be_tried(self) -> bool:
        """Whether nothing speaks against it; what is unknown must be such that Azure would refuse it."""
        return all(
            each.verdict is Verdict.FITS or (each.verdict is Verdict.UNKNOWN and each.aspect in _AZURE_REFUSES)
            for each in self.findings
        )

    @property
    def because(self) -> tuple[Finding, ...]:
        """The findings that led to the verdict; where it fits, those that have something to tell."""
        return tuple(each for each in self.findings if each.verdict is self.verdict and each.told)


@dataclass(frozen=True, slots=True)
class Pair:
    """A VM, and the size that it might become. ``own``: the size that it has; ``None`` where Azure does not tell."""

    vm: VmShape
    own: Sku | None
    to: Sku


def fits(aspect: Aspect, told: str = "") -> Finding:
    """Find that it fits."""
    return Finding(aspect, Verdict.FITS, told)


def unfit(aspect: Aspect, told: str) -> Finding:
    """Find that Azure would refuse it, or that the VM would not come up."""
    return Finding(aspect, Verdict.UNFIT, told)


def unknown(aspect: Aspect, told: str) -> Finding:
    """Find that it cannot be told."""
    return Finding(aspect, Verdict.UNKNOWN, told)


def has_what_is_used(aspect: Aspect, pair: Pair, *, used: bool | None, has: bool | None, what: str) -> Finding:
    """Compare what a VM uses with what a size has, for anything that a VM uses or does not."""
    if used is False or has is True:
        return fits(aspect)
    if has is None:
        return unknown(aspect, f"Azure does not say whether {pair.to.name} has {what}")
    if used is None:
        return unknown(aspect, f"{pair.to.name} has no {what}, and it is not known whether the VM uses it")
    return unfit(aspect, f"the VM uses {what}, which {pair.to.name} does not have")


def is_enough(aspect: Aspect, pair: Pair, *, used: int | None, most: float | None, what: str) -> Finding:
    """Compare a number of things that a VM has with the most that a size takes."""
    if used == 0:
        return fits(aspect)
    if used is None or most is None:
        who = "how many the VM has" if used is None else f"how many {pair.to.name} takes"
        return unknown(aspect, f"{what}: Azure does not say {who}")
    if used > most:
        return unfit(aspect, f"the VM has {used} {what}, and {pair.to.name} takes {most:g}")
    return fits(aspect)
