"""What PUT and PATCH of a VM may change: its tags, and while it is deallocated its size and its max price."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from localazure.resource_manager.compute.tags import checked_tags
from localazure.resource_manager.compute.vm_bodies import etag_of
from localazure.world.azure_errors import Refused, not_while_allocated, unchangeable
from localazure.world.machines import PowerState
from localazure.world.sizes import SIZES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from localazure.world.machines import Machine
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
    if size.lower() != machine.size.lower() and not is_deallocated:
        raise not_while_allocated(machine.name, "hardwareProfile.vmSize")
    check_size(machine, size)
    if max_price != machine.max_price and not is_deallocated:
        raise not_while_allocated(machine.name, "billingProfile.maxPrice")
    return Wanted(tags, size, float(max_price))


def check_size(machine: Machine, size: str) -> None:
    """Raise ``Refused`` where the VM could not take a size (docs/azure-facts.md sizes-2 to sizes-5, skus-1).

    Of a size that the world does not describe nothing is known: stories name sizes as they like.
    """
    own, to = _described(machine.size), _described(size)
    if own is None or to is None:
        return
    if own.architecture != to.architecture:
        raise Refused(409, "OperationNotAllowed", f"{_UNABLE} due to different CPU Architectures.")
    if (own.controllers or "SCSI") != (to.controllers or "SCSI"):
        text = f"The VM size '{to.name}' cannot boot with DiskControllerType '{own.controllers or 'SCSI'}'."
        raise Refused(400, "InvalidParameter", text)
    if machine.os == "Windows" and (own.temporary_gb > 0) != (to.temporary_gb > 0):
        text = "changing from resource disk to non-resource disk VM size and vice-versa is not allowed"
        raise Refused(409, "OperationNotAllowed", f"{_UNABLE} because {text}. Please refer to https://aka.ms/AAah4sj")
    if machine.is_spot and not to.is_spot_capable:
        text = f"Azure Spot is not supported for the VM size '{to.name}'."
        raise Refused(400, "AzureSpotIsNotSupportedForThisVMSize", text)


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
