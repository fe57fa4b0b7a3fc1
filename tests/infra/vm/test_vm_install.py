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
from spot_vm.places import UNIT, Places
from spot_vm.workers import Worker

from tests.infra.compiler import INFRA, REPOSITORY
from tests.infra.vm.small_package import SETTINGS, Vm, make_package, make_wheel, make_work

if TYPE_CHECKING:
    from pathlib import Path

AGENTS_QUEUE = SETTINGS["agentsQueue"]
SERVICE = "spot-worker@jobs"
SOURCES = sorted(f"spot_vm/{path.name}" for path in (INFRA / "vm" / "spot_vm").glob("*.py"))
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
    unit = REPOSITORY / "worker" / UNIT
    assert (vm.root / "etc/systemd/system" / UNIT).read_text("utf-8") == unit.read_text("utf-8")
    assert (vm.root / "etc/spot-worker/jobs.env").read_text("utf-8") == (
        "FUNCTION=count:work\nQUEUE=jobs\nAZURE_STORAGE_ACCOUNT=stjobs\nOPTIONS=--slots 2\n"
    )
    assert vm.unreadable() == []


def test_what_the_unit_reads_is_what_is_written() -> None:
    """Names, program and folders of the unit are those of the installer."""
    unit = (REPOSITORY / "worker" / UNIT).read_text("utf-8")
    written = [line.split("=")[0] for line in Worker("q", "f", "a", "o", "").environment().splitlines()]
    assert [name for name in written if f"${{{name}}}" not in unit and f"${name}" not in unit] == []
    places = Places()
    assert f"ExecStart={places.environment}/bin/spot-worker run " in unit
    assert f"EnvironmentFile={places.settings}/%i.env" in unit
    assert f"WorkingDirectory={places.home}" in unit
    assert "CacheDirectory=spot-worker/%i" in unit
    assert f"Environment=HOME={places.of_workers[2]}/%i" in unit


def test_the_agent_takes_the_words_that_it_is_called_with() -> None:
    """Its own installer, whose stand-in is called elsewhere here; and it comes where it is looked for."""

    def helped(*words: str) -> str:
        asked = [sys.executable, "-m", "spot_agent", *words, "--help"]
        return subprocess.run(asked, capture_output=True, text=True, check=True, timeout=60).stdout  # noqa: S603

    assert "--queue URL" in helped("install")
    assert "usage: spot-agent uninstall" in helped("uninstall")
    assert agent_places.Places().program == Places().agent


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
    (vm.root / "var/cache/private/spot-worker/jobs").mkdir(parents=True)
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


def test_remove_leaves_what_the_owner_put_beside_it_and_names_it(vm: Vm, package: Path, work: Path) -> None:
    """To try an installation again, a version is taken away and given again: their code and settings are there."""
    _apply(vm, package, work)
    code, settings = vm.root / "opt/spot-worker/frames.py", vm.root / "etc/spot-worker/frames.env"
    drop_in = vm.root / "etc/systemd/system/spot-worker@.service.d/own.conf"
    drop_in.parent.mkdir()
    for file in (code, settings, drop_in):
        file.write_text("theirs", "utf-8")
    done = vm.install(vm.root / "usr/local/lib/spot-vm", "remove")
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout.splitlines() == [
        "install.py: agent and worker kit are removed",
        f"install.py: left, as they are yours: {code}, {settings}, {drop_in.parent}",
        "install.py: your workers are stopped; after a new install: systemctl enable --now spot-worker@frames",
    ]
    assert vm.calls()[:2] == [f"systemctl disable --now {one}" for one in ("spot-worker@frames", SERVICE)]
    files = {path for path in vm.root.rglob("*") if path.is_file() or path.is_symlink()}
    assert files == {code, settings, drop_in, vm.root / "bin/systemctl"}


