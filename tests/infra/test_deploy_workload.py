"""What `scripts/deploy-workload.sh` says to az and to whoever calls it; az is a stand-in."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import tarfile
from typing import TYPE_CHECKING, Final

import pytest

from tests.infra.compiler import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

AZ: Final = """#!/bin/bash
printf "%s\\n" "$*" >> {folder}/said
case "$*" in
  "vm list"*) cat {folder}/vms;;
  "storage account list"*) cat {folder}/accounts;;
  "deployment group create"*) [ -e {folder}/refused ] && {{ echo "SkuNotAvailable" >&2; exit 1; }}; echo stpkg1;;
  *JOBS*) echo stjobs;;
  *QUEUE*) echo jobs;;
esac
"""
KIT: Final = b"kit"


class Operator:
    """Somebody with az, who calls the script."""

    def __init__(self, folder: Path) -> None:
        """Nothing is deployed yet."""
        self.folder = folder
        (folder / "vms").write_text("[]", "utf-8")
        (folder / "accounts").write_text("", "utf-8")
        az = folder / "az"
        az.write_text(AZ.format(folder=folder), "utf-8")
        az.chmod(0o755)
        (folder / "spot-vm.tar.gz").write_bytes(KIT)
        self.pack("frames.py")

    def pack(self, *names: str, link: str = "") -> None:
        """Pack a work package; ``link`` is where a link in it leads."""
        with tarfile.open(self.folder / "mine.tar.gz", "w:gz") as packed:
            for name in names:
                packed.addfile(tarfile.TarInfo(name), io.BytesIO())
            if link:
                entry = tarfile.TarInfo("link")
                entry.type, entry.linkname = tarfile.SYMTYPE, link
                packed.addfile(entry)

    def deploy(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Call the script."""
        return subprocess.run(  # noqa: S603 - our own script
            [REPOSITORY / "scripts" / "deploy-workload.sh", "rg", "spot-vm.tar.gz", "mine.tar.gz", *options],
            cwd=self.folder,
            env={"PATH": f"{self.folder}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def said(self, words: str) -> list[str]:
        """Give what az was told that begins so."""
        file = self.folder / "said"
        lines = file.read_text("utf-8").splitlines() if file.exists() else []
        return [line for line in lines if line.startswith(words)]


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    """Give somebody with az."""
    return Operator(tmp_path)


def test_one_command_deploys_and_uploads_by_content(operator: Operator) -> None:
    """The packages are named as the user data names them; further options go to az."""
    done = operator.deploy("-p", "spotCount=3")
    assert (done.stderr, done.returncode) == ("", 0)
    kit = hashlib.sha256(KIT).hexdigest()
    work = hashlib.sha256((operator.folder / "mine.tar.gz").read_bytes()).hexdigest()
    [deployed] = operator.said("deployment group create")
    assert f"-p vmPackage={kit} workPackage={work} existing={{}} -p spotCount=3 " in deployed
    first, second = operator.said("storage blob upload --account-name stpkg1 -c packages")
    assert f"-n spot-vm-{kit}.tar.gz -f spot-vm.tar.gz " in first
    assert f"-n work-{work}.tar.gz -f mine.tar.gz " in second
    assert done.stdout.endswith("spot-worker submit --account stjobs --queue jobs FILE\n")


def test_where_one_vm_has_no_capacity_the_others_get_their_packages(operator: Operator) -> None:
    """And it is said that a part is missing, and how to get it."""
    (operator.folder / "refused").touch()
    (operator.folder / "accounts").write_text("stpkg1\n", "utf-8")
    done = operator.deploy()
    assert done.returncode == 1
    assert len(operator.said("storage blob upload --account-name stpkg1")) == 2
    assert "SkuNotAvailable" in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("deploy-workload: the packages are uploaded, but a part is not deployed")
    assert last.endswith("call this again for the others")


def test_where_nothing_could_be_deployed_nothing_is_uploaded(operator: Operator) -> None:
    """A key of a wrong form, say."""
    (operator.folder / "refused").touch()
    done = operator.deploy()
    assert (done.returncode, operator.said("storage blob upload")) == (1, [])
    assert done.stderr.splitlines()[-1].startswith("deploy-workload: nothing is deployed, and nothing uploaded")


VMS: Final = [
    {"name": "one", "size": "S1", "tags": {"AttemptRestartAfterEviction": "true"}, "power": "VM running"},
    {
        "name": "two",
        "size": "S2",
        "tags": {"AttemptRestartAfterEviction": "false", "team": "film", "StartForWork": "a/b"},
        "power": "VM deallocated",
    },
    {"name": "three", "size": "S3", "tags": None, "power": "VM running"},
]


def test_what_was_changed_of_vms_that_exist_is_handed_on(operator: Operator) -> None:
    """Sizes, and tags but those that the template gives itself. What is given with -p comes last, and outweighs it."""
    (operator.folder / "vms").write_text(json.dumps(VMS), "utf-8")
    assert operator.deploy("-p", "existing={}").returncode == 0
    [deployed] = operator.said("deployment group create")
    handed, _, rest = deployed.partition("existing=")[2].partition(" -p ")
    assert json.loads(handed) == {
        "one": {"size": "S1", "tags": {}},
        "two": {"size": "S2", "tags": {"AttemptRestartAfterEviction": "false", "team": "film"}},
        "three": {"size": "S3", "tags": {}},
    }
    assert rest.startswith("existing={}")


def test_log_lines_of_a_vm_that_does_not_run_are_refused_before_azure_refuses_them(operator: Operator) -> None:
    """Azure changes no extension of it. In one line that says what to do; nothing was changed."""
    (operator.folder / "vms").write_text(json.dumps(VMS), "utf-8")
    done = operator.deploy("-p", "logs=true")
    assert (done.returncode, done.stdout) == (1, "")
    assert "logs=true takes VMs that run, and these do not: two." in done.stderr
    assert done.stderr.count("\n") == 1
    assert operator.said("deployment group create") == []
    assert operator.deploy("-p", "logs=false").stderr == ""


def test_a_work_package_that_no_vm_could_use_is_refused_before_anything_is_deployed(operator: Operator) -> None:
    """In a line that says what to do."""
    for function, names, link, said in (
        ("render:all", ["frames.py"], "", "has no render.py at its top"),
        ("frames:render", ["my-folder/frames.py"], "", "there is my-folder: pack it so: tar -czf"),
        ("frames:render", ["frames.py"], "/usr/lib", "link leads out of the package"),
        ("frames:render", ["frames.py"], "../other", "link leads out of the package"),
        ("frames:render", ["frames.py"], "gone", "link is a link to nothing in the package"),
        ("frames:render", ["../frames.py", "frames.py"], "", "../frames.py leads out of the package"),
    ):
        operator.pack(*names, link=link)
        done = operator.deploy("-p", f"workFunction={function}")
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert said in done.stderr
    (operator.folder / "mine.tar.gz").write_bytes(b"PK")
    assert "is no .tar.gz" in operator.deploy().stderr
    assert operator.said("") == []


def test_a_package_and_links_inside_of_it_are_fine(operator: Operator) -> None:
    """A module may be a folder, or of a folder."""
    operator.pack("./frames/__init__.py", "./frames/films.py", link="frames/films.py")
    with tarfile.open(operator.folder / "mine.tar.gz") as packed:
        assert "frames" not in packed.getnames()
    assert operator.deploy("-p", "workFunction=frames.films:render").returncode == 0


def test_an_empty_key_is_told_at_once(operator: Operator) -> None:
    """The file was not there, so the shell gave nothing."""
    done = operator.deploy("-p", "sshPublicKey=")
    assert done.returncode == 1
    assert done.stderr.startswith("deploy-workload: sshPublicKey is empty")
