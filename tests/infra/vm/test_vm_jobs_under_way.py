"""Jobs under way are finished by the code that they began with, whatever is installed meanwhile."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Final

import pytest

from tests.infra.vm.small_package import SETTINGS, Vm, make_package, make_work

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JOB: Final = """
import os, subprocess, sys
print("it has begun", flush=True)
while line := os.read(0, 100):
    word = line.decode().strip()
    if word == "later":  # as a function imports amid its work
        import later

        print(later.SAYS, flush=True)
    elif word == "process":  # and as a function starts programs of its own
        code = "import later; print(later.SAYS)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        print(done.stdout.strip() or done.stderr, flush=True)
    else:  # as the worker goes on after SIGHUP
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
"""


class Job:
    """A process of the worker's environment, which does what it is told by a word."""

    def __init__(self, vm: Vm) -> None:
        """Start it as the unit would."""
        python = vm.root / "opt/spot-worker/.venv/bin/python"
        self._process = subprocess.Popen(  # noqa: S603 - our own words
            [python, "-uc", JOB], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._hear()

    def says(self, word: str) -> str:
        """Let it do something; give what it says."""
        assert self._process.stdin
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        return self._hear()

    def takes_new_code(self) -> None:
        """Let it begin anew in its place."""
        assert self.says("anew") == "it has begun"

    def _hear(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline().strip()

    def end(self) -> None:
        """Let it end."""
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def vm(tmp_path: Path) -> Vm:
    """Give a VM with nothing on it."""
    return Vm(tmp_path / "vm")


@pytest.fixture
def jobs() -> Iterator[list[Job]]:
    """Give a list for jobs, which are ended with the test."""
    started: list[Job] = []
    yield started
    for job in started:
        job.end()


def _work(folder: Path, says: str) -> Path:
    make_work(folder, says)
    (folder / "later.py").write_text(f"SAYS = {says!r}\n", "utf-8")
    return folder


def _apply(vm: Vm, package: Path, work: Path) -> None:
    done = vm.install(package, "apply", str(work), settings=json.dumps(SETTINGS))
    assert (done.stderr, done.returncode) == ("", 0)


def _left(vm: Vm, folder: str) -> set[str]:
    return {path.name for path in (vm.root / "opt/spot-worker" / folder).iterdir()}


def test_a_job_that_imports_something_late_gets_it_of_the_code_that_it_began_with(
    tmp_path: Path, vm: Vm, jobs: list[Job]
) -> None:
    """So do the programs that it starts. A worker that takes new code in gets the new one of all."""
    package = make_package(tmp_path / "package", vm.root, "1")
    _apply(vm, package, _work(tmp_path / "v1", "one"))
    jobs.append(job := Job(vm))
    _apply(vm, package, _work(tmp_path / "v2", "two"))
    assert (job.says("later"), job.says("process")) == ("one", "one")
    job.takes_new_code()
    assert (job.says("later"), job.says("process")) == ("two", "two")


def test_code_that_jobs_use_is_kept_whatever_came_since(tmp_path: Path, vm: Vm, jobs: list[Job]) -> None:
    """Back and forth: 1, 2, 1, 3. What nobody uses goes, but for the one before the newest."""
    package = make_package(tmp_path / "package", vm.root, "1")
    first, second = _work(tmp_path / "v1", "one"), _work(tmp_path / "v2", "two")
    _apply(vm, package, first)
    jobs.append(of_first := Job(vm))
    _apply(vm, package, second)
    jobs.append(of_second := Job(vm))
    _apply(vm, package, first)
    _apply(vm, package, _work(tmp_path / "v3", "three"))
    assert _left(vm, "works") == {"v1", "v2", "v3"}
    assert (of_first.says("later"), of_second.says("later")) == ("one", "two")
    of_second.end()
    _apply(vm, package, _work(tmp_path / "v4", "four"))
    assert _left(vm, "works") == {"v1", "v3", "v4"}
    of_first.end()
    _apply(vm, package, _work(tmp_path / "v5", "five"))
    assert _left(vm, "works") == {"v4", "v5"}


def test_a_kit_that_a_worker_uses_is_kept_and_others_go(tmp_path: Path, vm: Vm, jobs: list[Job]) -> None:
    """Where workers are their owner's, `install` comes again and again, and nobody restarts them."""
    packages = [make_package(tmp_path / f"package-{number}", vm.root, str(number)) for number in range(1, 5)]
    kits = []
    for number, package in enumerate(packages):
        assert vm.install(package, "install").returncode == 0
        kits.append((vm.root / "opt/spot-worker/.venv").readlink().name)
        if number == 0:
            jobs.append(Job(vm))
    assert _left(vm, "venvs") == {kits[0], kits[2], kits[3]}
    jobs[0].end()
    assert vm.install(packages[3], "install").returncode == 0
    assert _left(vm, "venvs") == {kits[2], kits[3]}
