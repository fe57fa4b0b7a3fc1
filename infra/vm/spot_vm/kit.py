"""The worker kit: a virtual environment, named by what is in it, and the unit that starts workers from it."""

from __future__ import annotations

import os
import re
import shutil
import sys
from typing import TYPE_CHECKING, Final

from spot_vm import pinned
from spot_vm.places import OURS, UNIT
from spot_vm.system import call, digest, link, write

if TYPE_CHECKING:
    from pathlib import Path

    from spot_vm.places import Places

_NO_SETTINGS_OF_PIP: Final = {"PIP_CONFIG_FILE": os.devnull}
"""Of this machine: the kit's libraries come from the package alone."""
_OF_REQUIREMENTS: Final = (
    "If it names a conflict with a constraint, that version is the worker's own: let requirements.txt allow it. "
    "Where pip finds no library, docs/vms.md says how it is told of an index or a proxy"
)
_DISTRIBUTION: Final = re.compile(r"(?P<name>.+)-(?P<version>[^-]+)\.dist-info")


def install_kit(package: Path, places: Places, requirements: Path | None) -> str:
    """Make a virtual environment for this package and these requirements, unless it is there; say which it is."""
    _keep_installer(package, places)
    wheels = sorted((package / "wheels").glob("*.whl"))
    contents = [path.name.encode() + path.read_bytes() for path in wheels]
    contents += [requirements.read_bytes() if requirements else b"", sys.version.encode()]
    name = digest(*contents, pinned.module(places.work).encode())
    folder = places.home / "venvs" / name
    if not (folder / "complete").exists():
        _make_environment(package, places, folder, requirements)
    link(places.environment, folder)
    pinned.forget_old(places.environment)
    if write(places.unit, (package / UNIT).read_text("utf-8")):
        call("systemctl", "daemon-reload")
    return f"{name} {digest((package / UNIT).read_bytes())}"


def _keep_installer(package: Path, places: Places) -> None:
    """Copy the installer: the package may be gone when all is to be removed. The modules before what calls them."""
    for module in sorted((package / OURS).glob("*.py")):
        write(places.installer.parent / OURS / module.name, module.read_text("utf-8"))
    write(places.installer, (package / "install.py").read_text("utf-8"))


def _make_environment(package: Path, places: Places, folder: Path, requirements: Path | None) -> None:
    if folder.exists():  # an earlier try was cut off
        shutil.rmtree(folder)
    # Without pip, which Debian and Ubuntu keep in a package of its own: it is among the wheels.
    call(sys.executable, "-m", "venv", "--without-pip", str(folder))
    python, pip = folder / "bin/python", next((package / "wheels").glob("pip-*.whl"))
    install = [str(python), f"{pip}/pip", "install", "--quiet", "--disable-pip-version-check", "--no-cache-dir"]
    ours = ["--find-links", str(package / "wheels")]
    call(*install, "--isolated", "--no-index", *ours, "spot-worker", environment=_NO_SETTINGS_OF_PIP)
    libraries = next((folder / "lib").glob("python3.*/site-packages"))
    if requirements:
        constraints = folder / "constraints.txt"
        write(constraints, "".join(_constraints(libraries)))
        wanted = ["--requirement", str(requirements), "--constraint", str(constraints)]
        call(*install, *ours, *wanted, advice=_OF_REQUIREMENTS)
    write(libraries / f"{pinned.MODULE}.py", pinned.module(places.work))
    write(libraries / "spot-worker-work.pth", f"import {pinned.MODULE}\n")
    os.sync()
    write(folder / "complete", "")


def _constraints(libraries: Path) -> list[str]:
    """Give the kit's own libraries, as they are: requirements must not replace one that it was tried with."""
    found = [_DISTRIBUTION.fullmatch(one.name) for one in sorted(libraries.glob("*.dist-info"))]
    return [f"{one['name']}=={one['version']}\n" for one in found if one]
