"""The worker kit: a virtual environment, named by what is in it, and the unit that starts workers from it."""

from __future__ import annotations

import os
import re
import shutil
import sys
from typing import TYPE_CHECKING, Final

from spot_vm import pinned
from spot_vm.pip_settings import by_index, isolated
from spot_vm.places import AGENT, OURS, UNIT
from spot_vm.system import InstallError, call, digest, link, write

if TYPE_CHECKING:
    from pathlib import Path

    from spot_vm.places import Places

_OF_REQUIREMENTS: Final = (
    "If it names a conflict with a constraint, that version is the worker's own: let requirements.txt allow it. "
    "Where pip finds no library, docs/vms.md says how it is told of an index or a proxy"
)
_DISTRIBUTION: Final = re.compile(r"(?P<name>.+)-(?P<version>[^-]+)\.dist-info")
_QUIET: Final = """\
# It is begun each minute, and would say so each minute. What it has to say itself is of this level.
[Service]
SyslogLevel=notice
LogLevelMax=notice
"""


def check_package(package: Path) -> None:
    """Raise ``InstallError`` if a part of the package is not there: before anything is changed."""
    for part in (AGENT, UNIT, "wheels/pip-*.whl", "wheels/spot_worker-*.whl"):
        if not any(package.glob(part)):
            message = (
                f"{package} is not the whole package, {part} is missing in it: unpack it anew, then call this again"
            )
            raise InstallError(message)


def keep_installer(package: Path, places: Places) -> None:
    """Copy the installer: the package may be gone when all is to be removed. The modules before what calls them."""
    for module in sorted((package / OURS).glob("*.py")):
        write(places.installer.parent / OURS / module.name, module.read_text("utf-8"))
    write(places.installer, (package / "install.py").read_text("utf-8"))


def make_environment(package: Path, places: Places, requirements: Path | None) -> Path:
    """Make a virtual environment for this package and these requirements, unless it is there; nobody uses it yet."""
    wheels = sorted((package / "wheels").glob("*.whl"))
    contents = [path.name.encode() + path.read_bytes() for path in wheels]
    contents += [requirements.read_bytes() if requirements else b"", sys.version.encode()]
    folder = places.home / "venvs" / digest(*contents, pinned.module(places.work).encode())
    if not (folder / "complete").exists():
        if folder.exists():  # an earlier try was killed
            shutil.rmtree(folder)
        try:
            _fill(package, places, folder, requirements)
        except BaseException:
            # What is half made may be what fills the disk.
            shutil.rmtree(folder, ignore_errors=True)
            raise
    return folder


def name_kit(package: Path, environment: Path) -> str:
    """Name all by which a worker that is started anew differs: its environment and its unit."""
    return f"{environment.name} {digest((package / UNIT).read_bytes())}"


def use_kit(package: Path, places: Places, environment: Path) -> None:
    """Let workers that start from now on be of this environment and this package's unit."""
    link(places.environment, environment)
    pinned.forget_old(places.environment)
    write(places.unit, (package / UNIT).read_text("utf-8"))
    if (places.units / "spot-vm.service").exists():
        write(places.quiet, _QUIET)
    # Each time: whoever was killed before it has left units that systemd does not know.
    call("systemctl", "daemon-reload")


def _fill(package: Path, places: Places, folder: Path, requirements: Path | None) -> None:
    # Without pip, which Debian and Ubuntu keep in a package of its own: it is among the wheels.
    call(sys.executable, "-Im", "venv", "--without-pip", str(folder), environment=isolated())
    python, pip = folder / "bin/python", next((package / "wheels").glob("pip-*.whl"))
    install = [str(python), "-I", f"{pip}/pip", "install", "--quiet", "--no-input"]
    install += ["--disable-pip-version-check", "--no-cache-dir", "--find-links", str(package / "wheels")]
    call(*install, "--no-index", "spot-worker", environment=isolated())
    libraries = next((folder / "lib").glob("python3.*/site-packages"))
    if requirements:
        constraints = folder / "constraints.txt"
        write(constraints, "".join(_constraints(libraries)))
        wanted = ["--requirement", str(requirements), "--constraint", str(constraints)]
        call(*install, *wanted, advice=_OF_REQUIREMENTS, environment=by_index(places.pip_conf))
    write(libraries / f"{pinned.MODULE}.py", pinned.module(places.work))
    write(libraries / "spot-worker-work.pth", f"import {pinned.MODULE}\n")
    os.sync()
    write(folder / "complete", "")


def _constraints(libraries: Path) -> list[str]:
    """Give the kit's own libraries, as they are: requirements must not replace one that it was tried with."""
    found = [_DISTRIBUTION.fullmatch(one.name) for one in sorted(libraries.glob("*.dist-info"))]
    return [f"{one['name']}=={one['version']}\n" for one in found if one]
