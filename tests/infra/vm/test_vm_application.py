"""The VM application: its commands, its versions, who may write what it hands out; and a VM's list of applications."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from functools import cache
from typing import TYPE_CHECKING

import pytest

from tests.infra.compiler import INFRA, REPOSITORY, template_of
from tests.infra.deployment import Deployment, deploy
from tests.infra.expressions import Unknown
from tests.infra.vm.small_package import Vm, make_package
from tests.infra.ways import resources, role_assignments

if TYPE_CHECKING:
    from pathlib import Path

    from tests.infra.deployment import Resource
    from tests.infra.expressions import Value

GROUP = "rg-agent"
QUEUE = "https://st.queue.core.windows.net/agents"
BLOB_CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
LONGEST_COMMAND = 4096
VERSIONS = "Compute/galleries/applications/versions"
MERGE = REPOSITORY / "scripts" / "merged-applications.jq"
needs_jq = pytest.mark.skipif(shutil.which("jq") is None, reason="there is no jq here")


@cache
def _deployed(version: str = "1.0.0", queue: str = QUEUE) -> Deployment:
    given = {"version": version, "agentsQueueAddress": queue}
    return deploy(template_of(INFRA / "agent" / "main.bicep"), given, GROUP)


def _version(queue: str = QUEUE) -> Resource:
    [found] = resources(_deployed(queue=queue), VERSIONS)
    return found


def test_without_a_version_there_is_a_gallery_and_a_place_for_packages() -> None:
    """The first deployment: a version's package can only be put where there is an account."""
    empty = _deployed(version="")
    assert resources(empty, VERSIONS) == []
    assert [one.name for one in resources(empty, "Compute/galleries/applications")] == ["spot_responder/spot-vm"]
    assert [one.properties["supportedOSType"] for one in resources(empty, "Compute/galleries/applications")] == [
        "Linux"
    ]
    assert empty.output("VERSION_ID") == ""


def test_a_version_is_pinned_to_a_package_of_its_own() -> None:
    """No VM gets it unless it is named; a reboot amid its commands runs them again."""
    version = _version()
    profile = version.properties["publishingProfile"]
    assert version.name == "spot_responder/spot-vm/1.0.0"
    assert profile["source"]["mediaLink"].endswith("/spot-vm-1.0.0.tar.gz")
    assert profile["excludeFromLatest"] is True
    assert profile["settings"] == {"packageFileName": "spot-vm.tar.gz", "scriptBehaviorAfterReboot": "Rerun"}
    assert [region["name"] for region in profile["targetRegions"]] == ["westeurope"]
    assert _deployed().output("VERSION_ID").endswith(f"/resourceGroups/{GROUP}/providers/Microsoft.Compute/galleries/"
                                                     "spot_responder/applications/spot-vm/versions/1.0.0")  # fmt: skip


def test_only_the_gallery_and_who_publishes_may_write_packages() -> None:
    """No VM: who writes one runs programs as root on every VM."""
    deployment = _deployed()
    [account] = resources(deployment, "Storage/storageAccounts")
    found = [(who, role, scope.rpartition(account.name)[2]) for who, role, scope in role_assignments(deployment)]
    identity = Unknown(
        f"reference(/subscriptions/{deployment.place.subscription}/resourceGroups/{GROUP}, main: identity)"
    )
    assert sorted(found) == sorted(
        [
            (f"{identity}.principalId", BLOB_CONTRIBUTOR, ""),
            ("deployer", BLOB_CONTRIBUTOR, "/blobServices/default/containers/packages"),
        ]
    )
    [gallery] = resources(deployment, "Compute/galleries")
    [of_gallery] = resources(deployment, "ManagedIdentity/userAssignedIdentities")
    assert [name.rpartition("/")[2] for name in gallery.body["identity"]["userAssignedIdentities"]] == [of_gallery.name]
    assert account.properties["allowSharedKeyAccess"] is False
    assert account.properties["allowBlobPublicAccess"] is False


@pytest.mark.parametrize("command", ["install", "update", "remove"])
def test_a_command_is_as_short_as_azure_demands(command: str) -> None:
    """Also with the longest name that an account can have."""
    queue = f"https://{'s' * 24}.queue.core.windows.net/agents"
    assert 0 < len(_version(queue).properties["publishingProfile"]["manageActions"][command]) < LONGEST_COMMAND


