"""What a workload is: its VMs, its network, who may do what, and names that the worker and the VMs themselves go by."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
from functools import cache
from typing import TYPE_CHECKING, Final

import pytest
from spot_vm.workers import Worker, read_worker
from spot_worker.deciding.names import WORKERS_TABLE, places

from localazure.deployed_storage import AGENTS
from spot_responder.decisions.policy import Policy
from spot_responder.intake.work_queue_names import WORK_TAG, WorkQueueName
from tests.infra.compiler import INFRA, template_of
from tests.infra.deployment import Deployment, deploy
from tests.infra.expressions import ExpressionError
from tests.infra.ways import last_names, resources, role_assignments

if TYPE_CHECKING:
    from pathlib import Path

    from tests.infra.deployment import Resource
    from tests.infra.expressions import Value

GROUP: Final = "rg-work"
GIVEN: Final = {
    "sshPublicKey": "ssh-ed25519 AAAA",
    "workFunction": "frames:render",
    "queue": "film-frames",
    "vmPackage": "a" * 64,
    "workPackage": "b" * 64,
}
RESPONDER: Final = {"responderGroup": "rg-responder", "responderStorage": "stresponder"}
LONGEST_DATA: Final = 65536
"""Of custom data and of user data, in base64. docs/azure-facts.md vms-1."""
CUSTOM_DATA: Final = "886503b3907aee5fe251ea5fc1347500065ae1e3fb4a5e0b9d32c94d3e5f53c9"


@cache
def _template() -> Value:
    return template_of(INFRA / "workload" / "main.bicep")


def _deploy(**given: Value) -> Deployment:
    return deploy(_template(), {**GIVEN, **given}, GROUP)


def _vms(deployment: Deployment) -> list[Resource]:
    return resources(deployment, "Compute/virtualMachines")


def _user_data(vm: Resource) -> Value:
    return json.loads(base64.b64decode(vm.properties["userData"]))


def test_spot_vms_ask_to_be_started_again_and_are_never_deleted() -> None:
    """The tag is the one that the responder goes by; nobody would make a deleted VM again."""
    vms = _vms(_deploy(spotCount=2, regularCount=0))
    assert [vm.name for vm in vms] == ["spot-work-spot-0", "spot-work-spot-1"]
    for vm in vms:
        assert vm.body["tags"] == {Policy().restart_tag: "true"}
        assert (vm.properties["priority"], vm.properties["evictionPolicy"]) == ("Spot", "Deallocate")
        assert vm.properties["billingProfile"] == {"maxPrice": -1}


def test_regular_vms_beside_them_do_the_same_work() -> None:
    """They are never evicted, so nothing of Spot is said of them; and each VM has a name of its own."""
    spot, regular = _vms(_deploy(spotCount=1, regularCount=1))
    assert regular.name == "spot-work-regular-0"
    assert (regular.body["tags"], regular.properties["priority"]) == ({}, "Regular")
    assert (regular.properties["evictionPolicy"], regular.properties["billingProfile"]) == (None, None)
    same = {"hardwareProfile", "storageProfile", "userData", "securityProfile", "diagnosticsProfile"}
    assert {name: spot.properties[name] for name in same} == {name: regular.properties[name] for name in same}


def test_size_and_price_are_those_that_were_asked_for() -> None:
    """A price of five decimals comes through as a number."""
    [vm] = _vms(_deploy(spotCount=1, size="Standard_F8as_v6", maxPrice="0.07321"))
    assert vm.properties["hardwareProfile"] == {"vmSize": "Standard_F8as_v6"}
    assert vm.properties["billingProfile"] == {"maxPrice": 0.07321}


def test_each_vm_has_an_identity_of_its_own_a_key_and_its_console() -> None:
    """No password; Azure keeps what the console shows; nothing lies on a disk that an eviction takes."""
    for vm in _vms(_deploy()):
        assert vm.body["identity"] == {"type": "SystemAssigned"}
        linux = vm.properties["osProfile"]["linuxConfiguration"]
        assert linux["disablePasswordAuthentication"] is True
        assert linux["ssh"]["publicKeys"] == [
            {"path": "/home/azureuser/.ssh/authorized_keys", "keyData": GIVEN["sshPublicKey"]}
        ]
        assert vm.properties["diagnosticsProfile"] == {"bootDiagnostics": {"enabled": True}}
        assert "diffDiskSettings" not in vm.properties["storageProfile"]["osDisk"]


def test_nobody_outside_reaches_a_vm_and_each_has_a_way_out() -> None:
    """The only public address is the gateway's."""
    deployment = _deploy()
    assert last_names(deployment, "Network/publicIPAddresses") == ["pip-spot-work-out"]
    [gateway] = resources(deployment, "Network/natGateways")
    assert gateway.properties["publicIpAddresses"][0]["id"].endswith("/pip-spot-work-out")
    [subnet] = resources(deployment, "Network/virtualNetworks/subnets")
    assert subnet.properties["defaultOutboundAccess"] is False
    assert subnet.properties["natGateway"]["id"].endswith(f"/natGateways/{gateway.name}")
    assert subnet.properties["serviceEndpoints"] == [{"service": "Microsoft.Storage"}]
    [rules] = resources(deployment, "Network/networkSecurityGroups")
    assert subnet.properties["networkSecurityGroup"]["id"].endswith(f"/{rules.name}")
    last = rules.properties["securityRules"][-1]["properties"]
    assert (last["access"], last["direction"], last["sourceAddressPrefix"]) == ("Deny", "Inbound", "*")
    for card in resources(deployment, "Network/networkInterfaces"):
        [address] = card.properties["ipConfigurations"]
        assert "publicIPAddress" not in address["properties"]
        assert address["properties"]["subnet"]["id"] == deployment.modules["network"].output("subnetId")


