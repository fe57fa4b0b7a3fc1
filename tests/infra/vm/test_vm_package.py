"""The package for VMs, with the real libraries: it installs without a package index, and is the same each time."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING

import pytest

from scripts import pack_vm
from tests.infra.compiler import REPOSITORY
from tests.infra.vm.small_package import AGENT, Vm

if TYPE_CHECKING:
    from pathlib import Path

MAKE = (REPOSITORY / "Makefile").read_text("utf-8")
RELEASE = (REPOSITORY / ".github" / "workflows" / "release.yml").read_text("utf-8")


def _pinned(file: str) -> dict[str, str]:
    text = (REPOSITORY / "worker" / file).read_text("utf-8")
    return dict(re.findall(r"^([\w.-]+)==(\S+)$", text, re.MULTILINE))


def test_what_is_packed_is_what_was_tested() -> None:
    """The libraries of the worker's tests under Python 3.9, each in its one version."""
    packed, tested = _pinned("requirements-vm.txt"), _pinned("requirements-39.txt")
    del packed["pip"]
    assert packed.items() <= tested.items()


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fetch them for this Python and processor only; skipped where there is no package index."""
    folder: Path = tmp_path_factory.mktemp("libraries")
    try:
        pack_vm.fetch_libraries(folder, [platform.python_version()], [platform.machine()])
    except pack_vm.PackError:
        if os.environ.get("CI"):
            raise
        pytest.skip("no package index can be reached")
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build our wheels as `make worker` does; the agent is a stand-in."""
    folder: Path = tmp_path_factory.mktemp("built")
    (folder / "spot-agent.pyz").write_text("", "utf-8")
    wheel = [sys.executable, "-m", "pip", "wheel", "-qq", "--disable-pip-version-check", "--no-input", "--no-deps"]
    # A build leaves a folder beside its sources.
    ours = [tmp_path_factory.mktemp("sources") / name for name in ("agent", "worker")]
    for copied in ours:
        shutil.copytree(REPOSITORY / copied.name, copied, ignore=shutil.ignore_patterns("build", "tests", "*.egg-info"))
    done = subprocess.run(  # noqa: S603 - our own packages
        [*wheel, "--wheel-dir", folder, *ours], capture_output=True, text=True, check=False, timeout=300
    )
    if done.returncode and not os.environ.get("CI"):
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stderr
    return folder


def test_a_vm_without_an_index_gets_a_worker_that_works(tmp_path: Path, built: Path, libraries: Path) -> None:
    """All that it needs is in the package; no pip has to be on the VM."""
    packed, vm = tmp_path / "spot-vm.tar.gz", Vm(tmp_path / "vm")
    pack_vm.pack(packed, built, libraries)
    folder = tmp_path / "unpacked"
    with tarfile.open(packed) as archive:
        archive.extractall(folder, filter="data")
    (folder / "spot-agent.pyz").write_text(AGENT.format(root=str(vm.root)), "utf-8")
    done = vm.install(folder, "install")
    assert (done.stderr, done.returncode) == ("", 0)
    assert vm.calls() == ["spot-agent install", "systemctl daemon-reload"]
    worker = vm.root / "opt/spot-worker/.venv/bin/spot-worker"
    said = subprocess.run(  # noqa: S603 - the worker that was installed
        [worker, "jobs", "--queue", "jobs"], env={}, capture_output=True, text=True, check=False, timeout=60
    )
    assert said.stderr.startswith("spot-worker: which storage account? Give --account NAME")
    imports = (
        "import azure.identity, azure.storage.blob, azure.storage.queue, azure.data.tables, spot_worker.commands.run"
    )
    subprocess.run([worker.with_name("python"), "-I", "-c", imports], check=True, timeout=60)  # noqa: S603


def test_who_packs_again_gets_the_same_file(tmp_path: Path, built: Path, libraries: Path) -> None:
    """Whenever, and as whom."""
    for name in ("one", "two"):
        pack_vm.pack(tmp_path / name, built, libraries)
        os.utime(next(built.glob("*.whl")), (0, 0))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_what_was_not_built_is_named(tmp_path: Path) -> None:
    """And what to do."""
    with pytest.raises(
        pack_vm.PackError, match=r"holds 0 files spot-agent.pyz, and not one: empty it and run `make vm-pa"
    ):
        pack_vm.pack(tmp_path / "package", tmp_path, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_release_has_the_agent_the_worker_and_the_package_for_vms() -> None:
    """Built by make, and all of it put on the release."""
    built = re.findall(r"^      - run: make (.+)$", RELEASE, re.MULTILINE)
    assert built == ["vm-package"]
    assert "\nvm-package: agent worker ##" in MAKE
    [released] = re.findall(r"gh release create \"\$TAG\" (.+) --title", RELEASE)
    assert released.split() == [
        "spot-responder.zip",
        "dist/spot-agent.pyz",
        "dist/spot_agent-*.whl",
        "dist/spot_worker-*.whl",
        "dist/spot-vm.tar.gz",
    ]
