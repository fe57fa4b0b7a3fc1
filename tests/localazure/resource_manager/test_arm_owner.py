"""What an owner does to VMs at ARM's front: list, tag, write, stop, restart, delete; and who may not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from azure.mgmt.compute.aio import ComputeManagementClient

from localazure.resource_manager.roles import DEALLOCATE_THIS_VM
from localazure.world.world import SUBSCRIPTION
from tests.harness.fronts import VM1, Credential, serve

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.harness.fronts import Answer, Front

TAGS = f"{VM1}/providers/Microsoft.Resources/tags/default"
OF_ARM = "2022-09-01"


def play(folder: Path, story: Callable[[Front], Awaitable[None]]) -> None:
    """Serve a world and play a story in it."""

    async def whole() -> None:
        async with serve(folder) as front:
            await story(front)

    asyncio.run(whole())


async def followed(front: Front, accepted: Answer) -> str:
    """Follow an accepted request to its end; give the operation's status."""
    assert accepted.status == 202, accepted.body
    assert accepted.headers["Retry-After"]
    for header in ("Azure-AsyncOperation", "Location"):
        assert (await front.ask("GET", accepted.headers[header], who="owner")).status in {200, 202}
    front.clock.wait(60)
    assert (await front.ask("GET", accepted.headers["Location"], who="owner")).status == 200
    answer = await front.ask("GET", accepted.headers["Azure-AsyncOperation"], who="owner")
    return str(answer.body["status"])


def test_vms_are_listed_by_subscription_and_by_group(tmp_path: Path) -> None:
    """What is gone is not listed; a group that never was is no empty one."""

    async def story(front: Front) -> None:
        front.world.add_vm("vm2", resource_group="rg2")
        front.world.add_vm("gone", resource_group="rg2")
        front.world.delete("gone")
        everywhere = f"/subscriptions/{SUBSCRIPTION}"
        for scope, names in {everywhere: ["vm1", "vm2"], f"{everywhere}/resourceGroups/RG2": ["vm2"]}.items():
            answer = await front.ask("GET", f"{scope}/providers/Microsoft.Compute/virtualMachines", who="operator")
            assert [one["name"] for one in answer.body["value"]] == names
            assert "instanceView" not in answer.body["value"][0]["properties"]
            assert "HighCostGetSubscriptionMaximum;8" in answer.headers["x-ms-ratelimit-remaining-resource"]
        nowhere = f"{everywhere}/resourceGroups/rg3/providers/Microsoft.Compute/virtualMachines"
        assert (await front.ask("GET", nowhere, who="operator")).body["error"]["code"] == "ResourceGroupNotFound"

    play(tmp_path, story)


def test_a_vm_is_stopped_restarted_and_deleted(tmp_path: Path) -> None:
    """Each is accepted and followed; a stopped VM keeps its place, a deallocated one has none to stop or restart in."""

    async def story(front: Front) -> None:
        machine = front.world.machine("vm1")
        front.world.set_capacity(machine.pool, 0)
        assert await followed(front, await front.ask("POST", f"{VM1}/restart", who="owner")) == "Succeeded"
        assert machine.power_state == "running"
        assert await followed(front, await front.ask("POST", f"{VM1}/powerOff", who="owner")) == "Succeeded"
        assert machine.power_state == "stopped"
        assert await followed(front, await front.ask("POST", f"{VM1}/start", who="owner")) == "Succeeded"
        assert machine.power_state == "running"
        assert await followed(front, await front.ask("POST", f"{VM1}/deallocate", who="owner")) == "Succeeded"
        for action in ("powerOff", "restart"):
            refused = await front.ask("POST", f"{VM1}/{action}", who="owner")
            assert (refused.status, refused.body["error"]["code"]) == (409, "OperationNotAllowed")
            assert (
                f"Operation '{action}' is not allowed on VM 'vm1' since the VM is either deallocated"
                in (refused.body["error"]["message"])
            )
        accepted = await front.ask("DELETE", VM1, who="owner")
        refused = await front.ask("POST", f"{VM1}/start", who="owner")
        assert "marked for deletion" in refused.body["error"]["message"]
        assert await followed(front, accepted) == "Succeeded"
        assert (await front.ask("GET", VM1)).body["error"]["code"] == "ResourceNotFound"
        assert (await front.ask("DELETE", VM1, who="owner")).status == 204

    play(tmp_path, story)


