"""What the package's installer does on a VM: first, again, with something newer, cut off amid it, and at the end."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from spot_agent.installed import places as agent_places
from spot_vm.places import UNIT, Places
from spot_vm.workers import Worker

from tests.infra.compiler import INFRA, REPOSITORY
from tests.infra.vm.small_package import SETTINGS, Vm, make_package, make_wheel, make_work

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AGENTS_QUEUE = SETTINGS["agentsQueue"]
SERVICE = "spot-worker@jobs"
SOURCES = sorted(f"spot_vm/{path.name}" for path in (INFRA / "vm" / "spot_vm").glob("*.py"))
SAME = ["systemctl daemon-reload", f"systemctl enable {SERVICE}", f"systemctl start {SERVICE}"]

AS_NOBODY = """
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import install
os.setuid(65534)
sys.exit(install.main(sys.argv[2:], install.Places(), sys.stdin.read))
"""


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
        assert _apply(vm, package, newer) == [*SAME[:2], f"systemctl reload-or-restart {SERVICE}"]
        assert vm.worker_says() == f"1 number {number}"
    left = sorted(path.name for path in (vm.root / "opt/spot-worker/works").iterdir())
    assert left == ["work-3", "work-4"]


def test_a_new_kit_or_new_settings_restart_the_worker(vm: Vm, package: Path, work: Path, tmp_path: Path) -> None:
    """Its jobs are saved and given back by that. The agent is asked again only where it is another."""
    _apply(vm, package, work)
    newer = make_package(tmp_path / "package-2", vm.root, "2")
    restarted = [*SAME[:2], f"systemctl restart {SERVICE}"]
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
    assert _apply(vm, newer, work) == [*SAME[:2], f"systemctl restart {SERVICE}"]


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


def test_what_pip_is_told_on_this_vm_leaves_the_libraries_of_the_work_alone(
    vm: Vm, package: Path, work: Path, tmp_path: Path
) -> None:
    """But for where they come from, which `/etc/pip.conf` says: a folder or a compiler in it are for others."""
    index = tmp_path / "index"
    index.mkdir()
    make_wheel(index, "1", name="of_the_work")
    (vm.root / "etc").mkdir()
    told = f"[global]\ntarget = {tmp_path}/elsewhere\nno-index = true\n[install]\nfind-links = {index}\nuser = true\n"
    (vm.root / "etc/pip.conf").write_text(told, "utf-8")
    own = tmp_path / "own.conf"
    own.write_text("[install]\nrequire-hashes = true\n", "utf-8")
    vm.variables = {"PIP_CONFIG_FILE": str(own), "PIP_TARGET": f"{tmp_path}/elsewhere", "PYTHONPATH": str(tmp_path)}
    (tmp_path / "pip.py").write_text("raise SystemExit('not this one')", "utf-8")
    (work / "requirements.txt").write_text("of-the-work\n", "utf-8")
    _apply(vm, package, work)
    assert list((vm.root / "opt/spot-worker/.venv").glob("lib/*/site-packages/of_the_work/__main__.py"))
    assert not (tmp_path / "elsewhere").exists()


def test_a_pip_conf_that_cannot_be_read_is_named(vm: Vm, package: Path, work: Path) -> None:
    """With nothing changed that a worker uses."""
    (vm.root / "etc").mkdir()
    (vm.root / "etc/pip.conf").write_bytes(b"\xff\xfe")
    (work / "requirements.txt").write_text("of-the-work\n", "utf-8")
    done = vm.install(package, "apply", str(work), settings=json.dumps(SETTINGS))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith(f"install.py: {vm.root / 'etc/pip.conf'} cannot be read: ")
    assert list((vm.root / "opt/spot-worker/venvs").iterdir()) == []


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


def test_a_worker_of_another_queue_takes_the_place_of_the_one_before(vm: Vm, package: Path, work: Path) -> None:
    """The old one would go on with jobs that nobody wants from this VM. One that its owner made goes on."""
    _apply(vm, package, work)
    settings = vm.root / "etc/spot-worker"
    (settings / "own.env").write_text("theirs", "utf-8")
    done = vm.install(package, "apply", str(work), settings=json.dumps({**SETTINGS, "queue": "frames"}))
    assert (done.stderr, done.returncode) == ("", 0)
    assert "spot-worker@jobs is ended, since its queue is not wanted any more" in done.stdout
    calls = vm.calls()
    assert calls.index(f"systemctl disable --now {SERVICE}") < calls.index("systemctl restart spot-worker@frames")
    assert sorted(path.name for path in settings.iterdir()) == ["frames.env", "own.env"]
    again = vm.install(package, "apply", str(work), settings=json.dumps({**SETTINGS, "queue": "frames"}))
    assert "disable" not in " ".join(vm.calls())
    assert again.stdout == "install.py: spot-worker@frames runs as before\n"


@pytest.mark.parametrize("target", ["gone", "/etc/hosts", "../..", "data"])
def test_a_link_that_leads_out_of_the_work_package_or_nowhere_is_refused(
    vm: Vm, package: Path, work: Path, tmp_path: Path, target: str
) -> None:
    """In a line that names it, before anything is changed: the worker goes on with what it has."""
    _apply(vm, package, work)
    newer, second = make_package(tmp_path / "package-2", vm.root, "2"), make_work(tmp_path / "work-2", "two")
    (second / "data").symlink_to(target)
    done = vm.install(newer, "apply", str(second), settings=json.dumps(SETTINGS))
    assert done.returncode == 1
    assert done.stderr == (
        f"install.py: {second / 'data'} is a link to {target}, which is not in the work package: "
        "take it out of the package, or put in what it leads to, and deploy that\n"
    )
    assert vm.calls() == []
    assert vm.worker_says() == "1 one"
    assert [path.name for path in (vm.root / "opt/spot-worker/works").iterdir()] == ["work-1"]


def test_links_within_the_work_package_stay_links(vm: Vm, package: Path, work: Path) -> None:
    """Also one to a folder that it is in, which a copy of all that it leads to would have no end of."""
    (work / "here").symlink_to(".")
    (work / "also.py").symlink_to("count.py")
    _apply(vm, package, work)
    copied = vm.root / "opt/spot-worker/work"
    assert (str((copied / "here").readlink()), str((copied / "also.py").readlink())) == (".", "count.py")


@contextmanager
def _held_amid_its_work(vm: Vm, package: Path) -> Iterator[subprocess.Popen[str]]:
    """Let an installer wait in its first call of systemctl; later calls do not."""
    os.mkfifo(vm.root / "held")
    systemctl = vm.root / "bin/systemctl"
    before = systemctl.read_text("utf-8")
    systemctl.write_text(before + f"cat {vm.root}/held\n", "utf-8")
    first = vm.begin(package, "install")
    with (vm.root / "held").open("w"):  # it goes on when this is closed
        systemctl.write_text(before, "utf-8")
        yield first


def test_two_at_once_exclude_each_other(vm: Vm, package: Path) -> None:
    """The second says why it waits, and does all of it when the first has ended."""
    with _held_amid_its_work(vm, package) as first:
        second = vm.begin(package, "install")
        assert second.stderr
        said = second.stderr.readline()
        assert said.startswith(f"install.py: another one is at work, which holds {vm.root}/run/spot-vm.lock: waiting")
        assert second.poll() is None
    assert (first.communicate()[1], first.returncode) == ("", 0)
    assert (second.communicate()[1], second.returncode) == ("", 0)
    assert not (vm.root / "run/spot-vm.lock").exists()


def test_the_lock_of_one_that_was_killed_ends_with_what_it_began(vm: Vm, package: Path) -> None:
    """A pip goes on when its installer is killed, and writes what the next one is to make anew."""
    with _held_amid_its_work(vm, package) as first:
        first.kill()
        first.wait()
        second = vm.begin(package, "install")
        assert second.stderr
        assert "another one is at work" in second.stderr.readline()
    first.communicate()
    assert (second.communicate()[1], second.returncode) == ("", 0)


@pytest.mark.parametrize("missing", ["spot-agent.pyz", UNIT, "wheels/pip-*.whl", "wheels/spot_worker-*.whl"])
def test_a_package_that_is_not_whole_is_refused_before_anything_is_changed(
    vm: Vm, package: Path, work: Path, missing: str
) -> None:
    """And what is missing is named."""
    for file in package.glob(missing):
        file.unlink()
    done = vm.install(package, "apply", str(work), settings=json.dumps(SETTINGS))
    assert done.returncode == 1
    assert done.stderr == (
        f"install.py: {package} is not the whole package, {missing} is missing in it: "
        "unpack it anew, then call this again\n"
    )
    assert not (vm.root / "opt").exists()


def test_a_folder_that_is_none_is_named(vm: Vm, package: Path, work: Path) -> None:
    """As by a typing error."""
    done = vm.install(package, "apply", f"{work}s", settings=json.dumps(SETTINGS))
    assert done.stderr == f"install.py: {work}s is no folder: give the one of the unpacked work package\n"


@pytest.mark.parametrize("spoiled", [b"", b"{", b"[]", b"\xff", b'{"work": 1}'])
def test_a_note_that_cannot_be_read_claims_nothing(vm: Vm, package: Path, work: Path, spoiled: bytes) -> None:
    """A disk that was full may have cut it off: the worker is told again, and so is the agent."""
    _apply(vm, package, work)
    (vm.root / "opt/spot-worker/started-jobs.json").write_bytes(spoiled)
    (vm.root / "usr/local/lib/spot-vm/agent").write_bytes(spoiled)
    (vm.root / "etc/spot-worker/jobs.env").write_bytes(b"OPTIONS=\xe9\n")
    assert _apply(vm, package, work) == [
        f"spot-agent install --queue {AGENTS_QUEUE}",
        *SAME[:2],
        f"systemctl restart {SERVICE}",
    ]


def test_settings_in_another_encoding_are_refused_in_one_line(vm: Vm, package: Path, work: Path) -> None:
    """As every other text that is none."""
    vm.variables = {"PYTHONIOENCODING": "utf-8:strict"}  # as with a locale, which systemd and people have
    begun = vm.begin(package, "apply", str(work))
    assert begun.stdin
    os.write(begun.stdin.fileno(), b"\xff")
    said = begun.communicate()[1]
    assert (said.count("\n"), begun.returncode) == (1, 1)
    assert said.startswith("install.py: the settings of the worker cannot be read: standard input is no text: ")


def test_a_command_that_is_not_there_is_named(vm: Vm, package: Path) -> None:
    """As on a system without systemd."""
    vm.variables = {"PATH": "/nowhere"}
    done = vm.install(package, "install")
    assert done.stderr == (
        "install.py: `systemctl daemon-reload` cannot be begun: No such file or directory. Then call this again\n"
    )


def test_a_disk_that_is_full_is_told_with_where_and_leaves_no_half_file(vm: Vm, package: Path) -> None:
    """The limit of a process stands for the disk's; with room again the same call goes on."""
    done = vm.install(package, "install", largest_file=3000)
    assert done.returncode == 1
    assert done.stderr == (
        f"install.py: {vm.root}/usr/local/lib/spot-vm/spot_vm/kit.py: File too large. Mend that, then call this again\n"
    )
    assert list(vm.root.rglob("*.new")) == []
    assert vm.install(package, "install").returncode == 0


@pytest.mark.skipif(bool(os.geteuid()), reason="it takes root to be somebody else")
@pytest.mark.parametrize("words", [("install",), ("remove",), ("apply", "work")])
def test_who_is_not_root_is_told_so(package: Path, words: tuple[str, ...]) -> None:
    """In a line, with how."""
    done = subprocess.run(  # noqa: S603 - our own installer
        ["/usr/bin/env", sys.executable, "-c", AS_NOBODY, str(package), *words],
        input=json.dumps(SETTINGS),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    program = package / "install.py"
    assert (done.stderr, done.returncode) == (
        f"install.py: only root may do that: sudo python3 {program} {words[0]}\n",
        1,
    )


@pytest.mark.parametrize("file", ["install.py", "bootstrap.py", *SOURCES])
def test_what_runs_on_vms_is_understood_by_python_3_9(file: str) -> None:
    """The oldest that the agent knows."""
    ast.parse((INFRA / "vm" / file).read_text("utf-8"), feature_version=(3, 9))
