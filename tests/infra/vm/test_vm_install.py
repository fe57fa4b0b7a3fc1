"""What the package's installer does on a VM: first, again, with something newer, cut off amid it, and at the end."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from spot_agent.installed import places as agent_places

from infra.vm import install as installer
from tests.infra.compiler import INFRA, REPOSITORY
from tests.infra.vm.small_package import Vm, make_package, make_work

if TYPE_CHECKING:
    from pathlib import Path

AGENTS_QUEUE = "https://st.queue.core.windows.net/agents"
SETTINGS = {
    "queue": "jobs",
    "function": "count:work",
    "account": "stjobs",
    "options": "--slots 2",
    "agentsQueue": AGENTS_QUEUE,
}
SERVICE = "spot-worker@jobs"
SAME = [f"systemctl enable {SERVICE}", f"systemctl start {SERVICE}"]


@pytest.fixture
def vm(tmp_path: Path) -> Vm:
    """Give a VM with nothing on it."""
    return Vm(tmp_path / "vm")


@pytest.fixture
def package(tmp_path: Path, vm: Vm) -> Path:
    """Make the package's first version."""
    return make_package(tmp_path / "package-1", vm.root, "1")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """Make the work package's first version."""
    return make_work(tmp_path / "work-1", "one")


def _apply(vm: Vm, package: Path, work: Path, **settings: str) -> list[str]:
    """Let it be applied; give what was called."""
    done = vm.install(package, "apply", str(work), settings=json.dumps({**SETTINGS, **settings}))
    assert (done.stderr, done.returncode) == ("", 0)
    return vm.calls()


def test_a_new_vm_gets_agent_kit_and_worker(vm: Vm, package: Path, work: Path) -> None:
    """The agent as a service, told where the responder is; the unit and its settings; a worker that finds the work."""
    assert _apply(vm, package, work) == [
        f"spot-agent install --queue {AGENTS_QUEUE}",
        "systemctl daemon-reload",
        f"systemctl enable {SERVICE}",
        f"systemctl restart {SERVICE}",
    ]
    assert vm.worker_says() == "1 one"
    unit = REPOSITORY / "worker" / installer.UNIT
    assert (vm.root / "etc/systemd/system" / installer.UNIT).read_text("utf-8") == unit.read_text("utf-8")
    assert (vm.root / "etc/spot-worker/jobs.env").read_text("utf-8") == (
        "FUNCTION=count:work\nQUEUE=jobs\nAZURE_STORAGE_ACCOUNT=stjobs\nOPTIONS=--slots 2\n"
    )
    assert vm.unreadable() == []


def test_what_the_unit_reads_is_what_is_written() -> None:
    """Names, program and folders of the unit are those of the installer."""
    unit = (REPOSITORY / "worker" / installer.UNIT).read_text("utf-8")
    written = [line.split("=")[0] for line in installer.Worker("q", "f", "a", "o", "").environment().splitlines()]
    assert [name for name in written if f"${{{name}}}" not in unit and f"${name}" not in unit] == []
    places = installer.Places()
    assert f"ExecStart={places.environment}/bin/spot-worker run " in unit
    assert f"EnvironmentFile={places.settings}/%i.env" in unit
    assert f"WorkingDirectory={places.home}" in unit


def test_the_agent_takes_the_words_that_it_is_called_with() -> None:
    """Its own installer, whose stand-in is called elsewhere here; and it comes where it is looked for."""

    def helped(*words: str) -> str:
        asked = [sys.executable, "-m", "spot_agent", *words, "--help"]
        return subprocess.run(asked, capture_output=True, text=True, check=True, timeout=60).stdout  # noqa: S603

    assert "--queue URL" in helped("install")
    assert "usage: spot-agent uninstall" in helped("uninstall")
    assert agent_places.Places().program == installer.Places().agent


def test_without_a_responder_the_agent_works_alone(vm: Vm, package: Path, work: Path) -> None:
    """No queue is named to it."""
    assert _apply(vm, package, work, agentsQueue="")[0] == "spot-agent install"


def test_again_nothing_is_restarted(vm: Vm, package: Path, work: Path) -> None:
    """Jobs under way are not disturbed, nor is the agent."""
    _apply(vm, package, work)
    assert _apply(vm, package, work) == SAME


def test_a_new_work_package_comes_in_between_two_jobs(vm: Vm, package: Path, work: Path, tmp_path: Path) -> None:
    """The unit is told to reload; what the jobs under way still import stays, and no more than that."""
    _apply(vm, package, work)
    for number in (2, 3, 4):
        newer = make_work(tmp_path / f"work-{number}", f"number {number}")
        assert _apply(vm, package, newer) == [SAME[0], f"systemctl reload-or-restart {SERVICE}"]
        assert vm.worker_says() == f"1 number {number}"
    left = sorted(path.name for path in (vm.root / "opt/spot-worker/works").iterdir())
    assert left == ["work-3", "work-4"]


