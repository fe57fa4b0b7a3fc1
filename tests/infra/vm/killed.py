"""A VM whose installer can be killed before any change that it makes, and what is then found on it.

A change is what Python's audit events name: a file that is opened for writing, renamed or removed, a folder, a link,
a command. So whatever the installer comes to do, there is a moment to kill it before.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.infra.vm.small_package import SETTINGS, Vm, make_package

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KILLED: Final = -9
EVERY: Final = 1 if os.environ.get("INSTALL_KILLS") == "all" else 7
"""Of how many changes one is killed before."""
KILLS: Final = """
import os, signal
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.symlink", "os.chmod", "subprocess.Popen"}
left = int(moment)
def heard(event, given):
    global left
    if event in CHANGES or event == "open" and given[2] & (os.O_WRONLY | os.O_RDWR):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
# A kill, unlike a loss of power, leaves what was written: to wait for the disk would take the time only.
os.sync = lambda: None
os.fsync = lambda handle: None
sys.addaudithook(heard)
"""
"""Code by which its process is killed before its change of the number ``moment``."""
_WITH_A_MOMENT: Final = f"""
import sys
from pathlib import Path
package, root, moment, *words = sys.argv[1:]
sys.dont_write_bytecode = True
sys.path.insert(0, package)
import install
{KILLS}
sys.exit(install.main(words, install.Places(Path(root)), sys.stdin.read))
"""
_SYSTEMCTL: Final = """#!/bin/bash
cd {root} || exit 1
unit=${{!#}} name=${{unit#spot-worker@}} home=opt/spot-worker
begin() {{
    {{ readlink $home/.venv; readlink $home/work; cat etc/spot-worker/$name.env loaded; }} > running-$name || exit 1
}}
case "$1" in
daemon-reload) cat etc/systemd/system/spot-worker@.service > loaded 2>/dev/null || rm -f loaded ;;
enable) touch enabled-$name ;;
restart | reload-or-restart) begin ;;
start) [ -e running-$name ] || begin ;;
disable) rm -f running-$name enabled-$name ;;
esac
"""
_AGENT_IS_TOLD: Final = """
(root / "agents-queue").write_text(" ".join(sys.argv[2:]))
"""
_PIP: Final = """
import pathlib, sys
[site] = pathlib.Path(sys.prefix).glob("lib/*/site-packages")
program = pathlib.Path(sys.prefix, "bin/spot-worker")
program.write_text("#!/bin/sh\\n")
(site / "spot_worker.py").write_text("")
"""


def make_quick_package(folder: Path, root: Path, version: str) -> Path:
    """Make a package whose pip is a stand-in, which takes no second, and whose unit and agent say the version too."""
    package = make_package(folder, root, version)
    for pip in (package / "wheels").glob("pip-*.whl"):
        pip.unlink()
    with zipfile.ZipFile(package / "wheels" / "pip-0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("pip/__main__.py", _PIP)
    for file, more in (("spot-worker@.service", ""), ("spot-agent.pyz", _AGENT_IS_TOLD)):
        path = package / file
        path.write_text(f"{path.read_text('utf-8')}{more}\n# version {version}\n", "utf-8")
    return package


@dataclass(frozen=True)
class Wanted:
    """What a deployment wants of the VM."""

    package: Path
    work: Path
    queue: str = "jobs"
    options: str = "--slots 2"
    agents_queue: str = ""

    @property
    def settings(self) -> str:
        """What the installer is told on standard input."""
        own = {"queue": self.queue, "options": self.options, "agentsQueue": self.agents_queue}
        return json.dumps({**SETTINGS, **own})


class MortalVm(Vm):
    """A VM that knows what runs on it, and whose installer is killed at a moment."""

    def __init__(self, root: Path) -> None:
        """Begin with nothing installed."""
        super().__init__(root)
        (root / "bin/systemctl").write_text(_SYSTEMCTL.format(root=root), "utf-8")

    def apply(self, wanted: Wanted, moment: int = 0) -> int:
        """Apply it; killed before the change of that number. Give the exit code."""
        return self.call(wanted.package, "apply", str(wanted.work), settings=wanted.settings, moment=moment)

    def call(self, package: Path, *words: str, settings: str = "", moment: int = 0) -> int:
        """Call the installer in that folder; killed before the change of that number. Give the exit code."""
        done = subprocess.run(  # noqa: S603 - our own installer
            [sys.executable, "-Ic", _WITH_A_MOMENT, str(package), str(self.root), str(moment), *words],
            env=self.environment,
            input=settings,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode in {0, KILLED}, done.stderr
        return done.returncode

    def state(self) -> dict[str, str]:
        """Give what is installed and what runs, by the names of the files that say it."""
        root, found = self.root, {}
        for file in sorted(
            [
                *root.glob("running-*"),
                *root.glob("enabled-*"),
                *root.glob("etc/spot-worker/*"),
                root / "usr/local/bin/spot-agent",
                *root.glob("etc/systemd/system/*"),
                root / "agents-queue",
            ]
        ):
            found[file.name] = file.read_text("utf-8") if file.exists() else ""
        home = root / "opt/spot-worker"
        for link in (home / ".venv", home / "work"):
            found[link.name] = str(link.readlink()) if link.is_symlink() else ""
            whole = (str(path.relative_to(link)) for path in link.glob("**/*") if path.suffix != ".pyc")
            found[f"files of {link.name}"] = " ".join(sorted(whole))
        return found

    def left(self) -> list[str]:
        """Give the files that are on it."""
        own = {"systemctl", "calls", "agents-queue"}
        files = [path for path in self.root.rglob("*") if not path.is_dir() or path.is_symlink()]
        return sorted(str(path.relative_to(self.root)) for path in files if path.name not in own)

    def keep(self) -> None:
        """Keep a copy of the VM as it is now."""
        shutil.rmtree(self._kept, ignore_errors=True)
        shutil.copytree(self.root, self._kept, symlinks=True)

    def back(self) -> None:
        """Make the VM what it was when it was kept."""
        shutil.rmtree(self.root)
        shutil.copytree(self._kept, self.root, symlinks=True)

    @property
    def _kept(self) -> Path:
        return self.root.with_name("kept")

    def killed_everywhere(
        self, begin: Callable[[int], int], again: Callable[[], object], found: Callable[[], object]
    ) -> dict[int, object]:
        """Kill what ``begin`` begins before one of its changes, from where the VM is now; do it ``again`` each time.

        Give what was found after each.
        """
        self.keep()
        outcomes: dict[int, object] = {}
        moment = 1
        while begin(moment) == KILLED:
            again()
            outcomes[moment] = found()
            self.back()
            moment += EVERY
        return outcomes