def test_private_endpoints_lead_to_what_a_vm_needs_and_there_is_no_way_elsewhere() -> None:
    """No gateway, no public address; an endpoint for each service of the jobs, one for the packages."""
    deployment = _deploy(wayOut="privateEndpoints")
    assert resources(deployment, "Network/natGateways") == resources(deployment, "Network/publicIPAddresses") == []
    subnet, for_endpoints = resources(deployment, "Network/virtualNetworks/subnets")
    assert (subnet.properties["natGateway"], subnet.properties["serviceEndpoints"]) == (None, [])
    assert subnet.properties["defaultOutboundAccess"] is for_endpoints.properties["defaultOutboundAccess"] is False
    jobs, packages = deployment.output("JOBS_ACCOUNT_NAME"), deployment.output("PACKAGES_ACCOUNT_NAME")
    needed = [(GROUP, jobs, "blob"), (GROUP, jobs, "queue"), (GROUP, jobs, "table"), (GROUP, packages, "blob")]
    assert _led_to(deployment) == needed
    for endpoint in resources(deployment, "Network/privateEndpoints"):
        assert endpoint.properties["subnet"]["id"] == deployment.modules["network"].output("endpointsSubnetId")
    told = (RESPONDER["responderGroup"], RESPONDER["responderStorage"], "queue")
    assert _led_to(_deploy(wayOut="privateEndpoints", **RESPONDER)) == [*needed, told]
    assert _led_to(_deploy()) == []


def _led_to(deployment: Deployment) -> list[tuple[str, str, str]]:
    """Give the group, account and service of each private endpoint."""
    found = []
    for endpoint in resources(deployment, "Network/privateEndpoints"):
        [connection] = endpoint.properties["privateLinkServiceConnections"]
        address = connection["properties"]["privateLinkServiceId"].split("/")
        [service] = connection["properties"]["groupIds"]
        found.append((address[4], address[-1], service))
    return found


def test_the_usual_name_of_an_account_leads_to_its_private_endpoint() -> None:
    """By a zone for each service, under the name that Azure prescribes; the network asks these zones."""
    deployment = _deploy(wayOut="privateEndpoints", **RESPONDER)
    zones = {zone.name: zone for zone in resources(deployment, "Network/privateDnsZones")}
    assert set(zones) == {f"privatelink.{service}.core.windows.net" for service in ("blob", "queue", "table")}
    links = resources(deployment, "Network/privateDnsZones/virtualNetworkLinks")
    assert {link.name.split("/")[0] for link in links} == set(zones)
    for link in links:
        network = deployment.modules["network"].output("networkId")
        assert link.properties == {"registrationEnabled": False, "virtualNetwork": {"id": network}}
    records = resources(deployment, "Network/privateEndpoints/privateDnsZoneGroups")
    assert [record.name.split("/")[0] for record in records] == last_names(deployment, "Network/privateEndpoints")
    for record, (_, _, service) in zip(records, _led_to(deployment), strict=True):
        [zone] = record.properties["privateDnsZoneConfigs"]
        assert zone["properties"]["privateDnsZoneId"].endswith(f"/privatelink.{service}.core.windows.net")


def test_log_lines_without_a_way_out_are_refused_before_anything_is_deployed() -> None:
    """No private endpoint leads to the workspace; the message says what to give."""
    with pytest.raises(ExpressionError, match="logs=true takes wayOut=natGateway"):
        _deploy(wayOut="privateEndpoints", logs=True)