def test_a_new_kit_or_new_settings_restart_the_worker(vm: Vm, package: Path, work: Path, tmp_path: Path) -> None:
    """Its jobs are saved and given back by that. The agent is asked again only where it is another."""
    _apply(vm, package, work)
    newer = make_package(tmp_path / "package-2", vm.root, "2")
    restarted = [SAME[0], f"systemctl restart {SERVICE}"]
    assert _apply(vm, newer, work) == restarted
    assert vm.worker_says() == "2 one"
    assert _apply(vm, newer, work, options="") == restarted
    assert _apply(vm, newer, work, options="", agentsQueue="") == ["spot-agent install", *SAME]


def test_requirements_of_the_work_are_installed_beside_the_kit(vm: Vm, package: Path, work: Path) -> None:
    """And are part of what the environment is known by."""
    _apply(vm, package, work)
    (work / "requirements.txt").write_text("no-such-thing-of-ours==1\n", "utf-8")
    done = vm.install(package, "apply", str(work), settings=json.dumps(SETTINGS))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("install.py: `")
    assert "it says above why" in done.stderr
    assert vm.calls() == []
    assert vm.worker_says() == "1 one"


def test_power_lost_amid_it_leaves_what_there_was(vm: Vm, package: Path, work: Path, tmp_path: Path) -> None:
    """A half-made environment and a half-copied work package are made anew, and until then the old ones are used."""
    _apply(vm, package, work)
    newer, second = make_package(tmp_path / "package-2", vm.root, "2"), make_work(tmp_path / "work-2", "two")
    _apply(vm, newer, second)
    home = vm.root / "opt/spot-worker"
    current = (home / ".venv").readlink()
    [kit] = current.glob("lib/*/site-packages/spot_worker")
    shutil.rmtree(kit)
    (current / "complete").unlink()
    (home / "works/work-3.new").mkdir()
    (home / ".venv.new").symlink_to("nowhere")
    third = make_work(tmp_path / "work-3", "three")
    _apply(vm, newer, third)
    assert vm.worker_says() == "2 three"


def test_a_worker_that_was_not_told_is_told_the_next_time(vm: Vm, package: Path, work: Path, tmp_path: Path) -> None:
    """The power was lost, or systemd refused, between the new files and the restart."""
    _apply(vm, package, work)
    newer = make_package(tmp_path / "package-2", vm.root, "2")
    vm.refuse("restart")
    done = vm.install(newer, "apply", str(work), settings=json.dumps(SETTINGS))
    assert (done.stderr, done.returncode) == (
        f"install.py: `systemctl restart {SERVICE}` ended with 1; it says above why. Then call this again\n",
        1,
    )
    vm.calls()
    vm.refuse("")
    assert _apply(vm, newer, work) == [SAME[0], f"systemctl restart {SERVICE}"]


def test_remove_leaves_nothing_and_may_be_called_again(vm: Vm, package: Path, work: Path) -> None:
    """By the copy that the installer made of itself: the package may be gone."""
    _apply(vm, package, work)
    # As systemd makes it, for a unit with a user of its own.
    state, link = vm.root / "var/lib/private/spot-worker/jobs", vm.root / "var/lib/spot-worker/jobs"
    state.mkdir(parents=True)
    (state / "lock").touch()
    link.parent.mkdir()
    link.symlink_to(state)
    copied = vm.root / "usr/local/lib/spot-vm"
    kept = shutil.copytree(copied, vm.root.parent / "kept")
    assert vm.install(copied, "remove").returncode == 0
    assert vm.calls() == [
        f"systemctl disable --now {SERVICE}",
        "spot-agent uninstall",
        "systemctl daemon-reload",
    ]
    assert vm.install(kept, "remove").returncode == 0
    vm.calls()
    left = [str(path.relative_to(vm.root)) for path in vm.root.rglob("*") if path.is_file() or path.is_symlink()]
    assert left == ["bin/systemctl"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("{", "cannot be read"),
        ("[]", "cannot be read"),
        (json.dumps({"queue": "jobs"}), "cannot be read: KeyError('function')"),
        (json.dumps({**SETTINGS, "queue": "../jobs"}), "'../jobs' cannot be the name of a queue"),
        (json.dumps({**SETTINGS, "options": "a\nPATH=/tmp"}), "hold a line break"),
    ],
)
def test_settings_that_cannot_be_are_refused(vm: Vm, package: Path, work: Path, given: str, said: str) -> None:
    """In one line, with nothing installed."""
    done = vm.install(package, "apply", str(work), settings=given)
    assert done.returncode == 1
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert vm.calls() == []


@pytest.mark.parametrize("file", ["install.py", "bootstrap.py"])
def test_what_runs_on_vms_is_understood_by_python_3_9(file: str) -> None:
    """The oldest that the agent knows."""
    ast.parse((INFRA / "vm" / file).read_text("utf-8"), feature_version=(3, 9))
