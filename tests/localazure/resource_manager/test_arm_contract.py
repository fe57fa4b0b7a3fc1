"""ARM Compute's front, held against our copies of Azure's answers and against Microsoft's own SDK."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.mgmt.compute.aio import ComputeManagementClient

from localazure.resource_manager.roles import Role
from localazure.world.timestamps import guid
from tests.harness.fronts import VM1, Credential, assert_like_sample, payload, serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from localazure.world.world import World
    from tests.harness.fronts import Front


def play(
    folder: Path,
    story: Callable[[Front], Awaitable[None]],
    tick: float = 0,
    roles: dict[str, Role] | None = None,
) -> None:
    """Serve a world and play a story in it."""

    async def whole() -> None:
        async with serve(folder, tick=timedelta(seconds=tick), roles=roles) as front:
            await story(front)

    asyncio.run(whole())


def evict_and_wait(front: Front) -> None:
    """Bring ``vm1`` down."""
    front.world.evict("vm1")
    front.clock.wait(60)


def test_start_is_answered_as_recorded(tmp_path: Path) -> None:
    """A start is accepted with an empty body, a long signed address on this host, and what is left of the limits."""

    async def story(front: Front) -> None:
        evict_and_wait(front)
        answer = await front.ask("POST", f"{VM1}/start")
        assert_like_sample("start_202", answer)
        address = answer.headers["Azure-AsyncOperation"]
        assert len(address) > 4096
        assert f"https://{urlsplit(address).netloc}" == front.url
        assert "monitor=true" in answer.headers["Location"]
        assert answer.headers["Retry-After"] == "10"
        assert "UpdateVMResource;11" in answer.headers["x-ms-ratelimit-remaining-resource"]
        assert answer.headers["x-ms-ratelimit-remaining-subscription-writes"] == "199"
        assert answer.headers["Date"] == "Sun, 16 Nov 2025 23:20:30 GMT"

    play(tmp_path, story)


def test_an_operation_is_looked_at_until_it_succeeds(tmp_path: Path) -> None:
    """Polls say InProgress with a Retry-After, then Succeeded without; Location says 202, then 200."""

    async def story(front: Front) -> None:
        evict_and_wait(front)
        started = await front.ask("POST", f"{VM1}/start")
        poll, location = started.headers["Azure-AsyncOperation"], started.headers["Location"]
        assert_like_sample("poll_in_progress", await front.ask("GET", poll))
        assert (await front.ask("GET", location)).status == 202
        front.clock.wait(30)
        done = await front.ask("GET", poll)
        assert_like_sample("poll_succeeded", done)
        assert done.body["status"] == "Succeeded"
        assert "Retry-After" not in done.headers
        assert (await front.ask("GET", location)).status == 200

    play(tmp_path, story)


def test_a_start_without_capacity_fails_inside_a_good_answer(tmp_path: Path) -> None:
    """The poll is HTTP 200 with status Failed; the instance view tells the code."""

    async def story(front: Front) -> None:
        evict_and_wait(front)
        front.world.set_capacity(front.world.machine("vm1").pool, 0)
        started = await front.ask("POST", f"{VM1}/start")
        front.clock.wait(30)
        failed = await front.ask("GET", started.headers["Azure-AsyncOperation"])
        assert (await front.ask("GET", started.headers["Location"])).body["error"]["code"] == "AllocationFailed"
        sample = assert_like_sample("poll_failed_allocation", failed)
        assert failed.body["error"] == sample["body"]["error"]
        view = await front.ask("GET", f"{VM1}/instanceView")
        sample = assert_like_sample("instance_view_failed_start", view)
        assert [one["code"] for one in view.body["statuses"]] == [one["code"] for one in sample["body"]["statuses"]]

    play(tmp_path, story)


def test_the_vm_is_shown_as_recorded(tmp_path: Path) -> None:
    """GET shows a VM with its instance view where asked, in any casing of the path."""

    async def story(front: Front) -> None:
        expanded = await front.ask("GET", f"{VM1.upper()}?$expand=instanceView")
        sample = assert_like_sample("vm_running_expanded", expanded)
        assert expanded.body["id"] == sample["body"]["id"]
        assert "instanceView" not in (await front.ask("GET", VM1)).body["properties"]

    play(tmp_path, story)


def test_the_expanded_view_needs_its_own_permission(tmp_path: Path) -> None:
    """Who may only read the VM does not see its instance view."""

    async def story(front: Front) -> None:
        assert (await front.ask("GET", VM1)).status == 200
        assert (await front.ask("GET", f"{VM1}?$expand=instanceView")).status == 403

    play(tmp_path, story, roles={"responder": Role("r", ("Microsoft.Compute/virtualMachines/read",))})


def test_a_regular_vm_shows_no_priority(tmp_path: Path) -> None:
    """Azure leaves priority and eviction policy out for a VM that is not Spot."""

    async def story(front: Front) -> None:
        front.world.add_vm("regular", resource_group="rg1", priority="Regular")
        properties = (await front.ask("GET", VM1.replace("vm1", "regular"))).body["properties"]
        assert not {"priority", "evictionPolicy", "billingProfile"} & properties.keys()

    play(tmp_path, story)


@pytest.mark.parametrize(
    ("wait", "name"),
    [(1, "instance_view_deallocating"), (60, "instance_view_deallocated")],
    ids=["after a second", "after a minute"],
)
def test_instance_view_on_the_way_down(tmp_path: Path, wait: int, name: str) -> None:
    """An evicted VM is deallocating, then deallocated, as documented."""

    async def story(front: Front) -> None:
        front.world.evict("vm1")
        front.clock.wait(wait)
        view = await front.ask("GET", f"{VM1}/instanceView")
        sample = assert_like_sample(name, view)
        assert view.body["statuses"][1] == sample["body"]["statuses"][1]

    play(tmp_path, story)


def dear(world: World) -> None:
    """Price above the max price."""
    world.machine("vm1").max_price = 0.01
    world.set_price("Standard_D2s_v5", "westeurope", 0.02)
    down(world)


def short_of_quota(world: World) -> None:
    """Leave fewer Spot cores than one VM needs."""
    world.set_quota(world.machine("vm1").subscription_id, "westeurope", 1)
    down(world)


def down(world: World) -> None:
    """Evict and wait."""
    world.evict("vm1")
    world.advance(world.now + timedelta(seconds=60))


def going_down(world: World) -> None:
    """Evict, and do not wait."""
    world.evict("vm1")


def going_for_good(world: World) -> None:
    """Evict with policy Delete."""
    world.machine("vm1").eviction_policy = "Delete"
    world.evict("vm1")


@pytest.mark.parametrize(
    ("prepare", "path", "name"),
    [
        (dear, f"{VM1}/start", "price_409"),
        (short_of_quota, f"{VM1}/start", "quota_409"),
        (going_down, f"{VM1}/start", "ongoing_409"),
        (going_for_good, f"{VM1}/start", "deletion_409"),
        (down, VM1.replace("vm1", "vm9") + "/start", "not_found_404"),
        (down, VM1.replace("rg1", "rg9") + "/start", "group_not_found_404"),
    ],
)
def test_refusals_have_azures_words(tmp_path: Path, prepare: Callable[[World], None], path: str, name: str) -> None:
    """A start that cannot be is refused with Azure's code and text, and recorded with them."""

    async def story(front: Front) -> None:
        prepare(front.world)
        answer = await front.ask("POST", path)
        sample = assert_like_sample(name, answer)
        assert answer.body == sample["body"]
        call = front.world.calls[-1]
        assert (call.status, call.code) == (sample["status"], sample["body"]["error"]["code"])

    play(tmp_path, story)