def test_bastion_is_there_only_where_it_is_asked_for_and_is_let_in() -> None:
    """By the addresses of its own subnet, to the port of ssh."""
    assert resources(_deploy(), "Network/bastionHosts") == []
    deployment = _deploy(bastion=True)
    [host] = resources(deployment, "Network/bastionHosts")
    _, its_subnet = resources(deployment, "Network/virtualNetworks/subnets")
    assert host.properties["ipConfigurations"][0]["properties"]["subnet"]["id"].endswith("/subnets/AzureBastionSubnet")
    [rules] = resources(deployment, "Network/networkSecurityGroups")
    first = rules.properties["securityRules"][0]["properties"]
    assert first["sourceAddressPrefix"] == its_subnet.properties["addressPrefix"]
    assert (first["access"], first["destinationPortRange"]) == ("Allow", "22")


ROLES: Final = {
    "2a2b9908-6ea1-4ae2-8e63-a410df84e7d1": "Storage Blob Data Reader",
    "974c5e8b-45b9-4653-ba55-5f855dd0fb88": "Storage Queue Data Contributor",
    "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a": "Storage Queue Data Message Sender",
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
    "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": "Storage Table Data Contributor",
}
OF_A_VM: Final = [
    ("Storage Blob Data Contributor", "jobs/blobServices/default/containers/film-frames-checkpoints"),
    ("Storage Blob Data Reader", "packages/blobServices/default/containers/packages"),
    ("Storage Queue Data Contributor", "jobs/queueServices/default/queues/film-frames"),
    ("Storage Queue Data Message Sender", "jobs/queueServices/default/queues/film-frames-poison"),
    ("Storage Table Data Contributor", "jobs/tableServices/default/tables/filmframesresults"),
    ("Storage Table Data Contributor", "jobs/tableServices/default/tables/workers"),
]


def _roles(deployment: Deployment) -> dict[str, list[tuple[str, str]]]:
    """Give the roles of each principal, by names; the accounts are called jobs and packages."""
    accounts = {
        deployment.output("JOBS_ACCOUNT_NAME"): "jobs",
        deployment.output("PACKAGES_ACCOUNT_NAME"): "packages",
        RESPONDER["responderStorage"]: "responder",
    }
    found: dict[str, list[tuple[str, str]]] = {}
    for who, role, scope in role_assignments(deployment):
        account, _, rest = scope.partition("/Microsoft.Storage/storageAccounts/")[2].partition("/")
        found.setdefault(who, []).append((ROLES[role], f"{accounts[account]}{'/' if rest else ''}{rest}"))
    return {who: sorted(roles) for who, roles in found.items()}


def test_a_vm_may_work_on_its_queue_and_read_packages_and_nothing_else() -> None:
    """Each right at the one thing that it is for. No VM can write what runs on the others."""
    roles = _roles(_deploy(spotCount=2, regularCount=1))
    operator = roles.pop("deployer")
    assert list(roles.values()) == [OF_A_VM] * 3
    assert operator == [
        ("Storage Blob Data Contributor", "jobs"),
        ("Storage Blob Data Contributor", "packages"),
        ("Storage Queue Data Contributor", "jobs"),
        ("Storage Table Data Contributor", "jobs"),
    ]


def test_with_a_responder_a_vm_may_also_tell_it() -> None:
    """At the queue of agents in the responder's group."""
    deployment = _deploy(spotCount=2, **RESPONDER)
    told = ("Storage Queue Data Message Sender", f"responder/queueServices/default/queues/{AGENTS}")
    roles = _roles(deployment)
    del roles["deployer"]
    assert list(roles.values()) == [[*OF_A_VM[:4], told, *OF_A_VM[4:]]] * 2
    assigned = [one.scope.split("/") for one in resources(deployment, "Authorization/roleAssignments")]
    groups = {scope[4] for scope in assigned if scope[-1] == AGENTS}
    assert groups == {RESPONDER["responderGroup"]}
    for vm in _vms(deployment):
        assert _user_data(vm)["settings"]["agentsQueue"] == f"https://stresponder.queue.core.windows.net/{AGENTS}"


