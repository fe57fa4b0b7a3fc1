"""Whether a size has the hardware that a VM needs: processor, disks, network, security. Pure.

Called by ``all_fits.py``. The sources of the rules: docs/azure-facts.md sizes-2, sizes-3, sizes-4, sizes-5 and sizes-6.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from spot_responder.offerings.fits import Aspect, fits, has_what_is_used, is_enough, unfit, unknown
from spot_responder.offerings.prices import Os

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spot_responder.offerings.fits import Finding, Pair
    from spot_responder.offerings.skus import Sku

_SCSI: Final = "scsi"
_V2: Final = "v2"
_STANDARD: Final = "standard"
_TRUSTED_LAUNCH: Final = "trustedlaunch"
_CONFIDENTIAL: Final = "confidentialvm"
_LOCAL_DISK: Final = re.compile(r"[a-z]+_[a-z]+[0-9]+(-[0-9]+)?[a-z]*d[a-z]*_", re.IGNORECASE)
"""The name of a size with a local disk: ``Standard_D4ads_v6`` has a ``d`` between the cores and the version."""

_VERSION: Final = re.compile(r"_v([0-9]+)$", re.IGNORECASE)
_WITHOUT_DISK_ENCRYPTION: Final = 6
"""From this version of sizes on, Azure Disk Encryption does not work."""


class TemporaryDisk(StrEnum):
    """The classes between which a Windows VM cannot change."""

    SCSI = "a temporary disk on SCSI"
    NVME = "a temporary disk on NVMe"
    NONE = "no temporary disk"


def temporary_disk(sku: Sku) -> TemporaryDisk | None:
    """Give the class of a size; ``None`` where Azure does not tell."""
    megabytes = sku.number("MaxResourceVolumeMB")
    if megabytes is None:
        return None
    if megabytes > 0:
        return TemporaryDisk.SCSI
    has_nvme = (sku.number("NvmeDiskSizeInMiB") or 0) > 0 or _LOCAL_DISK.match(sku.name)
    return TemporaryDisk.NVME if has_nvme else TemporaryDisk.NONE


def machine_findings(pair: Pair) -> Iterator[Finding]:
    """Compare the hardware."""
    yield _architecture(pair)
    yield _generation(pair)
    yield _disk_controller(pair)
    yield _temporary_disk(pair)
    yield _networking(pair)
    yield _premium_disks(pair)
    yield is_enough(
        Aspect.DATA_DISKS, pair, used=pair.vm.data_disks, most=pair.to.number("MaxDataDiskCount"), what="data disks"
    )
    # Some sizes say 0, which no size has: docs/azure-facts.md skus-2.
    most_nics = pair.to.number("MaxNetworkInterfaces") or None
    yield is_enough(Aspect.NICS, pair, used=pair.vm.nics, most=most_nics, what="network interfaces")
    yield _security_type(pair)
    yield _encryption(pair)
    if pair.vm.has_ephemeral_os_disk:
        yield unfit(Aspect.EPHEMERAL_OS_DISK, "the VM's OS disk is ephemeral, so the VM cannot be deallocated")


def _architecture(pair: Pair) -> Finding:
    own = pair.own.words("CpuArchitectureType") if pair.own else frozenset()
    to = pair.to.words("CpuArchitectureType")
    if not own or not to:
        which = pair.to.name if own else pair.vm.size
        return unknown(Aspect.ARCHITECTURE, f"Azure does not say of which architecture {which} is")
    if own != to:
        told = f"{pair.to.name} is {_written(pair.to, 'CpuArchitectureType')}, the VM is not"
        return unfit(Aspect.ARCHITECTURE, told)
    return fits(Aspect.ARCHITECTURE)


def _generation(pair: Pair) -> Finding:
    to = pair.to.words("HyperVGenerations")
    own = pair.vm.generation.lower()
    if not to:
        return unknown(Aspect.GENERATION, f"Azure does not say which Hyper-V generations {pair.to.name} boots")
    if own in to or to >= {"v1", _V2}:
        return fits(Aspect.GENERATION)
    boots = f"{pair.to.name} boots Hyper-V generation {_written(pair.to, 'HyperVGenerations')} only"
    if not own:
        return unknown(Aspect.GENERATION, f"{boots}, and Azure does not say of which the VM is")
    return unfit(Aspect.GENERATION, f"{boots}, and the VM is of {pair.vm.generation}")


def _disk_controller(pair: Pair) -> Finding:
    own, to = own_disk_controller(pair), _disk_controllers(pair.to)
    if not own:
        # A change between SCSI and NVMe could keep it from booting.
        return unknown(Aspect.DISK_CONTROLLER, "Azure does not say which disk controller the VM has")
    if own not in to:
        told = f"the VM's disks are on {own}, and {pair.to.name} has {' and '.join(sorted(to))} only"
        return unfit(Aspect.DISK_CONTROLLER, told)
    return fits(Aspect.DISK_CONTROLLER)


def own_disk_controller(pair: Pair) -> str:
    """Give the controller that the VM has, in lower case; ``""`` where it cannot be told.

    ARM does not tell it of older VMs. Generation 1 has SCSI only; and a size with one controller leaves no other.
    """
    if pair.vm.disk_controller:
        return pair.vm.disk_controller.lower()
    if pair.vm.generation == "V1":
        return _SCSI
    of_size = _disk_controllers(pair.own) if pair.own else frozenset()
    return next(iter(of_size)) if len(of_size) == 1 else ""


def _disk_controllers(sku: Sku) -> frozenset[str]:
    """Give a size's controllers. Sizes that were there before NVMe do not tell: theirs is SCSI."""
    return sku.words("DiskControllerTypes") or frozenset({_SCSI})