def test_eviction_is_simulated_by_its_owner_only(tmp_path: Path) -> None:
    """The owner gets 204; the responder is refused with the action and scope named."""

    async def story(front: Front) -> None:
        assert_like_sample("simulate_eviction_204", await front.ask("POST", f"{VM1}/simulateEviction", who="owner"))
        denied = await front.ask("POST", f"{VM1}/deallocate")
        sample = assert_like_sample("authorization_failed_403", denied)
        client = guid("principal", "responder")
        assert denied.body["error"]["message"] == sample["body"]["error"]["message"].replace("{client}", client)
        assert front.world.machine("vm1").power_state.value == "running"
        assert [(call.principal, call.status) for call in front.world.calls] == [("owner", 204), ("responder", 403)]

    play(tmp_path, story)


def test_the_thirteenth_start_is_throttled(tmp_path: Path) -> None:
    """Compute's 429 is flat, has a Retry-After, and reaches no VM."""

    async def story(front: Front) -> None:
        for _ in range(12):
            assert (await front.ask("POST", f"{VM1}/start")).status == 202
        answer = await front.ask("POST", f"{VM1}/start")
        assert_like_sample("compute_429", answer)
        assert answer.headers["Retry-After"] == "60"
        assert len(front.world.machine("vm1").start_calls) == 12
        assert front.world.calls[-1].status == 429

    play(tmp_path, story)


def test_arm_throttles_by_principal(tmp_path: Path) -> None:
    """The 251st read in one second is refused by ARM itself, and another principal's is not."""

    async def story(front: Front) -> None:
        for number in range(249):
            front.world.add_vm(f"other{number}", resource_group="rg1")
        for number in range(249):
            await front.ask("GET", VM1.replace("vm1", f"other{number}"))
        await front.ask("GET", VM1)
        answer = await front.ask("GET", VM1)
        sample = assert_like_sample("arm_429", answer)
        assert answer.body == sample["body"]
        assert (await front.ask("GET", VM1, who="owner")).status == 200

    play(tmp_path, story)