def test_remove_works_after_the_python_that_installed_the_agent_is_gone(vm: Vm, package: Path, work: Path) -> None:
    """An upgrade of the system brought another one."""
    _apply(vm, package, work)
    agent = vm.root / "usr/local/bin/spot-agent"
    _, _, code = agent.read_text("utf-8").partition("\n")
    agent.write_text(f"#!/usr/bin/python3.8-which-is-gone\n{code}", "utf-8")
    done = vm.install(vm.root / "usr/local/lib/spot-vm", "remove")
    assert (done.stderr, done.returncode) == ("", 0)
    assert not agent.exists()


def test_a_library_of_the_work_that_would_replace_one_of_the_kit_is_refused(
    vm: Vm, package: Path, work: Path, tmp_path: Path
) -> None:
    """Before anything is started: a worker with half of another library would fail at its jobs."""
    _apply(vm, package, work)
    index = tmp_path / "index"
    index.mkdir()
    make_wheel(index, "2")
    (work / "requirements.txt").write_text(f"--no-index\n--find-links {index}\nspot-worker==2\n", "utf-8")
    done = vm.install(package, "apply", str(work), settings=json.dumps(SETTINGS))
    assert done.returncode == 1
    assert "constraint" in done.stderr
    assert "that version is the worker's own: let requirements.txt allow it" in done.stderr
    assert vm.worker_says() == "1 one"


def test_what_pip_is_told_on_this_vm_leaves_the_kit_alone(vm: Vm, package: Path, work: Path, tmp_path: Path) -> None:
    """A VM whose owner has named an index or a folder to pip."""
    settings = tmp_path / "pip.conf"
    settings.write_text("[install]\ntarget = /nowhere/at/all\n", "utf-8")
    vm.variables = {"PIP_CONFIG_FILE": str(settings), "PIP_CONSTRAINT": "/nowhere/at/all"}
    _apply(vm, package, work)
    assert vm.worker_says() == "1 one"


def test_a_python_that_is_too_old_is_told_so_in_one_line() -> None:
    """Not by an error of syntax: a Red Hat of before has 3.6."""
    source = (INFRA / "vm" / "install.py").read_text("utf-8")
    ast.parse(source, feature_version=(3, 6))
    assert "from __future__" not in source
    head, _, _ = source.partition("from spot_vm")
    old = f"import sys\nsys.version_info = (3, 6, 8, 'final', 0)\n{head}"
    done = subprocess.run([sys.executable, "-c", old], capture_output=True, text=True, check=False, timeout=60)  # noqa: S603
    assert done.returncode == 1
    assert done.stderr.startswith("install.py: Python 3.6 is too old: agent and worker need Python 3.9 or newer")
    assert done.stderr.count("\n") == 1


def test_what_was_done_is_told_in_a_line(vm: Vm, package: Path, work: Path) -> None:
    """Also to who only installs."""
    said = vm.install(package, "install").stdout
    assert said == (
        "install.py: agent and worker kit are installed; a worker that runs takes a newer kit at systemctl restart\n"
    )
    settings = json.dumps(SETTINGS)
    assert "is started anew" in vm.install(package, "apply", str(work), settings=settings).stdout
    assert "runs as before" in vm.install(package, "apply", str(work), settings=settings).stdout


def test_the_unit_that_looks_each_minute_is_silent_unless_it_has_something_to_say(
    vm: Vm, package: Path, work: Path
) -> None:
    """Three lines a minute would be charged where lines go to a workspace. Its own lines are still heard."""
    unit = vm.root / "etc/systemd/system/spot-vm.service"
    unit.parent.mkdir(parents=True)
    unit.touch()
    _apply(vm, package, work)
    drop_in = (unit.parent / "spot-vm.service.d/quiet.conf").read_text("utf-8").splitlines()
    assert {"[Service]", "SyslogLevel=notice", "LogLevelMax=notice"} <= set(drop_in)


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


@pytest.mark.parametrize("file", ["install.py", "bootstrap.py", *SOURCES])
def test_what_runs_on_vms_is_understood_by_python_3_9(file: str) -> None:
    """The oldest that the agent knows."""
    ast.parse((INFRA / "vm" / file).read_text("utf-8"), feature_version=(3, 9))
