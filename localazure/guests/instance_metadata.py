"""What a VM reads about itself: ``/metadata/instance/compute`` and ``/metadata/loadbalancer``. Pure.

Shapes: azure-rest-api-specs, ``specification/imds``, and Microsoft's "Retrieve load balancer metadata". Called by
``metadata_answers.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from localazure.world.machines import Machine

VERSIONS: Final = (
    "2017-04-02",
    "2017-08-01",
    "2017-10-01",
    "2017-12-01",
    "2018-02-01",
    "2018-04-02",
    "2018-10-01",
    "2019-02-01",
    "2019-03-11",
    "2019-04-30",
    "2019-06-01",
    "2019-06-04",
    "2019-08-01",
    "2019-08-15",
    "2019-11-01",
    "2020-06-01",
    "2020-07-15",
    "2020-09-01",
    "2020-10-01",
    "2020-12-01",
    "2021-01-01",
    "2021-02-01",
    "2021-03-01",
    "2021-05-01",
    "2021-10-01",
    "2021-11-01",
    "2021-11-15",
    "2021-12-13",
    "2023-07-01",
    "2023-11-15",
    "2024-03-15",
    "2024-07-17",
    "2025-04-07",
)

LOAD_BALANCER_SINCE: Final = "2020-10-01"

# What is not here is there since the first version.
_SINCE: Final = {
    "additionalCapabilities": "2021-11-01",
    "extendedLocation": "2021-03-01",
    "licenseType": "2020-09-01",
    "plan": "2018-04-02",
    "platformSubFaultDomain": "2021-10-01",
    "publicKeys": "2018-04-02",
    "securityProfile": "2020-06-01",
    "azEnvironment": "2018-10-01",
    "resourceGroupName": "2017-08-01",
    "subscriptionId": "2017-08-01",
    "tags": "2017-08-01",
    "vmScaleSetName": "2017-12-01",
    "zone": "2017-12-01",
    "provider": "2018-10-01",
    "resourceId": "2019-03-11",
    "tagsList": "2019-06-04",
    "osProfile": "2020-07-15",
    "isHostCompatibilityLayerVm": "2020-06-01",
    "evictionPolicy": "2020-12-01",
    "priority": "2020-12-01",
    "userData": "2021-01-01",
    "virtualMachineScaleSet": "2021-03-01",
    "physicalZone": "2023-11-15",
}


@dataclass(frozen=True, slots=True)
class InboundRule:
    """A rule of a Standard load balancer that brings traffic to the VM."""

    frontend_port: int
    backend_port: int
    protocol: str = "tcp"
    frontend_address: str = "203.0.113.10"


def instance(machine: Machine, version: str) -> dict[str, object]:
    """Give the body of ``/metadata/instance``. The laptop's VMs have no network of their own."""
    return {"compute": compute(machine, version), "network": {"interface": []}}


def compute(machine: Machine, version: str) -> dict[str, object]:
    """Give the body of ``/metadata/instance/compute``: every value a text, ``""`` where there is none."""
    scale_set = machine.scale_set_id or ""
    fields: dict[str, object] = {
        "additionalCapabilities": {"hibernationEnabled": "false"},
        "azEnvironment": "AzurePublicCloud",
        # Lower case, as in the sample of the specification.
        "evictionPolicy": machine.eviction_policy.lower() if machine.is_spot else "",
        "extendedLocation": {"name": "", "type": ""},
        "isHostCompatibilityLayerVm": "false",
        "licenseType": "",
        "location": machine.location,
        "name": machine.name,
        "offer": "0001-com-ubuntu-server-jammy",
        "osProfile": {
            "adminUsername": "azureuser",
            "computerName": machine.name,
            "disablePasswordAuthentication": "true",
        },
        "osType": "Linux",
        "physicalZone": f"{machine.location}-az{machine.zone}" if machine.zone else "",
        "placementGroupId": "",
        "plan": {"name": "", "product": "", "publisher": ""},
        "platformFaultDomain": "0",
        "platformSubFaultDomain": "",
        "platformUpdateDomain": "0",
        "priority": machine.priority,
        "provider": "Microsoft.Compute",
        "publicKeys": [],
        "publisher": "canonical",
        "resourceGroupName": machine.resource_group,
        "resourceId": machine.vm_id,
        "securityProfile": {"secureBootEnabled": "false", "virtualTpmEnabled": "false"},
        "sku": "22_04-lts-gen2",
        "subscriptionId": machine.subscription_id,
        "tags": ";".join(f"{name}:{value}" for name, value in machine.tags.items()),
        "tagsList": [{"name": name, "value": value} for name, value in machine.tags.items()],
        "userData": "",
        "version": "22.04.202511160",
        "virtualMachineScaleSet": {"id": scale_set},
        "vmId": machine.unique_id,
        "vmScaleSetName": scale_set.rpartition("/")[2],
        "vmSize": machine.size,
        "zone": machine.zone or "",
    }
    return {name: value for name, value in fields.items() if _SINCE.get(name, "") <= version}


def load_balancer(rules: tuple[InboundRule, ...]) -> dict[str, object]:
    """Give the body of ``/metadata/loadbalancer``. Its ports are numbers."""
    inbound = [
        {
            "frontendIpAddress": rule.frontend_address,
            "protocol": rule.protocol,
            "frontendPort": rule.frontend_port,
            "backendPort": rule.backend_port,
            "privateIpAddress": _PRIVATE_ADDRESS,
        }
        for rule in rules
    ]
    return {"loadbalancer": {"publicIpAddresses": [], "inboundRules": inbound, "outboundRules": []}}


_PRIVATE_ADDRESS: Final = "10.1.0.4"
