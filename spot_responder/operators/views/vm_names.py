"""How VMs are called for people: by name where that is unique. Pure; called by commands and page."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from spot_responder.intake.vms import VmId


def names(vm_ids: Iterable[VmId]) -> Mapping[VmId, str]:
    """Name each VM among others: with its resource group if two share a name, by its id if that is shared too."""
    ids = set(vm_ids)
    alone = Counter(_name(vm_id) for vm_id in ids)
    in_group = Counter(_in_group(vm_id).lower() for vm_id in ids)

    def called(vm_id: VmId) -> str:
        if alone[_name(vm_id)] == 1:
            return vm_id.name
        return _in_group(vm_id) if in_group[_in_group(vm_id).lower()] == 1 else str(vm_id)

    return {vm_id: called(vm_id) for vm_id in ids}


def reference(vm_id: VmId, called: Mapping[VmId, str]) -> str:
    """Give how a command names the VM: by its name if it is called so, else by its id."""
    return vm_id.name if called[vm_id] == vm_id.name else str(vm_id)


def _name(vm_id: VmId) -> str:
    return vm_id.name.lower()


def _in_group(vm_id: VmId) -> str:
    return f"{vm_id.name} in {vm_id.resource_group}"
