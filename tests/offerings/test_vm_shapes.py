"""What of a VM decides which sizes it can become, read from ARM's answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from spot_responder.offerings.prices import Os
from spot_responder.offerings.vm_shapes import UnreadableVmError, nic_ids, read_vm_shape
from tests.offerings.sizes import vm

RECORDED = Path(__file__).parents[1] / "payloads" / "arm" / "vm_running_expanded.json"
NIC = {"properties": {"enableAcceleratedNetworking": True}}
PLAIN_NIC = {"properties": {"enableAcceleratedNetworking": False}}


def body(**properties: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever a VM has
    """Give a VM as ARM writes it."""
    usual: dict[str, Any] = {
        "hardwareProfile": {"vmSize": "Standard_D2s_v3"},
        "storageProfile": {
            "osDisk": {"osType": "Linux", "managedDisk": {"storageAccountType": "Premium_LRS"}},
            "dataDisks": [],
            "diskControllerType": "SCSI",
        },
        "networkProfile": {"networkInterfaces": [{"id": "/nic1"}]},
        "billingProfile": {"maxPrice": -1},
        "instanceView": {"hyperVGeneration": "v2"},
    }
    return {"location": "southcentralus", "properties": usual | properties}


def test_a_usual_vm() -> None:
    """All of it."""
    assert read_vm_shape(body(), [NIC]) == vm()


def test_a_recorded_vm() -> None:
    """Its disks are not managed, and ARM tells neither their type nor their controller."""
    read = read_vm_shape(json.loads(RECORDED.read_text(encoding="utf-8"))["body"], [None])
    assert (read.size, read.location, read.os, read.generation) == ("Standard_D2s_v5", "westeurope", Os.LINUX, "V2")
    assert (read.disk_controller, read.disk_types, read.has_accelerated_networking) == ("", ("",), None)
    assert (read.data_disks, read.nics, read.zone, read.max_price) == (0, 1, None, None)


def test_everything_that_a_vm_may_have() -> None:
    """Two disks, two network interfaces, a zone, a limit, and what binds it to its hardware."""
    disk = {"managedDisk": {"storageAccountType": "UltraSSD_LRS"}}
    os_disk = {
        "osType": "Windows",
        "managedDisk": {"storageAccountType": "Premium_ZRS"},
        "diffDiskSettings": {"option": "Local"},
        "encryptionSettings": {"enabled": True},
    }
    answer = body(
        storageProfile={"osDisk": os_disk, "dataDisks": [disk, {}], "diskControllerType": "NVMe"},
        networkProfile={"networkInterfaces": [{"id": "/nic1"}, {"id": "/nic2"}]},
        securityProfile={"securityType": "TrustedLaunch", "encryptionAtHost": True},
        proximityPlacementGroup={"id": "/group"},
        billingProfile={"maxPrice": 0.05},
    ) | {"zones": ["2"]}
    assert list(nic_ids(answer) or []) == ["/nic1", "/nic2"]
    assert read_vm_shape(answer, [PLAIN_NIC, NIC]) == vm(
        zone="2",
        os=Os.WINDOWS,
        disk_controller="NVMe",
        disk_types=("Premium_ZRS", "UltraSSD_LRS", ""),
        data_disks=2,
        nics=2,
        security_type="TrustedLaunch",
        encrypts_at_host=True,
        has_disk_encryption=True,
        has_ephemeral_os_disk=True,
        has_placement_group=True,
        max_price=0.05,
    )


@pytest.mark.parametrize(
    ("nics", "has"),
    [([NIC, None], True), ([PLAIN_NIC, None], None), ([PLAIN_NIC, PLAIN_NIC], False), ([{"properties": {}}], None)],
)
def test_network_interfaces_that_cannot_be_read(nics: list[Any], has: bool | None) -> None:  # noqa: FBT001 - a value
    """One that uses it is enough; that none does has to be known of each."""
    assert read_vm_shape(body(), nics).has_accelerated_networking is has


@pytest.mark.parametrize("profile", [{}, {"networkInterfaces": []}, {"networkInterfaces": [{"id": 1}]}])
def test_network_interfaces_that_are_not_told(profile: dict[str, Any]) -> None:
    """A VM has at least one, so an empty list tells nothing."""
    answer = body(networkProfile=profile)
    read = read_vm_shape(answer, [])
    assert (nic_ids(answer), read.nics, read.has_accelerated_networking) == (None, None, None)


def test_disks_and_systems_that_are_not_told() -> None:
    """They are not 0, and not Linux."""
    read = read_vm_shape(body(storageProfile={"osDisk": {"osType": "BeOS"}}), [NIC])
    assert (read.data_disks, read.os, read.disk_controller, read.disk_types) == (None, None, "", ("",))


@pytest.mark.parametrize(
    ("value", "limit"),
    [
        (-1, None),
        (-1.0, None),
        (None, None),
        (0.02, 0.02),
        ("0.02", None),
        pytest.param(10**400, None, id="400 digits"),
        (1e308, None),
    ],
)
def test_max_prices(value: object, limit: float | None) -> None:
    """-1 is no limit, and is no price either; nor does one limit anything that no price can reach."""
    assert read_vm_shape(body(billingProfile={"maxPrice": value}), [NIC]).max_price == limit


@pytest.mark.parametrize("answer", [{}, {"location": "westeurope"}, {"properties": body()["properties"]}])
def test_what_is_no_vm(answer: dict[str, Any]) -> None:
    """It says what is missing."""
    with pytest.raises(UnreadableVmError, match="no location, so it is no VM"):
        read_vm_shape(answer, [])
