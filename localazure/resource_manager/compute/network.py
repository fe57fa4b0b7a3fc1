"""Network interfaces, as far as ``az vm list -d`` and the app read them, without a public address."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from localazure.resource_manager.arm_resources import GROUP_PATH, SUBSCRIPTION_PATH, Resource, listed
from localazure.resource_manager.compute.vm_bodies import nic_ids
from localazure.world.azure_errors import Refused
from localazure.world.timestamps import guid

if TYPE_CHECKING:
    from localazure.resource_manager.arm_resources import Asked
    from localazure.world.machines import Machine

READ: Final = "Microsoft.Network/networkInterfaces/read"
_KIND: Final = "Microsoft.Network/networkInterfaces"
_PATH: Final = r"/providers/microsoft\.network/networkinterfaces"


def resources() -> tuple[Resource, ...]:
    """Give the network interfaces, one by one and as lists."""
    return (
        Resource(_KIND, rf"{GROUP_PATH}{_PATH}/(?P<name>[^/]+)", {"GET": _get}),
        Resource(_KIND, GROUP_PATH + _PATH, {"GET": _list}),
        Resource(_KIND, SUBSCRIPTION_PATH + _PATH, {"GET": _list}),
    )


def _get(asked: Asked) -> web.Response:
    asked.authorize(READ)
    path = asked.request.path.lower()
    here = [(machine, number, nic_id) for number, machine in enumerate(_machines(asked)) for nic_id in nic_ids(machine)]
    found = [(machine, number, nic_id) for machine, number, nic_id in here if nic_id.lower() == path]
    if not found:
        message = (
            f"The Resource '{_KIND}/{asked.match['name']}' under resource group '{asked.match['group']}' was not "
            "found. For more details please go to https://aka.ms/ARMResourceNotFoundFix"
        )
        raise Refused(404, "ResourceNotFound", message)
    machine, number, nic_id = found[0]
    return web.json_response(nic_body(machine, number, nic_id))


def _list(asked: Asked) -> web.Response:
    asked.authorize(READ)
    here = [(machine, number, nic_id) for number, machine in enumerate(_machines(asked)) for nic_id in nic_ids(machine)]
    return listed([nic_body(machine, number, nic_id) for machine, number, nic_id in here])


def _machines(asked: Asked) -> list[Machine]:
    """Give the VMs of a group or a subscription; a network interface outlives its VM."""
    beginning = asked.match[0].lower().partition("/providers/")[0]
    return [one for one in asked.access.world.machines() if one.vm_id.lower().startswith(f"{beginning}/")]


def nic_body(machine: Machine, number: int, nic_id: str) -> dict[str, Any]:
    """Give a network interface of a VM, the so-manieth VM of its group."""
    group = f"/subscriptions/{machine.subscription_id}/resourceGroups/{machine.resource_group}"
    etag = f'W/"{guid("etag", nic_id)}"'
    mac = hashlib.sha256(nic_id.lower().encode()).hexdigest()[:6].upper()
    properties: dict[str, Any] = {
        "provisioningState": "Succeeded",
        "resourceGuid": guid("nic", nic_id),
        "ipConfigurations": [
            {
                "name": "ipconfig1",
                "id": f"{nic_id}/ipConfigurations/ipconfig1",
                "etag": etag,
                "type": f"{_KIND}/ipConfigurations",
                "properties": {
                    "provisioningState": "Succeeded",
                    "privateIPAddress": f"10.0.{(number + 4) // 250}.{(number + 4) % 250}",
                    "privateIPAllocationMethod": "Dynamic",
                    "subnet": {"id": f"{group}/providers/Microsoft.Network/virtualNetworks/vnet/subnets/default"},
                    "primary": True,
                    "privateIPAddressVersion": "IPv4",
                },
            }
        ],
        "dnsSettings": {"dnsServers": [], "appliedDnsServers": []},
        "macAddress": f"00-0D-3A-{mac[:2]}-{mac[2:4]}-{mac[4:]}",
        "enableAcceleratedNetworking": machine.hardware.has_accelerated_networking,
        "enableIPForwarding": False,
        "primary": nic_id == nic_ids(machine)[0],
        "nicType": "Standard",
    }
    if machine.deleted_at is None:
        properties["virtualMachine"] = {"id": machine.vm_id}
    return {
        "name": nic_id.rpartition("/")[2],
        "id": nic_id,
        "etag": etag,
        "type": _KIND,
        "location": machine.location,
        "properties": properties,
    }