def test_who_may_not_come_in(tmp_path: Path) -> None:
    """No token, a bad token, no api-version, a forged address, an unknown principal: each has its own answer."""

    async def story(front: Front) -> None:
        async with front.session.get(f"{front.url}{VM1}?api-version=2026-04-01") as bare:
            assert (bare.status, (await bare.json())["error"]["code"]) == (401, "InvalidAuthenticationToken")
        async with front.session.get(
            f"{front.url}{VM1}?api-version=2026-04-01", headers={"Authorization": "Basic token-of-owner"}
        ) as basic:
            assert basic.status == 401
        headers = {"Authorization": "Bearer rubbish"}
        async with front.session.get(f"{front.url}{VM1}?api-version=2026-04-01", headers=headers) as bad:
            assert (bad.status, bad.headers["WWW-Authenticate"].split()[0]) == (401, "Bearer")
        versionless = await front.ask("GET", VM1, version=None)
        assert (versionless.status, versionless.body["error"]["code"]) == (400, "MissingApiVersionParameter")
        assert (await front.ask("GET", VM1, who="stranger")).status == 403
        started = await front.ask("POST", f"{VM1}/start")
        forged = started.headers["Azure-AsyncOperation"].replace("&s=", "&s=x")
        assert (await front.ask("GET", forged)).status == 403
        assert (await front.ask("GET", "/nowhere")).body["error"]["code"] == "InvalidResourceType"

    play(tmp_path, story)


@asynccontextmanager
async def compute(front: Front, who: str = "responder") -> AsyncIterator[ComputeManagementClient]:
    """Make Microsoft's client for this front."""
    client = ComputeManagementClient(
        Credential(who),
        VM1.split("/")[2],
        base_url=front.url,
        credential_scopes=["https://management.azure.com/.default"],
        connection_verify=front.ca_file,
        retry_total=0,
    )
    async with client:
        yield client


def test_the_sdk_starts_a_vm(tmp_path: Path) -> None:
    """Microsoft's client starts the VM, waits for the operation, and reads the power state."""

    async def story(front: Front) -> None:
        evict_and_wait(front)
        async with compute(front) as client:
            await (await client.virtual_machines.begin_start("rg1", "vm1")).result()
            view = await client.virtual_machines.instance_view("rg1", "vm1")
            vm = await client.virtual_machines.get("rg1", "vm1", expand="instanceView")
        assert [status.code for status in view.statuses or []][-1] == "PowerState/running"
        assert (vm.properties and vm.properties.priority) == "Spot"

    play(tmp_path, story, tick=25)


def test_the_sdk_sees_a_start_fail_for_capacity(tmp_path: Path) -> None:
    """Microsoft's client accepts the start and then raises AllocationFailed, with HTTP status 200."""

    async def story(front: Front) -> None:
        evict_and_wait(front)
        front.world.set_capacity(front.world.machine("vm1").pool, 0)
        async with compute(front) as client:
            poller = await client.virtual_machines.begin_start("rg1", "vm1")
            with pytest.raises(HttpResponseError) as failed:
                await poller.result()
        assert failed.value.error is not None
        assert (failed.value.status_code, failed.value.error.code) == (200, "AllocationFailed")

    play(tmp_path, story, tick=25)


def test_the_sdk_reads_every_refusal(tmp_path: Path) -> None:
    """Conflict, throttling, denial and absence come out of Microsoft's client with Azure's codes."""

    async def story(front: Front) -> None:
        front.world.evict("vm1")
        async with compute(front) as client:
            with pytest.raises(ResourceExistsError, match="OperationNotAllowed"):
                await client.virtual_machines.begin_start("rg1", "vm1")
            with pytest.raises(ResourceNotFoundError, match="ResourceNotFound"):
                await client.virtual_machines.begin_start("rg1", "vm9")
            with pytest.raises(HttpResponseError, match="AuthorizationFailed"):
                await client.virtual_machines.begin_deallocate("rg1", "vm1")
            for _ in range(11):
                with pytest.raises(ResourceExistsError):
                    await client.virtual_machines.begin_start("rg1", "vm1")
            with pytest.raises(HttpResponseError) as throttled:
                await client.virtual_machines.begin_start("rg1", "vm1")
        error, response = throttled.value.error, cast("Any", throttled.value.response)
        assert error is not None
        assert (throttled.value.status_code, error.code) == (429, payload("compute_429")["body"]["code"])
        assert response.headers["Retry-After"] == "60"

    play(tmp_path, story)


def test_the_sdk_simulates_an_eviction(tmp_path: Path) -> None:
    """The owner's client gets its 204, and the VM goes down."""

    async def story(front: Front) -> None:
        async with compute(front, "owner") as client:
            await client.virtual_machines.simulate_eviction("rg1", "vm1")
        front.world.advance(front.clock.now + timedelta(seconds=300))
        assert front.world.machine("vm1").power_state.value == "deallocated"

    play(tmp_path, story)
