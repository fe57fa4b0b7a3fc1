"""A VM as Compute's API shows it: the body of GET, and the instance view. Resource Graph's rows are made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from localazure.world.machines import PowerState
from localazure.world.timestamps import guid, offset_time

if TYPE_CHECKING:
    from localazure.world.machines import Condition, Machine

_OS: Final = {"osName": "ubuntu", "osVersion": "22.04"}


def vm_body(machine: Machine, condition: Condition, *, expanded: bool) -> dict[str, object]:
    """Give the body of GET …/virtualMachines/{name}; ``expanded`` with ``$expand=instanceView``."""
    properties = vm_properties(machine, condition)
    if expanded:
        properties["instanceView"] = instance_view(machine, condition)
    body: dict[str, object] = {
        "name": machine.name,
        "id": machine.vm_id,
        "type": "Microsoft.Compute/virtualMachines",
        "location": machine.location,
        "tags": dict(condition.tags),
        "properties": properties,
        "etag": etag_of(machine),
        "identity": {"type": "SystemAssigned", "principalId": principal_of(machine)},
    }
    return body | ({"zones": [machine.zone]} if machine.zone else {})


def principal_of(machine: Machine) -> str:
    """Give the id of the VM's system-assigned identity; every VM here has one."""
    return guid("principal", machine.vm_id)


def etag_of(machine: Machine) -> str:
    """Give the VM's ETag. That it changes with the power state is an assumption (docs/azure-assumptions.md)."""
    return f'"{len(machine.conditions)}"'


def vm_properties(machine: Machine, condition: Condition) -> dict[str, object]:
    """Give ``properties`` of a VM, without its instance view. A regular VM has no ``priority`` at all."""
    properties: dict[str, object] = {
        "hardwareProfile": {"vmSize": machine.size},
        "provisioningState": condition.provisioning_state,
        "vmId": machine.unique_id,
        "storageProfile": _storage_profile(machine),
        "osProfile": {
            "computerName": machine.name,
            "adminUsername": "azureuser",
            "linuxConfiguration": {"disablePasswordAuthentication": True, "provisionVMAgent": True},
            "secrets": [],
            "allowExtensionOperations": True,
            "requireGuestProvisionSignal": True,
        },
        "networkProfile": {"networkInterfaces": [{"id": nic_id} for nic_id in nic_ids(machine)]},
        "timeCreated": offset_time(machine.created_at),
    }
    if machine.is_spot:
        properties["priority"] = machine.priority
        properties["evictionPolicy"] = machine.eviction_policy
        properties["billingProfile"] = {"maxPrice": machine.max_price}
    if machine.scale_set_id is not None:
        properties["virtualMachineScaleSet"] = {"id": machine.scale_set_id}
    return properties


def nic_ids(machine: Machine) -> list[str]:
    """Give the ids of a VM's network interfaces: the first has the VM's name, the others a number behind it."""
    numbers = ("", *(f"-{number}" for number in range(2, machine.hardware.nics + 1)))
    return [f"{_sibling(machine, 'Microsoft.Network/networkInterfaces')}{number}" for number in numbers]


def instance_view(machine: Machine, condition: Condition) -> dict[str, object]:
    """Give the instance view, which shows an eviction and a stop by the owner alike (docs/azure-facts.md arm-4)."""
    view: dict[str, object] = {
        "disks": [{"name": f"{machine.name}_OsDisk", "statuses": [_provisioned_ok(condition)]}],
        "hyperVGeneration": machine.hardware.generation,
        "statuses": [_provisioning_status(condition), power_status(condition)],
    }
    if condition.power_state is PowerState.RUNNING:
        ready = _provisioned_ok(condition) | {"displayStatus": "Ready", "message": "Guest Agent is running"}
        view |= {"computerName": machine.name, **_OS, "vmAgent": {"vmAgentVersion": "2.15.0.1", "statuses": [ready]}}
    return view


def power_status(condition: Condition) -> dict[str, str]:
    """Give the status that tells the power state."""
    return {
        "code": f"PowerState/{condition.power_state.value}",
        "level": "Info",
        "displayStatus": f"VM {condition.power_state.value}",
    }


def extended_properties(machine: Machine, condition: Condition) -> dict[str, object]:
    """Give ``properties`` as Resource Graph shows them: with ``extended.instanceView``."""
    generation = machine.hardware.generation
    view = {"computerName": machine.name, "hyperVGeneration": generation, **_OS, "powerState": power_status(condition)}
    return vm_properties(machine, condition) | {"extended": {"instanceView": view}}


def _provisioning_status(condition: Condition) -> dict[str, str]:
    if condition.failure is not None:
        return {
            "code": f"ProvisioningState/failed/{condition.failure.code}",
            "level": "Error",
            "displayStatus": "Provisioning failed",
            "message": condition.failure.message,
            "time": offset_time(condition.provisioned_at),
        }
    if condition.provisioning_state in {"Updating", "Deleting"}:
        word = condition.provisioning_state
        return {"code": f"ProvisioningState/{word.lower()}", "level": "Info", "displayStatus": word}
    return _provisioned_ok(condition)


def _provisioned_ok(condition: Condition) -> dict[str, str]:
    return {
        "code": "ProvisioningState/succeeded",
        "level": "Info",
        "displayStatus": "Provisioning succeeded",
        "time": offset_time(condition.provisioned_at),
    }


def _storage_profile(machine: Machine) -> dict[str, object]:
    return {
        "imageReference": {
            "publisher": "Canonical",
            "offer": "0001-com-ubuntu-server-jammy",
            "sku": "22_04-lts-gen2",
            "version": "latest",
        },
        "osDisk": {
            "osType": machine.os,
            "name": f"{machine.name}_OsDisk",
            "createOption": "FromImage",
            "caching": "ReadWrite",
            "managedDisk": {
                "id": _sibling(machine, "Microsoft.Compute/disks"),
                "storageAccountType": machine.hardware.disk_type,
            },
            "deleteOption": "Detach",
            "diskSizeGB": 30,
            **({"diffDiskSettings": {"option": "Local"}} if machine.hardware.has_ephemeral_os_disk else {}),
        },
        "dataDisks": [_data_disk(machine, lun) for lun in range(machine.hardware.data_disks)],
    }


def _data_disk(machine: Machine, lun: int) -> dict[str, object]:
    disk_id = f"{_sibling(machine, 'Microsoft.Compute/disks')}_{lun}"
    disk = {"id": disk_id, "storageAccountType": machine.hardware.disk_type}
    return {"lun": lun, "name": disk_id.rpartition("/")[2], "createOption": "Attach", "managedDisk": disk}


def _sibling(machine: Machine, kind: str) -> str:
    group = f"/subscriptions/{machine.subscription_id}/resourceGroups/{machine.resource_group}"
    return f"{group}/providers/{kind}/{machine.name}"
