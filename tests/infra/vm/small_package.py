"""A small package for VMs, and a VM below a folder, for the tests of what installs it there.

The installer, pip and the unit are the real ones. The agent and the worker kit are stand-ins that tell how they were
called: the real agent would become a service of the machine that the tests run on.
"""

from __future__ import annotations

import ensurepip
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.infra.compiler import INFRA, REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Mapping

AGENT: Final = """
import sys
from pathlib import Path
root = Path({root!r})
with (root / "calls").open("a") as calls:
    calls.write("spot-agent " + " ".join(sys.argv[1:]) + "\\n")
program = root / "usr/local/bin/spot-agent"
if sys.argv[1] == "install":
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text("#!" + sys.executable + "\\n" + Path(__file__).read_text())
    program.chmod(0o755)
else:
    program.unlink()
"""
SETTINGS: Final = {
    "queue": "jobs",
    "function": "count:work",
    "account": "stjobs",
    "options": "--slots 2",
    "agentsQueue": "https://st.queue.core.windows.net/agents",
}
SYSTEMCTL: Final = """#!/bin/sh
echo "systemctl $*" >> {root}/calls
case "$*" in *"$(cat {root}/refused 2>/dev/null || echo nothing-is-refused)"*) exit 1;; esac
"""


def make_package(folder: Path, root: Path, version: str) -> Path:
    """Make a package whose worker kit says ``version``; what its agent does it writes below ``root``."""
    (folder / "wheels").mkdir(parents=True)
    shutil.copy(INFRA / "vm" / "install.py", folder)
    shutil.copytree(INFRA / "vm" / "spot_vm", folder / "spot_vm", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "worker" / "spot-worker@.service", folder)
    (folder / "spot-agent.pyz").write_text(AGENT.format(root=str(root)), "utf-8")
    [pip] = (Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl")
    shutil.copy(pip, folder / "wheels")
    make_wheel(folder / "wheels", version)
    return folder


def make_wheel(folder: Path, version: str, name: str = "spot_worker") -> None:
    """Make a kit of one file: it says its version, and what the work package says."""
    file, info = f"{name}-{version}-py3-none-any.whl", f"{name}-{version}.dist-info"
    program = name.replace("_", "-")
    with zipfile.ZipFile(folder / file, "w") as wheel:
        code = f"import sys\n\ndef main():\n    import count\n    print({version!r}, count.SAYS)\n"
        wheel.writestr(f"{name}/__main__.py", code)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/entry_points.txt", f"[console_scripts]\n{program} = {name}.__main__:main\n")
        wheel.writestr(f"{info}/RECORD", "")


def make_work(folder: Path, says: str) -> Path:
    """Make an unpacked work package, by somebody who keeps files to himself."""
    folder.mkdir(parents=True)
    module = folder / "count.py"
    module.write_text(f"SAYS = {says!r}\n", "utf-8")
    module.chmod(0o600)
    return folder


class Vm:
    """A VM: folders below ``root``, and a systemctl that writes down what it is told."""

    def __init__(self, root: Path) -> None:
        """Begin with nothing installed."""
        self.root = root
        self.variables: dict[str, str] = {}
        (root / "bin").mkdir(parents=True)
        systemctl = root / "bin" / "systemctl"
        systemctl.write_text(SYSTEMCTL.format(root=root), "utf-8")
        systemctl.chmod(0o755)

    @property
    def environment(self) -> Mapping[str, str]:
        """What a program in it is given."""
        return {"PATH": f"{self.root / 'bin'}:{os.environ['PATH']}", **self.variables}

    def calls(self) -> list[str]:
        """Give what was called since the last time."""
        file = self.root / "calls"
        found = file.read_text("utf-8").splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return found

    def refuse(self, words: str) -> None:
        """Let systemctl refuse calls with these words; ``""``: none."""
        (self.root / "refused").write_text(words or "nothing-is-refused", "utf-8")

    def worker_says(self) -> str:
        """Run the worker as its unit would."""
        program = self.root / "opt/spot-worker/.venv/bin/spot-worker"
        return subprocess.run([program], capture_output=True, text=True, check=True, timeout=60).stdout.strip()  # noqa: S603

    def install(
        self, package: Path, *words: str, settings: str = "", largest_file: int = -1
    ) -> subprocess.CompletedProcess[str]:
        """Run the package's installer to its end, as root would, but below ``root``; no file may be larger."""
        begun = self.begin(package, *words, largest_file=largest_file)
        try:
            out, err = begun.communicate(settings, timeout=120)
        except subprocess.TimeoutExpired:
            begun.kill()
            raise
        return subprocess.CompletedProcess(begun.args, begun.returncode, out, err)

    def begin(self, package: Path, *words: str, largest_file: int = -1) -> subprocess.Popen[str]:
        """Begin the package's installer, and give its process."""
        code = (
            "import resource, signal, sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]); import install; "
            "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), -1)); "
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
            "sys.exit(install.main(sys.argv[4:], install.Places(Path(sys.argv[2])), sys.stdin.read))"
        )
        return subprocess.Popen(  # noqa: S603 - our own installer
            [sys.executable, "-c", code, str(package), str(self.root), str(largest_file), *words],
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def unreadable(self) -> list[Path]:
        """Give what the worker's own user could not read."""
        home = self.root / "opt/spot-worker"
        return [path for path in home.rglob("*") if not path.is_symlink() and not path.stat().st_mode & stat.S_IROTH]