def test_vms_for_work_are_started_for_it_and_each_may_stop_itself_and_no_other_one() -> None:
    """The tag names account and queue, Spot or not; the right is a role of two actions, at the VM itself."""
    deployment = _deploy(spotCount=1, regularCount=1, startForWork=True)
    account = deployment.output("JOBS_ACCOUNT_NAME")
    assert [vm.body["tags"] for vm in _vms(deployment)] == [{WORK_TAG: f"{account}/{GIVEN['queue']}"}] * 2
    assert str(WorkQueueName.parse(f"{account}/{GIVEN['queue']}"))
    [role] = resources(deployment, "Authorization/roleDefinitions")
    [permissions] = role.properties["permissions"]
    assert {action.removeprefix("Microsoft.Compute/virtualMachines/") for action in permissions["actions"]} == {
        "read",
        "deallocate/action",
    }
    assert permissions["dataActions"] == []
    assert role.properties["assignableScopes"] == [role.place.address]
    stops = [one for one in role_assignments(deployment) if one[1] == role.name]
    assert [scope for _, _, scope in stops] == [
        f"{vm.place.address}/providers/Microsoft.Compute/virtualMachines/{vm.name}" for vm in _vms(deployment)
    ]
    assert [who for who, _, _ in stops] == [
        deployment.modules[f"vms[{index}]"].output("principalId") for index in range(2)
    ]
    others = [one for one in role_assignments(deployment) if one[1] != role.name]
    assert {ROLES[role] for _, role, _ in others} == set(ROLES.values())


def test_the_worker_of_a_vm_for_work_stops_it() -> None:
    """With the minutes that the responder is told; an idle time of nothing is at once."""
    [vm] = _vms(_deploy(spotCount=1, startForWork=True, workerOptions="--slots auto", idleMinutes=0, minimumMinutes=3))
    options = _user_data(vm)["settings"]["options"]
    assert options == "--slots auto --stop-vm-after-idle 0 --stop-vm-minimum 3"


def test_vms_may_read_the_blobs_that_are_their_jobs_and_write_none() -> None:
    """At that container, which is there."""
    deployment = _deploy(spotCount=1, container="frames-in")
    assert "frames-in" in last_names(deployment, "Storage/storageAccounts/blobServices/containers")
    roles = _roles(deployment)
    del roles["deployer"]
    [of_the_vm] = roles.values()
    [new] = [right for right in of_the_vm if right not in OF_A_VM]
    assert new == ("Storage Blob Data Reader", "jobs/blobServices/default/containers/frames-in")


def test_without_work_no_vm_may_stop_itself() -> None:
    """Nothing of it is there unless it is asked for."""
    deployment = _deploy(spotCount=1)
    assert resources(deployment, "Authorization/roleDefinitions") == []
    assert all("stop-vm" not in _user_data(vm)["settings"]["options"] for vm in _vms(deployment))


def test_vms_that_cannot_reach_resource_manager_are_not_for_work() -> None:
    """No private endpoint leads there, so they could not stop themselves."""
    with pytest.raises(ExpressionError, match="startForWork=true takes wayOut=natGateway"):
        _deploy(wayOut="privateEndpoints", startForWork=True)


def test_no_two_assignments_have_one_name() -> None:
    """And those of a VM that was made again have others: they are named by its identity."""
    names = [one.name for one in resources(_deploy(spotCount=3, **RESPONDER), "Authorization/roleAssignments")]
    assert len(names) == len(set(names))


def test_what_the_worker_needs_is_there_under_the_names_that_it_gives() -> None:
    """So its identity need not be allowed to make any of it."""
    deployment = _deploy()
    named = places(GIVEN["queue"])
    assert last_names(deployment, "Storage/storageAccounts/queueServices/queues") == [named.queue, named.poison_queue]
    assert last_names(deployment, "Storage/storageAccounts/blobServices/containers") == [named.checkpoints, "packages"]
    assert last_names(deployment, "Storage/storageAccounts/tableServices/tables") == [named.results, WORKERS_TABLE]
    for account in resources(deployment, "Storage/storageAccounts"):
        assert account.properties["allowSharedKeyAccess"] is False
        assert account.properties["allowBlobPublicAccess"] is False


def test_the_user_data_is_what_the_vm_understands() -> None:
    """The packages first to last, by content, in the account of packages; settings that the installer reads."""
    deployment = _deploy(workerOptions="--slots auto")
    account = deployment.output("PACKAGES_ACCOUNT_NAME")
    for vm in _vms(deployment):
        given = _user_data(vm)
        assert given["packages"] == [
            {
                "address": f"https://{account}.blob.core.windows.net/packages/spot-vm-{'a' * 64}.tar.gz",
                "sha256": "a" * 64,
            },
            {"address": f"https://{account}.blob.core.windows.net/packages/work-{'b' * 64}.tar.gz", "sha256": "b" * 64},
        ]
        assert read_worker(json.dumps(given["settings"])) == Worker(
            queue=GIVEN["queue"],
            function=GIVEN["workFunction"],
            account=deployment.output("JOBS_ACCOUNT_NAME"),
            options="--slots auto",
            agents_queue="",
        )
        assert len(vm.properties["userData"]) < LONGEST_DATA


