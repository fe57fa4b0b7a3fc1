"""Reads what of a VM decides which sizes it can become, from ARM's answers. Pure.

``fits.py`` compares it with a size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spot_responder.intake.payloads import field, text_field
from spot_responder.offerings.amounts import amount_of
from spot_responder.offerings.prices import Os

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class UnreadableVmError(ValueError):
    """ARM's answer is no VM; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class VmShape:
    """What of a VM a size must suit. ``None`` and ``""`` stand for what ARM did not tell.

    Attributes:
        generation: of its Hyper-V: ``V1`` or ``V2``.
        disk_controller: the one that it has, ``SCSI`` or ``NVMe``. Older VMs do not tell (docs/azure-facts.md sizes-3).
        disk_types: of the OS disk and each data disk, such as ``Premium_LRS``.
        has_accelerated_networking: whether one of its network interfaces asks for it.
        security_type: ``TrustedLaunch``, ``ConfidentialVM``; ``Standard`` where there is none.
        max_price: in USD an hour; ``None`` where it has no limit.
    """

    location: str
    size: str
    zone: str | None
    os: Os | None
    generation: str
    disk_controller: str
    disk_types: tuple[str, ...]
    data_disks: int | None
    nics: int | None
    has_accelerated_networking: bool | None
    security_type: str
    encrypts_at_host: bool
    has_disk_encryption: bool
    has_ephemeral_os_disk: bool
    has_placement_group: bool
    max_price: float | None


def nic_ids(vm: Mapping[str, object]) -> Sequence[str] | None:
    """Give the ids of a VM's network interfaces; ``None`` where ARM does not tell them."""
    nics = field(vm, "properties", "networkProfile", "networkInterfaces")
    ids = [text_field(nic, "id") for nic in nics] if isinstance(nics, list) else []
    return ids if ids and all(ids) else None


def read_vm_shape(vm: Mapping[str, object], nics: Sequence[Mapping[str, object] | None]) -> VmShape:
    """Read the body of GET VM with its instance view, and those of its network interfaces.

    ``nics``: ``None`` for one that could not be read.

    Raises:
        UnreadableVmError: it has no region or no size.
    """
    properties = field(vm, "properties")
    size, location = text_field(properties, "hardwareProfile", "vmSize"), text_field(vm, "location")
    if not size or not location:
        message = "ARM's answer has no properties.hardwareProfile.vmSize or no location, so it is no VM"
        raise UnreadableVmError(message)
    ids = nic_ids(vm)
    storage = field(properties, "storageProfile")
    os_disk, data_disks = field(storage, "osDisk"), field(storage, "dataDisks")
    disks = [os_disk, *(data_disks if isinstance(data_disks, list) else [])]
    zones = field(vm, "zones")
    return VmShape(
        location=location,
        size=size,
        zone=str(zones[0]) if isinstance(zones, list) and zones else None,
        os=_os(text_field(os_disk, "osType")),
        generation=text_field(properties, "instanceView", "hyperVGeneration").upper(),
        disk_controller=text_field(storage, "diskControllerType"),
        disk_types=tuple(text_field(disk, "managedDisk", "storageAccountType") for disk in disks),
        data_disks=len(data_disks) if isinstance(data_disks, list) else None,
        nics=len(ids) if ids is not None else None,
        has_accelerated_networking=_accelerated(nics if ids is not None else [None]),
        security_type=text_field(properties, "securityProfile", "securityType") or "Standard",
        encrypts_at_host=field(properties, "securityProfile", "encryptionAtHost") is True,
        has_disk_encryption=any(field(disk, "encryptionSettings", "enabled") is True for disk in disks),
        has_ephemeral_os_disk=bool(field(os_disk, "diffDiskSettings")),
        has_placement_group=bool(text_field(properties, "proximityPlacementGroup", "id")),
        max_price=amount_of(field(properties, "billingProfile", "maxPrice")),
    )


def _os(name: str) -> Os | None:
    return Os(name.lower()) if name.lower() in Os else None


def _accelerated(nics: Sequence[Mapping[str, object] | None]) -> bool | None:
    told = [field(nic, "properties", "enableAcceleratedNetworking") for nic in nics]
    if True in told:
        return True
    return False if all(each is False for each in told) else None
