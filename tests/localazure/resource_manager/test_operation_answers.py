"""The product's own client and Microsoft's SDK, over TLS, at every shape that an operation's address can have."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from azure.mgmt.compute.aio import ComputeManagementClient

from localazure.resource_manager.operation_answers import Acceptance, AtAddress
from spot_responder.clients.compute import Compute
from spot_responder.clients.connections import PATIENCE
from spot_responder.decisions.situations import OperationState
from spot_responder.intake.azure_errors import FailureKind
from spot_responder.intake.vms import VmId
from tests.harness.fronts import VM1, Credential, Front, serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

VM = VmId.parse(VM1)


@asynccontextmanager
async def client_of(front: Front) -> AsyncIterator[Compute]:
    """Open the product's client onto a front."""
    sdk = ComputeManagementClient(
        Credential("responder"),
        VM.subscription_id,
        front.url,
        connection_verify=front.ca_file,
        credential_scopes=["scope"],
        **PATIENCE,
    )
    async with sdk:
        yield Compute(front.url, lambda _: sdk, poll_patience_s=1.0)


def down(front: Front) -> None:
    """Have the VM deallocated."""
    front.world.evict("vm1")
    front.clock.wait(120)


@pytest.mark.parametrize("acceptance", [Acceptance.BOTH, Acceptance.LOCATION])
def test_a_start_is_followed_wherever_its_address_stands(acceptance: Acceptance, tmp_path: Path) -> None:
    """In progress at first, succeeded in the end; or failed, with the code that says why."""

    async def story() -> None:
        async with serve(tmp_path) as front, client_of(front) as compute:
            down(front)
            front.access.operation_answers.acceptance = acceptance
            front.world.fail_next_start("vm1", "AllocationFailed", "Allocation failed.")
            address = await compute.start(VM)
            assert address is not None
            assert ("monitor=true" in address) is (acceptance is Acceptance.LOCATION)
            assert (await compute.operation(address)).state is OperationState.IN_PROGRESS
            front.clock.wait(300)
            failed = await compute.operation(address)
            assert failed.state is OperationState.FAILED
            assert failed.failure is not None
            assert (failed.failure.kind, failed.failure.code) == (FailureKind.CAPACITY, "AllocationFailed")
            again = await compute.start(VM)
            front.clock.wait(300)
            assert again is not None
            assert (await compute.operation(again)).state is OperationState.SUCCEEDED

    asyncio.run(story())


def test_a_plain_200_is_an_acceptance_without_an_address(tmp_path: Path) -> None:
    """The power state alone tells of it then."""

    async def story() -> None:
        async with serve(tmp_path) as front, client_of(front) as compute:
            down(front)
            front.access.operation_answers.acceptance = Acceptance.PLAIN
            assert await compute.start(VM) is None
            front.clock.wait(300)
            current = await compute.current(VM)
            assert current is not None
            assert current.power_state == "running"

    asyncio.run(story())


@pytest.mark.parametrize("at_address", [each for each in AtAddress if each is not AtAddress.TRUTH])
@pytest.mark.parametrize("acceptance", [Acceptance.BOTH, Acceptance.LOCATION])
def test_whatever_answers_at_an_address_is_heard_and_looks_go_on(
    acceptance: Acceptance, at_address: AtAddress, tmp_path: Path
) -> None:
    """Nothing is raised, nobody is followed elsewhere, and the VM is read right afterwards."""

    async def story() -> None:
        async with serve(tmp_path) as front, client_of(front) as compute:
            down(front)
            front.access.operation_answers.acceptance = acceptance
            address = await compute.start(VM)
            assert address is not None
            front.access.operation_answers.at_address = at_address
            assert (await compute.operation(address)).state is OperationState.UNKNOWN
            assert await compute.current(VM) is not None

    asyncio.run(asyncio.wait_for(story(), timedelta(minutes=1).total_seconds()))