def _run(command: str, folder: Path, vm: Vm) -> subprocess.CompletedProcess[str]:
    """Run a command as Azure does: bash, in the folder of the download. Its own files come below the VM's."""
    for path in ("/var/tmp", "/usr/local/lib/spot-vm"):  # noqa: S108 - as the command has it
        command = command.replace(path, f"{vm.root}{path}")
    (vm.root / "var/tmp").mkdir(parents=True, exist_ok=True)
    return subprocess.run(  # noqa: S603 - our own command
        ["bash", "-c", command],  # noqa: S607 - Azure's shell
        cwd=folder,
        env=vm.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


RECORDS = """
import sys
from pathlib import Path
root = Path({root!r})
copy = root / "usr/local/lib/spot-vm/install.py"
with (root / "calls").open("a") as calls:
    calls.write(" ".join(sys.argv[1:]) + "\\n")
if sys.argv[1] == "remove":
    copy.unlink()
else:
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_text(Path(__file__).read_text())
"""


@pytest.fixture
def vm(tmp_path: Path) -> Vm:
    """Give a VM with nothing on it."""
    return Vm(tmp_path / "vm")


@pytest.fixture
def download(tmp_path: Path, vm: Vm) -> Path:
    """Give the folder that Azure downloads to, with the package. Its installer writes down how it is called."""
    package = make_package(tmp_path / "package", vm.root, "1")
    (package / "install.py").write_text(RECORDS.format(root=str(vm.root)), "utf-8")
    folder = tmp_path / "download"
    folder.mkdir()
    name = _version().properties["publishingProfile"]["settings"]["packageFileName"]
    with tarfile.open(folder / name, "w:gz") as packed:
        packed.add(package, ".")
    return folder


def test_the_commands_install_update_and_remove_and_may_run_twice(vm: Vm, download: Path) -> None:
    """They leave nothing where Azure downloads to, nor in the temporary folder."""
    actions = _version().properties["publishingProfile"]["manageActions"]
    for command in ("install", "install", "update", "remove", "remove"):
        done = _run(actions[command], download, vm)
        assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    asked = f"install --queue {QUEUE}"
    assert vm.calls() == [asked, asked, asked, "remove"]
    assert [path.name for path in download.iterdir()] == ["spot-vm.tar.gz"]
    assert list((vm.root / "var/tmp").iterdir()) == []


def test_a_failed_installation_is_told_and_cleaned_up(vm: Vm, download: Path) -> None:
    """Azure keeps the exit code and what was printed."""
    (vm.root / "calls").mkdir()
    done = _run(_version().properties["publishingProfile"]["manageActions"]["install"], download, vm)
    assert done.returncode != 0
    assert list((vm.root / "var/tmp").iterdir()) == []


def test_without_a_responder_no_queue_is_named() -> None:
    """The agent works alone."""
    assert _version("").properties["publishingProfile"]["manageActions"]["install"].endswith('install.py" install')


def _merged(applications: list[Value] | None, version: str) -> Value:
    vm = {"properties": {} if applications is None else {"applicationProfile": {"galleryApplications": applications}}}
    done = subprocess.run(  # noqa: S603 - jq, with our own program
        ["jq", "-c", "--arg", "version", version, "-f", str(MERGE)],  # noqa: S607
        input=json.dumps(vm),
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return json.loads(done.stdout)["properties"]["applicationProfile"]["galleryApplications"]


def _application(name: str, version: str, **more: Value) -> Value:
    return {"packageReferenceId": f"/subscriptions/s/x/galleries/g/applications/{name}/versions/{version}", **more}


@needs_jq
def test_other_applications_of_a_vm_stay_as_they_are() -> None:
    """With their order, configuration and switches; ours is put in place of its older version, in whatever casing."""
    others = [
        _application("monitor", "1.0.0", order=1, treatFailureAsDeploymentFailure=True),
        _application("x", "2.0.0"),
    ]
    newer = _application("spot-vm", "2.0.0")["packageReferenceId"]
    older = _application("SPOT-VM", "1.0.0", order=7)
    assert _merged([others[0], older, others[1]], newer) == [*others, {"packageReferenceId": newer, "order": 7}]
    assert _merged(others, newer) == [*others, {"packageReferenceId": newer}]
    assert _merged(None, newer) == [{"packageReferenceId": newer}]
    assert _merged([others[0], older], "none") == [others[0]]


@needs_jq
def test_the_script_patches_the_list_of_the_vm_that_it_read(tmp_path: Path) -> None:
    """And nothing else of the VM; if the VM was changed meanwhile, Azure refuses by the ETag."""
    here = {"etag": '"7"', "properties": {"applicationProfile": {"galleryApplications": [_application("x", "1.0.0")]}}}
    az = tmp_path / "az"
    az.write_text(
        f"#!/bin/bash\nprintf '%s\\n' \"$*\" >> {tmp_path}/said\n[[ $* != *get* ]] || cat {tmp_path}/vm.json\n",
        "utf-8",
    )
    az.chmod(0o755)
    (tmp_path / "vm.json").write_text(json.dumps(here), "utf-8")
    subprocess.run(  # noqa: S603 - our own script
        [REPOSITORY / "scripts" / "add-vm-application.sh", "/subscriptions/s/vm", "/v"],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        check=True,
        timeout=30,
    )
    read, written = (tmp_path / "said").read_text("utf-8").splitlines()
    address = "https://management.azure.com/subscriptions/s/vm?api-version=2025-04-01"
    assert read == f"rest --method get --url {address}"
    assert written.startswith(
        f'rest --method patch --url {address} --headers Content-Type=application/json If-Match="7" '
    )
    body = json.loads(written.partition("--body ")[2].removesuffix(" -o none"))
    applications = [_application("x", "1.0.0"), {"packageReferenceId": "/v"}]
    assert body == {"properties": {"applicationProfile": {"galleryApplications": applications}}}
