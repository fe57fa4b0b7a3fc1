"""Step *machine*: one small Spot VM, and what can be seen of it while it runs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from spot_responder.intake.vms import PowerState
from spot_responder.trial.field import COMPUTE, NETWORK, RESOURCES, StepFailedError
from spot_responder.trial.views.observations import Mark

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spot_responder.trial.field import Field

RESTART_TAG: Final = "SpotResponderTrialRestart"
"""A tag of the trial's own in the place of the app's: no app that watches the subscription takes the VM for its own."""
_USER: Final = "trial"


async def machine(field: Field) -> None:
    """Create the VM, and try what does no harm to it.

    Raises:
        StepFailedError: if it is refused, or does not run in time.
    """
    interface = await _network(field)
    field.mark(Mark.CREATED)
    body = vm_body(field, field.plan.size, interface)
    answer = await field.make("VM", field.plan.vm, COMPUTE, body)
    if answer.was_refused:
        message = f"VM: {answer.told()}"
        raise StepFailedError(message)
    field.seen.vm_id = field.plan.vm
    if not await field.until(lambda: field.seen.state() is PowerState.RUNNING, field.waits.created):
        message = f"VM: not running within {field.waits.created:.0f} s"
        raise StepFailedError(message)
    await field.until(lambda: any(each.state is not None for each in field.seen.shown), field.waits.graph)
    await _tags(field)
    if not await field.until(lambda: any(each.what == "service" for each in field.seen.heard), field.waits.listener):
        why = field.seen.missed.get("listener", "it printed nothing")
        field.tell(f"the listener inside the VM was not heard within {field.waits.listener:.0f} s: {why}")
    nobody = f"{field.plan.group}/providers/Microsoft.Compute/virtualMachines/nobody-{field.plan.run}"
    await field.ask("VM that is not there", "GET", nobody, COMPUTE)
    await field.ask("start of nobody", "POST", f"{nobody}/start", COMPUTE)
    await field.ask("start of a running VM", "POST", f"{field.plan.vm}/start", COMPUTE)
    await asyncio.sleep(field.waits.look)
    await field.ask("VM after the start of a running VM", "GET", f"{field.plan.vm}/instanceView", COMPUTE)


async def _network(field: Field) -> str:
    """Create what a VM needs to have a place in a network. Nothing leads into it: no public address."""
    network = f"{field.plan.group}/providers/Microsoft.Network/virtualNetworks/witness"
    subnet = {"name": "default", "properties": {"addressPrefix": "10.77.0.0/28", "defaultOutboundAccess": False}}
    space = {"addressSpace": {"addressPrefixes": ["10.77.0.0/28"]}, "subnets": [subnet]}
    place = {"location": field.plan.location}
    await field.need("network", network, NETWORK, {**place, "properties": space})
    interface = f"{field.plan.group}/providers/Microsoft.Network/networkInterfaces/witness"
    address = {"name": "ip", "properties": {"subnet": {"id": f"{network}/subnets/default"}}}
    await field.need("interface", interface, NETWORK, {**place, "properties": {"ipConfigurations": [address]}})
    return interface


async def _tags(field: Field) -> None:
    """Write a tag and read it at once, then write it in another casing."""
    path = f"{field.plan.vm}/providers/Microsoft.Resources/tags/default"

    def merge(name: str) -> dict[str, object]:
        return {"operation": "Merge", "properties": {"tags": {name: field.plan.run}}}

    await field.ask("tag written", "PATCH", path, RESOURCES, merge("moment"))
    await field.ask_once("VM right after the tag", "GET", f"{field.plan.vm}?$expand=instanceView", COMPUTE)
    await field.ask("tag in another casing", "PATCH", path, RESOURCES, merge("MOMENT"))


def vm_body(field: Field, size: str, interface: str) -> Mapping[str, object]:
    """Give the body of a small Spot VM, which ceases to be paid for when its price passes the trial's limit."""
    image = {"publisher": "Canonical", "offer": "ubuntu-24_04-lts", "sku": "server", "version": "latest"}
    key = {"path": f"/home/{_USER}/.ssh/authorized_keys", "keyData": field.azure.public_key()}
    return {
        "location": field.plan.location,
        "identity": {"type": "SystemAssigned"},
        "tags": {RESTART_TAG.swapcase(): "true"},
        "properties": {
            "hardwareProfile": {"vmSize": size},
            "priority": "Spot",
            "evictionPolicy": "Deallocate",
            "billingProfile": {"maxPrice": field.plan.max_price},
            "storageProfile": {
                "imageReference": image,
                "osDisk": {
                    "createOption": "FromImage",
                    "deleteOption": "Delete",
                    "managedDisk": {"storageAccountType": "StandardSSD_LRS"},
                },
            },
            "diagnosticsProfile": {"bootDiagnostics": {"enabled": True}},
            "osProfile": {
                "computerName": "witness",
                "customData": field.azure.custom_data(),
                "adminUsername": _USER,
                "linuxConfiguration": {"disablePasswordAuthentication": True, "ssh": {"publicKeys": [key]}},
            },
            "networkProfile": {
                "networkInterfaces": [{"id": interface, "properties": {"primary": True, "deleteOption": "Delete"}}]
            },
        },
    }
