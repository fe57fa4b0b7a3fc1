"""The client that changes sizes: Microsoft's own over TLS, against the laptop Azure."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest
from azure.core import AsyncPipelineClient
from azure.core.pipeline.policies import AsyncBearerTokenCredentialPolicy
from azure.core.pipeline.transport import AioHttpTransport
from azure.mgmt.compute.aio import ComputeManagementClient

from localazure.resource_manager.compute.vm_bodies import etag_of
from localazure.world.machines import Hardware
from localazure.world.world import SUBSCRIPTION
from spot_responder.clients.compute import Compute
from spot_responder.clients.offerings.notes import Notes
from spot_responder.clients.offerings.resizer import Resizer
from spot_responder.clients.resource_manager import ResourceManager
from spot_responder.decisions.policy import Policy
from spot_responder.intake.azure_errors import FailureKind
from spot_responder.intake.vms import VmId
from spot_responder.offerings.all_fits import fit_of
from spot_responder.offerings.skus import read_skus
from spot_responder.responder.ports import AzureRefusedError
from spot_responder.responder.sizes.azure_lists import list_skus, shape_of
from spot_responder.settings import Settings
from tests.harness.fronts import Credential
from tests.localazure.resource_manager.test_arm_owner import play

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from spot_responder.offerings.skus import Sku
    from spot_responder.offerings.vm_shapes import VmShape
    from tests.harness.fronts import Front

VM_ID = VmId(SUBSCRIPTION, "rg1", "vm1")


async def resized(front: Front, size: str, who: str = "resizer", etag: str | None = None) -> str | None:
    """Read the VM as the app does, and ask for another size; ``etag``: another than the one that was read."""
    async with client(front, "responder") as reading, client(front, who) as writing:
        vm = await Compute(front.url, lambda _: reading).current(VM_ID)
        assert vm is not None
        assert vm.etag == etag_of(front.world.machine("vm1"))
        return await Resizer(lambda _: writing).resize(vm if etag is None else replace(vm, etag=etag), size)


async def read_as_the_app(front: Front) -> tuple[VmShape, Mapping[str, Sku]]:
    """Read the VM with all that a size must suit, and the sizes of its region, by the second identity."""
    resizer = Credential("resizer")
    policy = AsyncBearerTokenCredentialPolicy(resizer, "https://management.azure.com/.default")
    transport = AioHttpTransport(session=front.session, session_owner=False)
    pipeline: AsyncPipelineClient[Any, Any] = AsyncPipelineClient(front.url, policies=[policy], transport=transport)
    settings = Settings("https://queue", "https://table", front.url, None, dry_run=False, policy=Policy())
    arm = ResourceManager(settings, pipeline, resizer)
    shape = await shape_of(VM_ID, arm)
    return shape, read_skus(await list_skus(SUBSCRIPTION, shape.location, arm), shape.location)


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


# What Azure refuses (docs/azure-facts.md sizes-2 to sizes-6, skus-1): the VM, the size, the kind of failure, its words.
REFUSALS: list[tuple[dict[str, Any], str, FailureKind, str]] = [
    ({}, "Standard_D4s_v6", FailureKind.DENIED, "DiskControllerType 'SCSI'"),
    ({}, "Standard_D4ps_v5", FailureKind.UNKNOWN, "different CPU Architectures"),
    ({"os": "Windows"}, "Standard_D2ds_v5", FailureKind.UNKNOWN, "resource disk"),
    ({"size": "Standard_D2s_v3", "os": "Windows"}, "Standard_D2s_v5", FailureKind.UNKNOWN, "resource disk"),
    ({"size": "Standard_D4s_v6", "os": "Windows"}, "Standard_D4ds_v6", FailureKind.UNKNOWN, "resource disk"),
    ({}, "Standard_B2s", FailureKind.DENIED, "Spot is not supported"),
    ({}, "Standard_A2_v2", FailureKind.UNKNOWN, "cannot boot Hypervisor Generation '2'"),
    (
        {"hardware": Hardware(has_accelerated_networking=True, generation="V1")},
        "Standard_A2_v2",
        FailureKind.UNKNOWN,
        "not permitted to enable accelerated networking",
    ),
    ({"hardware": Hardware(generation="V1")}, "Standard_A2_v2", FailureKind.UNKNOWN, "not support premium disks"),
    ({"hardware": Hardware(data_disks=5)}, "Standard_D2as_v5", FailureKind.UNKNOWN, "maximum number of data disks"),
    ({"hardware": Hardware(nics=3)}, "Standard_D2as_v5", FailureKind.UNKNOWN, "number of network interfaces"),
    ({"hardware": Hardware(has_ephemeral_os_disk=True)}, "Standard_D2as_v5", FailureKind.UNKNOWN, "ephemeral"),
]


@pytest.mark.parametrize(("machine", "size", "kind", "words"), REFUSALS)
def test_what_azure_refuses_is_told_in_its_words(
    tmp_path: Path, machine: dict[str, Any], size: str, kind: FailureKind, words: str
) -> None:
    """And the VM stays as it was."""

    async def story(front: Front) -> None:
        down(front, **machine)
        was = front.world.machine("vm1").size
        with pytest.raises(AzureRefusedError, match=words) as refusal:
            await resized(front, size)
        assert refusal.value.failure.kind is kind
        assert front.world.machine("vm1").size == was

    play(tmp_path, story)


@pytest.mark.parametrize(
    ("who", "etag", "kind", "words"),
    [
        ("responder", None, FailureKind.DENIED, "virtualMachines/write"),
        ("resizer", '"1"', FailureKind.CONFLICT, "changed meanwhile"),
    ],
)
def test_who_may_not_or_saw_another_vm_changes_nothing(
    tmp_path: Path, who: str, etag: str | None, kind: FailureKind, words: str
) -> None:
    """The app's own identity may not change a VM at all."""

    async def story(front: Front) -> None:
        down(front)
        with pytest.raises(AzureRefusedError, match=words) as refusal:
            await resized(front, "Standard_D2as_v5", who, etag)
        assert refusal.value.failure.kind is kind
        assert front.world.machine("vm1").size == "Standard_D2s_v5"

    play(tmp_path, story)


@pytest.mark.parametrize(("machine", "size"), [(machine, size) for machine, size, *_ in REFUSALS])
def test_what_azure_refuses_is_not_asked_for(tmp_path: Path, machine: dict[str, Any], size: str) -> None:
    """Each refusal is foreseen, by the VM and the lists as the laptop Azure tells them, over the wire."""

    async def story(front: Front) -> None:
        down(front, **machine)
        shape, skus = await read_as_the_app(front)
        assert not fit_of(shape, size, skus, None, None).may_be_tried

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