def _temporary_disk(pair: Pair) -> Finding:
    own, to = temporary_disk(pair.own) if pair.own else None, temporary_disk(pair.to)
    if own is not None and own is to:
        return fits(Aspect.TEMPORARY_DISK)
    if own is None or to is None:
        which = pair.vm.size if own is None else pair.to.name
        told = f"Azure does not say whether {which} has a temporary disk"
        return fits(Aspect.TEMPORARY_DISK, told) if pair.vm.os is Os.LINUX else unknown(Aspect.TEMPORARY_DISK, told)
    change = f"{pair.vm.size} has {own}, {pair.to.name} has {to}"
    if pair.vm.os is None:
        return unknown(Aspect.TEMPORARY_DISK, f"{change}, and Azure does not say whether the VM runs Windows")
    if pair.vm.os is Os.WINDOWS:
        return unfit(Aspect.TEMPORARY_DISK, f"{change}, and Windows cannot change between them")
    return fits(Aspect.TEMPORARY_DISK, change)


def _networking(pair: Pair) -> Finding:
    return has_what_is_used(
        Aspect.NETWORKING,
        pair,
        used=pair.vm.has_accelerated_networking,
        has=pair.to.flag("AcceleratedNetworkingEnabled"),
        what="accelerated networking",
    )


def _premium_disks(pair: Pair) -> Finding:
    """Compare the disks' types; ARM need not tell them of a VM that is deallocated."""
    types = {each.lower() for each in pair.vm.disk_types}
    used = True if any(each.startswith("premium") for each in types) else None if "" in types else False
    premium = has_what_is_used(
        Aspect.PREMIUM_DISKS, pair, used=used, has=pair.to.flag("PremiumIO"), what="premium disks"
    )
    if any(each.startswith("ultra") for each in types) and pair.to.flag("UltraSSDAvailable") is not True:
        return unknown(
            Aspect.PREMIUM_DISKS, f"the VM has an ultra disk, and it is not known whether {pair.to.name} can"
        )
    return premium


def _security_type(pair: Pair) -> Finding:
    own, computing = pair.vm.security_type.lower(), pair.to.words("ConfidentialComputingType")
    name = pair.to.name
    if own == _TRUSTED_LAUNCH:
        if pair.to.flag("TrustedLaunchDisabled") is True or computing:
            return unfit(Aspect.SECURITY_TYPE, f"the VM has Trusted Launch, which {name} does not")
        return fits(Aspect.SECURITY_TYPE)
    if own == _CONFIDENTIAL:
        of_own = pair.own.words("ConfidentialComputingType") if pair.own else frozenset()
        if computing and not of_own:
            return unknown(Aspect.SECURITY_TYPE, f"Azure does not say how {pair.vm.size} is confidential")
        if computing and computing == of_own:
            return fits(Aspect.SECURITY_TYPE)
        return unfit(Aspect.SECURITY_TYPE, f"the VM is confidential, and {name} is not, or not in the same way")
    if own != _STANDARD:
        return unknown(Aspect.SECURITY_TYPE, f"the VM's security type {pair.vm.security_type} is not known here")
    if computing:
        return unknown(Aspect.SECURITY_TYPE, f"{name} is for confidential VMs, and may take no other")
    return fits(Aspect.SECURITY_TYPE)


def _encryption(pair: Pair) -> Finding:
    version = _VERSION.search(pair.to.name)
    if pair.vm.has_disk_encryption and version and int(version[1]) >= _WITHOUT_DISK_ENCRYPTION:
        return unfit(Aspect.ENCRYPTION, f"the VM uses Azure Disk Encryption, which does not work on {pair.to.name}")
    return has_what_is_used(
        Aspect.ENCRYPTION,
        pair,
        used=pair.vm.encrypts_at_host,
        has=pair.to.flag("EncryptionAtHostSupported"),
        what="encryption at host",
    )


def _written(sku: Sku, capability: str) -> str:
    return sku.capabilities[capability.lower()]
