"""The client that changes sizes: Microsoft's own over TLS, against the laptop Azure."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest
from azure.mgmt.compute.aio import ComputeManagementClient

from localazure.resource_manager.compute.vm_bodies import etag_of
from localazure.world.world import SUBSCRIPTION
from spot_responder.clients.compute import Compute
from spot_responder.clients.offerings.notes import Notes
from spot_responder.clients.offerings.resizer import Resizer
from spot_responder.intake.azure_errors import FailureKind
from spot_responder.intake.vms import VmId
from spot_responder.responder.ports import AzureRefusedError
from tests.harness.fronts import Credential
from tests.localazure.resource_manager.test_arm_owner import play

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness.fronts import Front

VM_ID = VmId(SUBSCRIPTION, "rg1", "vm1")


async def resized(front: Front, size: str, who: str = "resizer", etag: str | None = None) -> str | None:
    """Read the VM as the app does, and ask for another size; ``etag``: another than the one that was read."""
    async with client(front, "responder") as reading, client(front, who) as writing:
        vm = await Compute(front.url, lambda _: reading).current(VM_ID)
        assert vm is not None
        assert vm.etag == etag_of(front.world.machine("vm1"))
        return await Resizer(lambda _: writing).resize(vm if etag is None else replace(vm, etag=etag), size)


def client(front: Front, who: str) -> ComputeManagementClient:
    """Open Microsoft's client, as a principal."""
    return ComputeManagementClient(
        Credential(who), SUBSCRIPTION, base_url=front.url, connection_verify=front.ca_file, retry_total=0
    )


def down(front: Front, **fields: Any) -> None:  # noqa: ANN401 - whatever a VM has
    """Let the VM be deallocated."""
    machine = front.world.machine("vm1")
    for name, value in fields.items():
        setattr(machine, name, value)
    front.world.stop_by_owner("vm1")
    front.clock.wait(60)
    front.world.advance(front.clock())


def test_only_the_size_changes(tmp_path: Path) -> None:
    """And the address of the operation is given."""

    async def story(front: Front) -> None:
        down(front, max_price=0.5)
        machine = front.world.machine("vm1")
        tags = dict(machine.tags)
        address = await resized(front, "Standard_D2as_v5")
        assert address is not None
        assert "/operations/" in address
        assert (machine.size, machine.max_price, dict(machine.tags)) == ("Standard_D2as_v5", 0.5, tags)
        assert [call.power_state for call in machine.resize_calls] == ["deallocated"]

    play(tmp_path, story)


@pytest.mark.parametrize(
    ("size", "os", "who", "etag", "kind", "words"),
    [
        ("Standard_D4s_v6", "Linux", "resizer", None, FailureKind.DENIED, "DiskControllerType 'SCSI'"),
        ("Standard_D4ps_v5", "Linux", "resizer", None, FailureKind.UNKNOWN, "different CPU Architectures"),
        ("Standard_D2ds_v5", "Windows", "resizer", None, FailureKind.UNKNOWN, "resource disk"),
        ("Standard_B2s", "Linux", "resizer", None, FailureKind.DENIED, "Spot is not supported"),
        ("Standard_D2as_v5", "Linux", "responder", None, FailureKind.DENIED, "virtualMachines/write"),
        ("Standard_D2as_v5", "Linux", "resizer", '"1"', FailureKind.CONFLICT, "changed meanwhile"),
    ],
)
def test_what_azure_refuses_is_told_in_its_words(  # noqa: PLR0913, PLR0917 - a row of the table
    tmp_path: Path, size: str, os: str, who: str, etag: str | None, kind: FailureKind, words: str
) -> None:
    """And the VM stays as it was; the app's own identity may not change it at all."""

    async def story(front: Front) -> None:
        down(front, os=os)
        with pytest.raises(AzureRefusedError, match=words) as refusal:
            await resized(front, size, who, etag)
        assert refusal.value.failure.kind is kind
        assert front.world.machine("vm1").size == "Standard_D2s_v5"

    play(tmp_path, story)


def test_a_linux_vm_may_cross_temporary_disks(tmp_path: Path) -> None:
    """As Microsoft's pages say of today."""

    async def story(front: Front) -> None:
        down(front)
        assert await resized(front, "Standard_D2ds_v5")

    play(tmp_path, story)


class OddTable:
    """A table whose row another release wrote."""

    async def get_entity(self, *_: str) -> dict[str, str]:
        """Give it."""
        return {"text": "1", "told_at": "yesterday"}


def test_a_note_that_cannot_be_read_is_none() -> None:
    """It is asked for anew."""
    assert asyncio.run(Notes(cast("Any", OddTable())).load("size|s|w|d2")) is None
