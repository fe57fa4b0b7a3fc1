"""Packs what goes onto VMs into one file: the agent, the worker kit with its libraries, and what installs them.

Usage: python scripts/pack_vm.py PACKAGE.tar.gz, where `make agent worker` has built both: `make vm-package` does all.
It holds libraries for each Python and processor of ``PYTHONS`` and ``PLATFORMS``, so a VM needs no package index. The
same sources and libraries give the same file.
"""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

REPOSITORY = Path(__file__).resolve().parents[1]
PYTHONS = ("3.9.2", "3.10.2", "3.11.2", "3.12.3", "3.13.0", "3.14.0")
"""The oldest of each that a current Debian, Ubuntu or Red Hat has: pip asks for the third number."""
PLATFORMS = ("x86_64", "aarch64")
INSTALLER = REPOSITORY / "infra" / "vm"
FILES = {
    "install.py": INSTALLER / "install.py",
    **{f"spot_vm/{module.name}": module for module in (INSTALLER / "spot_vm").glob("*.py")},
    "spot-worker@.service": REPOSITORY / "worker" / "spot-worker@.service",
}
LIBRARIES = REPOSITORY / "worker" / "requirements-vm.txt"
BUILT = {"spot-agent.pyz": "", "spot_agent-*.whl": "wheels/", "spot_worker-*.whl": "wheels/"}


class PackError(Exception):
    """What is missing, and what to do."""


def fetch_libraries(folder: Path, pythons: Sequence[str], platforms: Sequence[str]) -> None:
    """Get a wheel of each library for each Python and processor. Raises ``PackError``."""
    for python in pythons:
        for platform in platforms:
            of_platform = [f"manylinux2014_{platform}", f"manylinux_2_28_{platform}"]
            named = [word for name in of_platform for word in ("--platform", name)]
            manner = ["--quiet", "--disable-pip-version-check", "--no-input", "--no-deps", "--only-binary", ":all:"]
            wanted = ["--implementation", "cp", "--python-version", python, *named, "-r", str(LIBRARIES)]
            pip = [sys.executable, "-m", "pip", "download", *manner, *wanted, "--dest", str(folder)]
            if subprocess.run(pip, check=False).returncode:  # noqa: S603 - our own words
                message = f"no libraries for Python {python} on {platform}: pip says above why; it must reach PyPI"
                raise PackError(message)


def pack(target: Path, built: Path, libraries: Path) -> None:
    """Write the package, in place of an older one only once it is whole. Raises ``PackError``.

    ``built`` has what `make agent worker` built, ``libraries`` the wheels of the libraries.
    """
    members = {**FILES, **{f"wheels/{wheel.name}": wheel for wheel in libraries.glob("*.whl")}}
    for pattern, where in BUILT.items():
        found = sorted(built.glob(pattern))
        if len(found) != 1:
            message = f"{built} holds {len(found)} files {pattern}, and not one: empty it and run `make vm-package`"
            raise PackError(message)
        members[f"{where}{found[0].name}"] = found[0]
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_suffix(".new")
    # Wheels are compressed already. Neither times nor users of this machine: who packs again gets the same file.
    with (
        new.open("wb") as stream,
        gzip.GzipFile("", "wb", 1, stream, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as packed,
    ):
        for name, path in sorted(members.items()):
            content = path.read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            packed.addfile(entry, io.BytesIO(content))
    new.replace(target)


def main(words: list[str]) -> int:
    """Pack; 0, or 1 with a line of what to do, or 2 when called wrongly."""
    if len(words) != 1:
        sys.stderr.write("usage: python scripts/pack_vm.py PACKAGE.tar.gz\n")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        try:
            fetch_libraries(Path(folder), PYTHONS, PLATFORMS)
            pack(Path(words[0]), REPOSITORY / "dist", Path(folder))
        except PackError as error:
            sys.stderr.write(f"pack_vm: {error}\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