def _custom_data(deployment: Deployment) -> set[str]:
    return {base64.b64decode(vm.properties["osProfile"]["customData"]).decode() for vm in _vms(deployment)}


def test_the_custom_data_holds_the_bootstrap_and_is_the_same_for_all() -> None:
    """Azure refuses to change it on a VM that exists, so nothing in it depends on what is deployed."""
    [text] = _custom_data(_deploy(spotCount=2, regularCount=1))
    assert {text} == _custom_data(_deploy(queue="other", workerOptions="--slots 3", vmPackage="c" * 64, **RESPONDER))
    assert text.startswith("#cloud-config\n")
    [content] = re.findall(r"^    encoding: b64\n    content: (\S+)$", text, re.MULTILINE)
    assert base64.b64decode(content) == (INFRA / "vm" / "bootstrap.py").read_bytes()
    assert len(base64.b64encode(text.encode())) < LONGEST_DATA


def test_the_units_of_the_custom_data_are_good(tmp_path: Path) -> None:
    """As systemd reads them."""
    [text] = _custom_data(_deploy())
    for name, body in re.findall(r"- path: /etc/systemd/system/(\S+)\n    content: \|\n((?:      .*\n)+)", text):
        (tmp_path / name).write_text(re.sub("^ {6}", "", body, flags=re.MULTILINE), "utf-8")
    units = sorted(tmp_path.iterdir())
    assert [unit.name for unit in units] == ["spot-vm.service", "spot-vm.timer"]
    # The bootstrap itself is not on this machine.
    service = units[0].read_text("utf-8")
    units[0].write_text(service.replace("/usr/bin/python3 /usr/local/lib/spot-vm-bootstrap.py", "/bin/true"), "utf-8")
    assert "ExecStart=/usr/bin/python3 /usr/local/lib/spot-vm-bootstrap.py" in service
    try:
        done = subprocess.run(  # noqa: S603
            ["systemd-analyze", "verify", *map(str, units)],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    except FileNotFoundError:
        pytest.skip("there is no systemd-analyze here")
    assert [line for line in done.stderr.splitlines() if "spot-vm" in line] == []


def test_a_change_of_the_custom_data_is_meant() -> None:
    """It must be told in the changelog: a redeployment over VMs that exist is refused until they are deleted."""
    [text] = _custom_data(_deploy())
    assert hashlib.sha256(text.encode()).hexdigest() == CUSTOM_DATA


def test_log_lines_go_to_a_workspace_only_where_that_is_asked_for() -> None:
    """Each VM's services, by Azure Monitor's agent, without a key."""
    assert resources(_deploy(), "OperationalInsights/workspaces") == []
    assert resources(_deploy(), "Compute/virtualMachines/extensions") == []
    deployment = _deploy(spotCount=2, logs=True)
    [rule] = resources(deployment, "Insights/dataCollectionRules")
    assert rule.properties["dataSources"]["syslog"][0]["facilityNames"] == ["daemon"]
    assert len(resources(deployment, "Compute/virtualMachines/extensions")) == 2
    assert {
        one.scope.rsplit("/", 1)[-1] for one in resources(deployment, "Insights/dataCollectionRuleAssociations")
    } == {
        "spot-work-spot-0",
        "spot-work-spot-1",
    }


def test_a_vm_that_exists_keeps_the_size_and_tags_that_it_was_given_since() -> None:
    """By the responder, which found capacity for another size, or by its owner, who wants it left alone for a while."""
    kept = {"spot-work-spot-1": {"size": "Standard_D2s_v5", "tags": {Policy().restart_tag: "false", "team": "film"}}}
    new, old = _vms(_deploy(spotCount=2, tags={"cost": "7"}, existing=kept))
    assert new.properties["hardwareProfile"] == {"vmSize": "Standard_D2as_v5"}
    assert new.body["tags"] == {Policy().restart_tag: "true", "cost": "7"}
    assert old.properties["hardwareProfile"] == {"vmSize": "Standard_D2s_v5"}
    assert old.body["tags"] == {Policy().restart_tag: "false", "team": "film", "cost": "7"}
    [work] = _vms(
        _deploy(spotCount=1, startForWork=True, existing={"spot-work-spot-0": {"size": "S", "tags": {"a": "b"}}})
    )
    assert set(work.body["tags"]) == {WORK_TAG, "a"}
