"""Network interfaces, as far as ``az vm list -d`` reads them: one for each VM, without a public address."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from localazure.resource_manager.arm_resources import GROUP_PATH, SUBSCRIPTION_PATH, Resource, listed
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
    name = asked.match["name"].lower()
    found = [number for number, one in enumerate(_machines(asked)) if one.name.lower() == name]
    if not found:
        message = (
            f"The Resource '{_KIND}/{asked.match['name']}' under resource group '{asked.match['group']}' was not "
            "found. For more details please go to https://aka.ms/ARMResourceNotFoundFix"
        )
        raise Refused(404, "ResourceNotFound", message)
    return web.json_response(nic_body(_machines(asked)[found[0]], found[0]))


def _list(asked: Asked) -> web.Response:
    asked.authorize(READ)
    return listed([nic_body(machine, number) for number, machine in enumerate(_machines(asked))])


def _machines(asked: Asked) -> list[Machine]:
    """Give the VMs of a group or a subscription; a network interface outlives its VM."""
    beginning = asked.match[0].lower().partition("/providers/")[0]
    return [one for one in asked.access.world.machines() if one.vm_id.lower().startswith(f"{beginning}/")]


def nic_body(machine: Machine, number: int) -> dict[str, Any]:
    """Give the network interface of a VM, the so-manieth of its group."""
    group = f"/subscriptions/{machine.subscription_id}/resourceGroups/{machine.resource_group}"
    nic_id = f"{group}/providers/{_KIND}/{machine.name}"
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
        "enableAcceleratedNetworking": False,
        "enableIPForwarding": False,
        "primary": True,
        "nicType": "Standard",
    }
    if machine.deleted_at is None:
        properties["virtualMachine"] = {"id": machine.vm_id}
    return {
        "name": machine.name,
        "id": nic_id,
        "etag": etag,
        "type": _KIND,
        "location": machine.location,
        "properties": properties,
    }