def test_a_vm_that_its_eviction_deleted_is_told_of_as_recorded(tmp_path: Path) -> None:
    """404 NotFound, and not the ResourceNotFound of other VMs that are not there."""

    async def story(front: Front) -> None:
        front.world.add_vm("vm9", resource_group="rg1", eviction_policy="Delete")
        front.world.evict("vm9")
        front.clock.wait(60)
        vm9 = VM1.replace("vm1", "vm9")
        for method, path in (("GET", vm9), ("GET", f"{vm9}?$expand=instanceView"), ("POST", f"{vm9}/start")):
            answer = await front.ask(method, path)
            assert answer.status == 404
            message = "The entity was not found in this Azure location."
            assert answer.body == {"error": {"code": "NotFound", "message": message}}
        assert (await front.ask("GET", VM1.replace("vm1", "vm8"))).body["error"]["code"] == "ResourceNotFound"

    play(tmp_path, story)


def test_tags_are_merged_replaced_and_deleted(tmp_path: Path) -> None:
    """One tag for a name in two casings; Resource Graph shows what was written."""

    async def story(front: Front) -> None:
        async def patch(operation: str, **tags: str) -> object:
            body = {"operation": operation, "properties": {"tags": tags}}
            answer = await front.ask("PATCH", TAGS, who="owner", body=body, version=OF_ARM)
            return answer.body["properties"]["tags"] if answer.status == 200 else answer.body["error"]["code"]

        assert await patch("Merge", RESTART="yes", team="blue") == {"RESTART": "yes", "team": "blue"}
        assert await patch("merge", team="red", restart="no") == {"team": "red", "restart": "no"}
        assert await patch("Delete", team="blue", RESTART="no") == {"team": "red"}
        assert await patch("Replace", a="1") == {"a": "1"}
        assert await patch("Add", b="2") == "InvalidTagsOperation"
        assert await patch("Merge", **{f"t{n}": "" for n in range(50)}) == "InvalidTags"
        shown = await front.query("resources | project tags")
        assert shown.body["data"] == [{"tags": {"a": "1"}}]
        assert (await front.ask("GET", TAGS, who="operator", version=OF_ARM)).body["properties"]["tags"] == {"a": "1"}
        assert (await front.ask("DELETE", TAGS, who="owner", version=OF_ARM)).status == 200
        assert front.world.machine("vm1").tags == {}
        gone = await front.ask("GET", TAGS.replace("vm1", "vm8"), who="owner", version=OF_ARM)
        assert gone.body["error"]["code"] == "ResourceNotFound"

    play(tmp_path, story)


def test_a_vm_is_written_whole_or_in_part(tmp_path: Path) -> None:
    """As the SDK does it: get, change, put. Its price changes while it is deallocated, its kind never.

    Another size restarts it if it runs.
    """

    async def story(front: Front) -> None:
        client = ComputeManagementClient(
            Credential("owner"), SUBSCRIPTION, base_url=front.url, connection_verify=front.ca_file, polling_interval=0
        )
        async with client:
            machines = client.virtual_machines
            vm = await machines.get("rg1", "vm1")
            vm.tags = {"team": "blue"}
            written = await (await machines.begin_create_or_update("rg1", "vm1", vm)).result()
            assert written.tags == {"team": "blue"}
        assert front.world.machine("vm1").tags == {"team": "blue"}

        async def patch(body: object) -> str:
            answer = await front.ask("PATCH", VM1, who="owner", body=body)
            return str(answer.status if answer.status == 200 else answer.body["error"]["code"])

        assert await patch({"tags": {"team": "red"}}) == "200"
        assert await patch({"properties": {"billingProfile": {"maxPrice": 0.5}}}) == "OperationNotAllowed"
        assert await patch({"properties": {"hardwareProfile": {"vmSize": "Standard_D8s_v5"}}}) == "200"
        restarted = front.world.machine("vm1").condition.annotation
        assert restarted is not None
        assert restarted.name == "VirtualMachineRestarted"
        front.clock.wait(60)
        assert await patch({"properties": {"priority": "Regular"}}) == "PropertyChangeNotAllowed"
        assert await patch({"properties": {"billingProfile": {"maxPrice": "much"}}}) == "InvalidParameter"
        assert await patch({"tags": {"a": 1}}) == "InvalidRequestContent"
        assert await patch([]) == "InvalidRequestContent"
        front.world.stop_by_owner("vm1")
        front.clock.wait(60)
        body = {"properties": {"billingProfile": {"maxPrice": 0.5}, "hardwareProfile": {"vmSize": "Standard_D4s_v5"}}}
        assert await patch(body) == "200"
        machine = front.world.machine("vm1")
        assert (machine.tags, machine.max_price, machine.size) == ({"team": "red"}, 0.5, "Standard_D4s_v5")

    play(tmp_path, story)


