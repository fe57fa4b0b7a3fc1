"""What PUT and PATCH of a VM may change: its tags, and while it is deallocated its size and its max price."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from localazure.resource_manager.compute.tags import checked_tags
from localazure.resource_manager.compute.vm_bodies import etag_of
from localazure.world.azure_errors import Refused, not_while_allocated, ongoing_operation, unchangeable
from localazure.world.machines import PowerState
from localazure.world.sizes import SIZES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from localazure.world.machines import Hardware, Machine
    from localazure.world.sizes import Size


_UNABLE: Final = "Unable to resize the VM"
"""The beginning of what Azure says then; the wording of the rest is reported only in part."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a VM is to be."""

    tags: Mapping[str, str]
    size: str
    max_price: float


def read_put(content: Mapping[str, Any], machine: Machine) -> Wanted:
    """Read a whole VM: what is not said of tags is gone. Raises ``Refused`` 400 or 409."""
    _keep("location", str(content.get("location", "")).replace(" ", ""), machine.location)
    return _wanted(content, machine, checked_tags(content.get("tags") or {}))


def read_patch(content: Mapping[str, Any], machine: Machine) -> Wanted:
    """Read a part of a VM: what is not said stays. Raises ``Refused`` 400 or 409."""
    tags = content.get("tags")
    return _wanted(content, machine, machine.tags if tags is None else checked_tags(tags))


def check_etag(machine: Machine, etag: str | None) -> None:
    """Raise ``Refused`` 412 where the VM is not the one that was read. The wording is ours: no recording was found."""
    if etag not in {None, "*", etag_of(machine)}:
        message = f"The VM '{machine.name}' was changed meanwhile: its ETag is not {etag}."
        raise Refused(412, "ConditionNotMet", message)


def _wanted(content: Mapping[str, Any], machine: Machine, tags: Mapping[str, str]) -> Wanted:
    properties = _object(content, "properties")
    _keep("priority", str(properties.get("priority") or machine.priority), machine.priority)
    _keep("evictionPolicy", str(properties.get("evictionPolicy") or machine.eviction_policy), machine.eviction_policy)
    size = str(_object(properties, "hardwareProfile").get("vmSize") or machine.size)
    max_price = _object(properties, "billingProfile").get("maxPrice", machine.max_price)
    if isinstance(max_price, bool) or not isinstance(max_price, int | float):
        raise Refused(400, "InvalidParameter", "The value of parameter billingProfile.maxPrice is invalid.")
    is_deallocated = machine.power_state is PowerState.DEALLOCATED
    if size.lower() != machine.size.lower():
        # One that runs is restarted (docs/azure-facts.md sizes-7).
        if machine.power_state in {PowerState.STARTING, PowerState.STOPPING, PowerState.DEALLOCATING}:
            raise ongoing_operation(machine.name, machine.power_state, "Update")
        check_size(machine, size)
    if max_price != machine.max_price and not is_deallocated:
        raise not_while_allocated(machine.name, "billingProfile.maxPrice")
    return Wanted(tags, size, float(max_price))


def check_size(machine: Machine, size: str) -> None:
    """Raise ``Refused`` where the VM could not take a size (docs/azure-facts.md sizes-2 to sizes-6, skus-1).

    Of a size that the world does not describe nothing is known: stories name sizes as they like.
    """
    own, to = _described(machine.size), _described(size)
    if own is None or to is None:
        return
    refusal = _of_hardware(machine, own, to) or _of_parts(machine.hardware, to)
    if refusal is None and machine.is_spot and not to.is_spot_capable:
        text = f"Azure Spot is not supported for the VM size '{to.name}'."
        refusal = Refused(400, "AzureSpotIsNotSupportedForThisVMSize", text)
    if refusal is not None:
        raise refusal


def _of_hardware(machine: Machine, own: Size, to: Size) -> Refused | None:
    """Refuse a size in which the VM would not boot."""
    generation, controller = machine.hardware.generation, own.controllers or "SCSI"
    if own.architecture != to.architecture:
        return Refused(409, "OperationNotAllowed", f"{_UNABLE} due to different CPU Architectures.")
    if generation not in to.generations.split(","):
        text = f"The VM size '{to.name}' cannot boot Hypervisor Generation '{generation.removeprefix('V')}'."
        return Refused(400, "BadRequest", text)
    if controller != (to.controllers or "SCSI"):
        text = f"The VM size '{to.name}' cannot boot with DiskControllerType '{controller}'."
        return Refused(400, "InvalidParameter", text)
    if machine.os == "Windows" and _temporary_disk(own) != _temporary_disk(to):
        text = "changing from resource disk to non-resource disk VM size and vice-versa is not allowed"
        return Refused(409, "OperationNotAllowed", f"{_UNABLE} because {text}. Please refer to https://aka.ms/AAah4sj")
    return None


def _of_parts(hardware: Hardware, to: Size) -> Refused | None:
    """Refuse a size that does not take what is attached. Where no recording was found the wording is ours."""
    if hardware.has_accelerated_networking and not to.has_accelerated_networking:
        text = f"VM size {to.name} is not permitted to enable accelerated networking."
        return Refused(400, "VMSizeIsNotPermittedToEnableAcceleratedNetworking", text)
    if hardware.disk_type.startswith("Premium") and not to.has_premium_disks:
        text = f"Requested operation cannot be performed because the VM size {to.name} does not support premium disks."
        return Refused(409, "OperationNotAllowed", text)
    if hardware.data_disks > to.data_disks:
        text = f"The maximum number of data disks allowed to be attached to a VM of this size is {to.data_disks}."
        return Refused(409, "OperationNotAllowed", text)
    if hardware.nics > to.nics:
        text = f"The number of network interfaces exceeds the maximum allowed for the virtual machine size {to.name}."
        return Refused(400, "NetworkInterfaceCountExceeded", text)
    if hardware.has_ephemeral_os_disk:
        return Refused(409, "OperationNotAllowed", f"{_UNABLE} because its OS disk is ephemeral.")
    return None


def _temporary_disk(size: Size) -> str:
    return "SCSI" if size.temporary_gb else "NVMe" if size.nvme_mib else ""


def _described(name: str) -> Size | None:
    return next((size for size in SIZES if size.name.lower() == name.lower()), None)


def _keep(name: str, asked: str, now: str) -> None:
    if asked.lower() != now.lower():
        raise unchangeable(name)


def _object(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = content.get(name) or {}
    if not isinstance(value, dict):
        raise Refused(400, "InvalidRequestContent", f"The request content was invalid: '{name}' must be an object.")
    return value