def test_a_network_interface_is_shown_beside_its_vm(tmp_path: Path) -> None:
    """It is asked for by az to show a VM's details."""

    async def story(front: Front) -> None:
        vm = (await front.ask("GET", VM1)).body
        nic_id = vm["properties"]["networkProfile"]["networkInterfaces"][0]["id"]
        nic = (await front.ask("GET", nic_id, who="operator", version="2023-11-01")).body
        assert nic["properties"]["virtualMachine"]["id"] == VM1
        assert nic["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"] == "10.0.0.4"
        group = nic_id.rpartition("/")[0]
        listed = await front.ask("GET", group, who="operator", version="2023-11-01")
        assert listed.body["value"] == [nic]
        missing = await front.ask("GET", f"{group}/other", who="operator", version="2023-11-01")
        assert missing.body["error"]["code"] == "ResourceNotFound"

    play(tmp_path, story)


@pytest.mark.parametrize(
    ("method", "path", "owner", "operator"),
    [
        ("GET", VM1, 200, 200),
        ("GET", f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Compute/virtualMachines", 200, 200),
        ("POST", f"{VM1}/simulateEviction", 204, 204),
        ("POST", f"{VM1}/start", 202, 403),
        ("POST", f"{VM1}/deallocate", 202, 403),
        ("POST", f"{VM1}/powerOff", 202, 403),
        ("POST", f"{VM1}/restart", 202, 403),
        ("DELETE", VM1, 202, 403),
        ("PATCH", VM1, 200, 403),
    ],
)
def test_an_owner_acts_and_an_operator_looks_and_drills(
    tmp_path: Path, method: str, path: str, owner: int, operator: int
) -> None:
    """The operator has what docs/rights.md gives: Reader, and simulateEviction."""

    async def story(front: Front) -> None:
        body: object = {"tags": {}} if method == "PATCH" else None
        assert (await front.ask(method, path, who="operator", body=body)).status == operator
        assert (await front.ask(method, path, who="owner", body=body)).status == owner
        assert (await front.ask(method, path, who="stranger", body=body)).status == 403

    play(tmp_path, story)


def test_the_identity_of_a_vm_may_do_what_it_was_assigned_at_that_vm_alone(tmp_path: Path) -> None:
    """It stops its own VM, once it may; it starts nothing, and stops no other."""

    async def story(front: Front) -> None:
        vm1, vm2 = front.world.machine("vm1").vm_id, front.world.add_vm("vm2").vm_id
        assert (await front.ask("POST", f"{vm1}/deallocate", who=vm1)).status == 403
        front.access.assign(DEALLOCATE_THIS_VM, vm1, vm1)
        assert (await front.ask("POST", f"{vm2}/deallocate", who=vm1)).status == 403
        assert (await front.ask("POST", f"{vm1}/start", who=vm1)).status == 403
        assert (await front.ask("POST", f"{vm1}/deallocate", who=vm1)).status == 202

    play(tmp_path, story)


def test_subscriptions_and_groups_are_seen_by_whoever_has_a_role(tmp_path: Path) -> None:
    """A stranger's list is empty; a subscription or group that is not there is named."""

    async def story(front: Front) -> None:
        async def ask(path: str, who: str = "owner", method: str = "GET") -> Answer:
            return await front.ask(method, path, who=who, version=OF_ARM)

        one = f"/subscriptions/{SUBSCRIPTION}"
        (shown,) = (await ask("/subscriptions")).body["value"]
        assert (shown["subscriptionId"], shown["state"]) == (SUBSCRIPTION, "Enabled")
        assert (await ask("/subscriptions", "stranger")).body["value"] == []
        (tenant,) = (await ask("/tenants")).body["value"]
        assert tenant["tenantId"] == shown["tenantId"]
        assert (await ask(one)).body == shown
        assert (await ask("/subscriptions/22222222-2222-4222-8222-222222222222")).body["error"]["code"] == (
            "SubscriptionNotFound"
        )
        groups = (await ask(f"{one}/resourcegroups")).body["value"]
        assert [each["name"] for each in groups] == ["rg1", "rg-spot-responder"]
        assert (await ask(f"{one}/resourceGroups/RG1")).body["location"] == "westeurope"
        assert (await ask(f"{one}/resourceGroups/rg9")).body["error"]["code"] == "ResourceGroupNotFound"
        assert (await ask(f"{one}/resourceGroups/rg1", method="HEAD")).status == 204
        assert (await ask(f"{one}/resourceGroups/rg9", method="HEAD")).status == 404

    play(tmp_path, story)
